"""What tells one object type from another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from local.sandbox.hubspot.pipelines import Pipeline
from local.sandbox.hubspot.properties import Property
from local.sandbox.hubspot.records import Reader, Record
from local.sandbox.hubspot.times import DAY_MS, to_iso

ALWAYS = ("createdate", "hs_object_id")
"""Properties every record carries beside its time of change, asked for or not."""
END_MS = 1_795_194_000_000
"""2026-11-20T17:00:00Z: nothing generated happened later (a planned close date may lie ahead)."""
SPAN_MS = 730 * DAY_MS
"""Generated records were made within this time before `END_MS`."""
_BULK_EDITS = tuple(END_MS - days * DAY_MS for days in (400, 170, 12))
"""Moments at which an import touched many records: they share a time of change."""

Values = dict[str, str]
Fill = Callable[[Random, int, int, int], Values]
"""Makes the properties of (randomness, id, created, modified)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """An object type. `name` stands in paths, `singular` in messages and association names.

    `modified` is the property of the time of change, `default` what an answer carries when nothing
    is asked for, `searched` where `query` looks. `natural` is a property whose clash is a 409 of
    its own. `stage` and `pipeline` name properties, where there are pipelines. `fill` and
    `first_id` make the generated records.
    """

    name: str
    singular: str
    type_id: str
    properties: tuple[Property, ...]
    default: tuple[str, ...]
    searched: tuple[str, ...]
    fill: Fill
    first_id: int
    seed: int
    modified: str = "hs_lastmodifieddate"
    natural: str = ""
    derived: Mapping[str, Reader] = field(default_factory=dict)
    pipelines: tuple[Pipeline, ...] = ()
    pipeline: str = ""
    stage: str = ""
    on_create: Mapping[str, str] = field(default_factory=dict)
    """Values of a new record that names none."""

    def reader(self, name: str) -> Reader:
        """Return what reads the property `name` of a record, computed ones too."""
        if name in self.derived:
            return self.derived[name]
        if name == "hs_object_id":
            return lambda record: str(record.id)
        if name == "createdate":
            return lambda record: to_iso(record.created_ms)
        if name == self.modified:
            return lambda record: to_iso(record.modified_ms)
        return lambda record: record.properties.get(name)

    def asked(self, names: Iterable[str], known: Callable[[str], Any]) -> tuple[str, ...]:
        """Return what an answer carries, in order: `ALWAYS`, and those of `names` `known` says."""
        wanted = [name for name in names if known(name)] or self.default
        return tuple(sorted({*wanted, *ALWAYS, self.modified}))

    def to_json(self, records: Iterable[Record], names: Sequence[str]) -> list[dict[str, Any]]:
        """Return the wire form of records with the properties `names`, null where empty."""
        readers = [(name, self.reader(name)) for name in names]
        found = []
        for record in records:
            data: dict[str, Any] = {
                "id": str(record.id),
                "properties": {name: read(record) for name, read in readers},
                "createdAt": to_iso(record.created_ms),
                "updatedAt": to_iso(record.modified_ms),
                "archived": record.archived_ms is not None,
            }
            if record.archived_ms is not None:
                data["archivedAt"] = to_iso(record.archived_ms)
            found.append(data)
        return found

    def generate(self, count: int, *, archived: int) -> list[Record]:
        """Return `count` live records and `archived` archived ones, in id order.

        They are the same every time, for given counts, and created in id order.
        """
        rng = Random(self.seed)
        total = count + archived
        times = sorted(END_MS - rng.randrange(3_600_000, SPAN_MS) for _ in range(total))
        gone = set(rng.sample(range(total), archived))
        records = []
        record_id = self.first_id
        for position, created_ms in enumerate(times):
            record_id += rng.randrange(1, 97)
            modified_ms = created_ms + int((END_MS - created_ms) * rng.random() ** 1.5)
            if odds(rng, 0.04):  # one in twenty-five was touched by an import
                modified_ms = max(rng.choice(_BULK_EDITS), modified_ms)
            record = Record(
                id=record_id,
                properties=self.fill(rng, record_id, created_ms, modified_ms),
                created_ms=created_ms,
                modified_ms=modified_ms,
            )
            if position in gone:
                later = int((END_MS - modified_ms) * rng.random())
                record.archived_ms = modified_ms + later
            records.append(record)
        return records


def odds(rng: Random, share: float) -> bool:
    """Return True in `share` of all cases."""
    return rng.random() < share
