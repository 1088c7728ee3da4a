"""What a sync both ways is about to write to LinkHub, kept until its links are.

A run that dies in between leaves writes of its own in LinkHub which look like people's. Whoever
takes the scope next sends the same call again, under the same idempotency key: LinkHub answers as
it did the first time, or does it now, or refuses it because somebody has edited the record since.
What was carried out gets its link before anything is merged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Self

from shared.domain.links import RecordLink
from shared.sinks.linkhub.client import LinkHubClient, UpsertInput
from shared.sinks.linkhub.journal import link_from_json, link_to_json, read_present


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """One call. With `inputs` an upsert, whose results `links` are of, else a delete of what
    `links` name. `salt` is that of the upsert's idempotency key.
    """

    entity: str
    links: Sequence[RecordLink]
    inputs: Sequence[UpsertInput] = ()
    salt: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object that `from_json` turns back into an equal value."""
        return {
            "entity": self.entity,
            "salt": self.salt,
            "inputs": [list(each) for each in self.inputs],
            "links": [
                {
                    **link_to_json(link),
                    "id": link.id,
                    "stream": link.stream,
                    "external_id": link.external_id,
                    "created_at": link.created_at.isoformat(),
                }
                for link in self.links
            ],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any], *, instance_id: str, now: datetime) -> Self:
        """Return the value `to_json` described, its links as of `now`."""
        return cls(
            entity=data["entity"],
            salt=data["salt"],
            inputs=[UpsertInput(*each) for each in data["inputs"]],
            links=[
                RecordLink(
                    **link_from_json(link)
                    | {"created_at": datetime.fromisoformat(link["created_at"])},
                    instance_id=instance_id,
                    updated_at=now,
                )
                for link in data["links"]
            ],
        )


def carried_out(
    pending: Pending, *, client: LinkHubClient, source: str, now: Callable[[], datetime]
) -> Iterator[RecordLink]:
    """Carry a call out once and for all; yield the links of what it did, now or the first time."""
    if not pending.inputs:
        wanted = [(pending.entity, link.key_at_linkhub) for link in pending.links]
        there = read_present(client, wanted, source=source)
        for link, place in zip(pending.links, wanted, strict=True):
            if place not in there:
                yield replace(link, deleted_at=now())
        return
    results = client.upsert(pending.entity, source=source, inputs=pending.inputs, salt=pending.salt)
    for link, result in zip(pending.links, results, strict=True):
        if result.outcome != "rejected":
            yield replace(link, linkhub_id=result.id)
