"""Which records a record is associated with, as a field: their ids with semicolons between them.

Many records name several of a kind, some name thousands. The list gives the first of them with
each record; the rest, and those of records that a search found, are read in batches.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from adapters.hubspot.api import CrmObject, HubSpotApi, after_of, check_missing, list_of
from shared.errors import PermanentError

PREFIX = "associations."
BATCH_LIMIT = 1_000
"""Records a batch read of associations may name
(developers.hubspot.com/changelog/bug-fix-batch-read-limit-for-hubspot-associations-api).
"""

Links = Mapping[str, Mapping[str, str | None]]
"""By kind, then by record: the value of the field."""


def listed_links(
    api: HubSpotApi, name: str, objects: Sequence[CrmObject], linked: Sequence[str]
) -> Links:
    """Return the associations that came with listed records, those cut short completed."""
    found: dict[str, dict[str, str | None]] = {}
    for other in linked:
        known: dict[str, str | None] = {}
        cut = []
        for data in objects:
            part = (data.get("associations") or {}).get(other)
            if part is None:
                continue
            id_ = str(data.get("id"))
            if after_of(part) is None:
                known[id_] = joined(each.get("id") for each in list_of(part, "results"))
            else:
                cut.append(id_)
        found[other] = {**known, **_read(api, name, cut, other)}
    return found


def read_links(api: HubSpotApi, name: str, ids: Iterable[str], linked: Sequence[str]) -> Links:
    """Return all associations of these records; a record that has none is left out."""
    wanted = tuple(dict.fromkeys(ids))
    return {other: _read(api, name, wanted, other) for other in linked}


def joined(ids: Iterable[Any]) -> str | None:
    """Return ids as a field's value, each once and in one order however they came."""
    known = {str(id_) for id_ in ids if id_ is not None}
    return ";".join(sorted(known, key=lambda id_: (len(id_), id_))) or None


def _read(api: HubSpotApi, name: str, ids: Sequence[str], other: str) -> Mapping[str, str | None]:
    found: dict[str, set[str]] = defaultdict(set)
    path = api.links_path(name, other)
    todo: list[dict[str, str]] = [{"id": id_} for id_ in ids]
    asked: set[tuple[str, ...]] = set()
    while todo:
        chunk, todo = todo[:BATCH_LIMIT], todo[BATCH_LIMIT:]
        answer = api.http.request_json("POST", path, json={"inputs": chunk}, repeatable=True)
        check_missing(answer, f"associations with {other}")
        for result in list_of(answer, "results"):
            id_ = str((result.get("from") or {}).get("id"))
            found[id_].update(str(each["toObjectId"]) for each in result.get("to") or ())
            after = after_of(result)
            if after is None:
                continue
            if (id_, after) in asked:
                raise PermanentError(
                    "HubSpot named the same next page of associations twice; reading it would "
                    "never end. Report this to HubSpot."
                )
            asked.add((id_, after))
            todo.append({"id": id_, "after": after})
    return {id_: joined(others) for id_, others in found.items()}
