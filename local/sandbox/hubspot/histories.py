"""What properties held before: their histories, as far as an account shows them.

Only what changed after a record was generated is kept. The rest follows from the record: its values
were given when it was made, and what moved its time of change once since was its stage (of a record
without one, its owner).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from local.sandbox.hubspot.kinds import Kind
from local.sandbox.hubspot.owners import FIRST_OWNER_ID
from local.sandbox.hubspot.records import Record
from local.sandbox.hubspot.times import to_iso

MOST_RECORDS = 50
"""Records one call may ask the histories of."""
MOST_VERSIONS = 20
MOST_CONTACT_VERSIONS = 45

Source = Mapping[str, Any]
PERSON: Source = {
    "sourceType": "CRM_UI",
    "sourceId": "userId:62011845",
    "updatedByUserId": 62011845,
}
"""Somebody at HubSpot's own pages, which `_objects` stands for."""
APP: Source = {"sourceType": "INTEGRATION", "sourceId": "3140592", "sourceLabel": "API client"}
_IMPORT: Source = {"sourceType": "IMPORT", "sourceId": "41027733", "sourceLabel": "Import"}
COMPUTED: Source = {"sourceType": "CALCULATED"}


class Version(NamedTuple):
    """A value a property got; '' emptied it."""

    value: str
    at_ms: int
    source: Source

    def to_json(self) -> dict[str, Any]:
        """Return the wire form."""
        return {"value": self.value, "timestamp": to_iso(self.at_ms), **self.source}


class Histories:
    """The histories of one object type's records, newest versions first."""

    def __init__(self, kind: Kind) -> None:
        self._kind = kind
        self._most = MOST_CONTACT_VERSIONS if kind.name == "contacts" else MOST_VERSIONS
        self._last_moved = kind.stage or "hubspot_owner_id"
        self._changed: dict[int, dict[str, tuple[Version, ...]]] = {}
        self._generated_ms: dict[int, int] = {}
        """When records that were touched since had changed before."""

    def note(
        self, record: Record, values: Mapping[str, str], *, at_ms: int, source: Source
    ) -> None:
        """Keep that a record is about to get `values`; those it has already are no versions."""
        self._generated_ms.setdefault(record.id, record.modified_ms)
        for name, value in values.items():
            if value != record.properties.get(name, ""):
                versions = (Version(value, at_ms, source), *self._versions(record, name))
                self._changed.setdefault(record.id, {})[name] = versions[: self._most]

    def forget(self, record_id: int) -> None:
        """Drop what is known of a record that is no more."""
        self._changed.pop(record_id, None)
        self._generated_ms.pop(record_id, None)

    def of(self, record: Record, names: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
        """Return the wire form of the histories of these properties."""
        return {name: [v.to_json() for v in self._versions(record, name)] for name in names}

    def _versions(self, record: Record, name: str) -> tuple[Version, ...]:
        kept = self._changed.get(record.id, {}).get(name)
        if kept is not None:
            return kept
        value = self._kind.reader(name)(record)
        if not value:
            return ()
        if name not in record.properties:
            return (Version(value, record.modified_ms, COMPUTED),)
        return self._generated(record, name, value)

    def _generated(self, record: Record, name: str, value: str) -> tuple[Version, ...]:
        source = PERSON if record.id % 3 else _IMPORT
        made = Version(value, record.created_ms, source)
        moved_ms = self._generated_ms.get(record.id, record.modified_ms)
        if name != self._last_moved or moved_ms == record.created_ms:
            return (made,)
        first = self._first(record, value)
        if first == value:
            return (made,)
        return (Version(value, moved_ms, PERSON), made._replace(value=first))

    def _first(self, record: Record, value: str) -> str:
        """Return what the property that moved last had been at first."""
        if not self._kind.stage:
            return str(FIRST_OWNER_ID)
        found = record.properties.get(self._kind.pipeline)
        way = next((way for way in self._kind.pipelines if way.id == found), None)
        return way.stages[0].id if way else value
