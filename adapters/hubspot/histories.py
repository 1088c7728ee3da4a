"""Which properties of a record somebody changed since it was read.

A record's time of change moves for anything, also for what HubSpot computes. The history of single
properties tells whether those about to be written are among it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from adapters.hubspot.api import CrmObject, HubSpotApi, check_missing, list_of
from adapters.hubspot.fields import to_ms
from adapters.hubspot.objects import ObjectType

BATCH_LIMIT = 50
"""Records whose histories one call may ask for; HubSpot refuses more and says so."""


def changed_since(
    api: HubSpotApi, kind: ObjectType, asked: Mapping[str, tuple[str, Sequence[str]]]
) -> Mapping[str, Sequence[str]]:
    """Return, by id, the properties changed after a time, given that time and them by id.

    Where HubSpot shows no history of a property, it counts as changed.
    """
    found: dict[str, Sequence[str]] = {}
    ids = tuple(asked)
    path = api.path("objects", kind.name, "batch", "read")
    for start in range(0, len(ids), BATCH_LIMIT):
        chunk = ids[start : start + BATCH_LIMIT]
        names = sorted({name for id_ in chunk for name in asked[id_][1]})
        body = {
            "inputs": [{"id": id_} for id_ in chunk],
            "properties": [kind.modified],
            "propertiesWithHistory": names,
        }
        answer = api.http.request_json("POST", path, json=body, repeatable=True)
        check_missing(answer, kind.label.lower())
        known = {str(data.get("id")): data for data in list_of(answer, "results")}
        for id_ in chunk:
            since, own = asked[id_]
            data = known.get(id_, {})
            found[id_] = [name for name in own if _is_changed(data, name, to_ms(since))]
    return found


def _is_changed(data: CrmObject, name: str, since: int | None) -> bool:
    histories: Any = data.get("propertiesWithHistory")
    entries = histories.get(name) if isinstance(histories, Mapping) else None
    if since is None or not isinstance(entries, list):
        return True
    times = [to_ms(entry.get("timestamp")) for entry in entries if isinstance(entry, Mapping)]
    return any(at is None or at > since for at in times)
