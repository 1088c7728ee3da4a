"""Who may create a record at a provider: it is settled in LinkHub before it is created.

Several instances may export the same entity. Each takes a native record under its own source, with
a name that is only kept until the provider has given it an id; LinkHub lets one of them do so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from shared.domain.changes import RecordProblem, Upsert
from shared.domain.ids import new_id
from shared.domain.links import natural_key
from shared.sinks.linkhub.client import (
    ALREADY_LINKED,
    NATIVE,
    VERSION_CONFLICT,
    LinkHubClient,
    LinkHubRecord,
    UpsertInput,
)
from shared.sinks.provider.exchange import Exchange


def claimed_key(linkhub_id: str) -> str:
    """Return the external key of a record that is taken and not created yet.

    No record of a provider has such a key: those hold a slash.
    """
    return f"claimed-{linkhub_id}"


def is_free(present: Mapping[str, Any], *, linkhub_id: str, source: str) -> bool:
    """Whether a record without a link may be created by this instance, as far as LinkHub tells."""
    mine = (source, claimed_key(linkhub_id))
    return present["source"] == NATIVE or (present["source"], present["externalKey"]) == mine


def claimed(
    client: LinkHubClient, entity: str, exchanges: Sequence[Exchange], *, source: str
) -> Sequence[Exchange]:
    """Take what is to be created, and return what is left to do.

    What another instance has taken is its own; what was edited since it was read comes again with
    the feed. Values that would stand where another one does fail.
    """
    _refuse_taken_places(client, entity, exchanges, source=source)
    new = [each for each in exchanges if each.creation and each.link is None and not each.failed]
    todo = [each for each in new if (each.present or {}).get("source") != source]
    inputs = [
        UpsertInput(
            claimed_key(each.linkhub_id),
            "{}",
            id=each.linkhub_id,
            if_version=int((each.present or {})["version"]),
        )
        for each in todo
    ]
    results = client.upsert(entity, source=source, inputs=inputs, salt=new_id())
    dropped: set[str] = set()
    for each, result in zip(todo, results, strict=True):
        if result.is_refused(ALREADY_LINKED) or result.is_refused(VERSION_CONFLICT):
            dropped.add(each.linkhub_id)
        elif result.outcome == "rejected":
            each.fail(*(_rejected(each, rejection.message) for rejection in result.rejections))
        else:
            present = each.present or {}
            each.present = {**present, "version": int(present["version"]) + 1}
    return [each for each in exchanges if each.linkhub_id not in dropped]


def _refuse_taken_places(
    client: LinkHubClient, entity: str, exchanges: Iterable[Exchange], *, source: str
) -> None:
    """Fail what would go to a key that LinkHub has another record of this instance under."""
    wanted: dict[str, list[Exchange]] = {}
    for each in exchanges:
        key = natural_key(entity, each.fields or {})
        stays = each.link is not None and each.link.key_at_linkhub == key
        if key and isinstance(each.push, Upsert) and not each.failed and not stays:
            wanted.setdefault(key, []).append(each)
    if not wanted:
        return
    holders = {
        record.external_key: record
        for record in client.get(entity, source=source, external_keys=list(wanted))
    }
    for key, some in wanted.items():
        free = some if key not in holders else []
        for each in some:
            holder = holders.get(key)
            is_own = holder is not None and holder.id == each.linkhub_id
            if not is_own and each is not next(iter(free), None):
                each.fail(_taken(each, holder))


def _taken(each: Exchange, holder: LinkHubRecord | None) -> RecordProblem:
    fields = each.fields or {}
    other = "another one" if holder is None else f"the value {holder.id}"
    text = (
        f"LinkHub keeps one value of an indicator a day, and {fields.get('indicator')} has that of "
        f"{fields.get('date')} from {other} already: change one of the two in LinkHub."
    )
    return each.problem(text, field="indicator")


def _rejected(each: Exchange, message: str) -> RecordProblem:
    return each.problem(f"LinkHub rejected it: {message}")
