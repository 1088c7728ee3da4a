"""What people do on both sides, chosen by a seed.

A thing is known on both sides by its birth name (`born` there, `owner` in LinkHub), which nobody
edits: so a record that came twice, or was taken for another one, is seen.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from local.sandbox.linkhub.batches import Record
from shared.domain.mapping import RecordMapper
from tests.histories.remote import MAPPINGS, STAGES, TICKETS, Row
from tests.histories.rig import Rig

Values = dict[str, Any]
"""LinkHub's wire values by field; what is empty is left out."""

_mapper = RecordMapper.compile(MAPPINGS)
_WORDS = ("Roof", "Wall", "Door", "Yard")
_STATUSES = ("ON_TIME", "FINISHED", "LATE", "AT_RISK")


def view(row: Row) -> Values:
    """Return what the mapping makes of a ticket."""
    mapped = _mapper.map(TICKETS, row.id, row.to_json())
    assert not isinstance(mapped, list), mapped
    return {name: value for name, value in mapped.fields.items() if value is not None}


@dataclass
class Deeds:
    """What was done to one thing since the sides were last in step: values by field and side."""

    external: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))
    linkhub: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))
    was_deleted_or_revived: bool = False
    was_during_job: bool = False


class People:
    """Everybody on both sides; what they did is in `deeds`, by birth name."""

    def __init__(self, rig: Rig, rng: Random) -> None:
        self._rig = rig
        self._rng = rng
        self._born = 0
        self.deeds: dict[str, Deeds] = defaultdict(Deeds)
        self.is_job_running = False

    def rows(self) -> Mapping[str, Row]:
        """Return the ticket of each thing: the live one, else the last one there was."""
        rows = sorted(
            self._rig.remote.rows.values(), key=lambda row: (not row.deleted, int(row.id))
        )
        return {row.fields["born"]: row for row in rows}

    def records(self) -> Mapping[str, Record]:
        """Return LinkHub's record of each thing."""
        return {record.fields["owner"]: record for record in self._rig.records()}

    def act(self) -> None:
        """Have somebody do something."""
        self._rig.clock.move(seconds=1)
        acts: list[tuple[Callable[[], None], int]] = [
            (self._create_external, 2),
            (self._create_linkhub, 2),
            (self._edit_external, 6),
            (self._edit_linkhub, 6),
            (self._delete_external, 1),
            (self._delete_linkhub, 1),
            (self._revive_external, 1),
            (self._revive_linkhub, 1),
        ]
        (act,) = self._rng.choices([a for a, _ in acts], [weight for _, weight in acts])
        act()

    def _note(self, born: str) -> Deeds:
        deeds = self.deeds[born]
        deeds.was_during_job |= self.is_job_running
        return deeds

    def _name(self) -> str:
        self._born += 1
        return f"t{self._born}"

    def _create_external(self) -> None:
        born = self._name()
        fields = self._ticket()
        self._rig.remote.create(**{**fields, "title": self._title(), "born": born})
        self._note(born)

    def _create_linkhub(self) -> None:
        born = self._name()
        fields = {**self._initiative(), "name": self._title(), "owner": born}
        self._rig.edit_linkhub(create=[{"status": "ON_TIME", **fields}])
        self._note(born)

    def _edit_external(self) -> None:
        row = self._pick({born: row for born, row in self.rows().items() if not row.deleted})
        if row is None:
            return
        before = view(row)
        if self._rig.remote.edit(row.id, **self._ticket()):
            deeds = self._note(row.fields["born"])
            _add(deeds.external, before, view(row))

    def _edit_linkhub(self) -> None:
        record = self._pick({b: r for b, r in self.records().items() if not r.deleted})
        if record is None:
            return
        self._rig.edit_linkhub(patch=[{"id": record.id, "fields": self._initiative()}])
        born = record.fields["owner"]
        _add(self._note(born).linkhub, record.fields, self.records()[born].fields)

    def _delete_external(self) -> None:
        row = self._pick({born: row for born, row in self.rows().items() if not row.deleted})
        if row is not None:
            self._rig.remote.set_deleted(row.id, deleted=True)
            self._note(row.fields["born"]).was_deleted_or_revived = True

    def _delete_linkhub(self) -> None:
        record = self._pick({b: r for b, r in self.records().items() if not r.deleted})
        if record is not None:
            self._rig.edit_linkhub(delete=[record.id])
            self._note(record.fields["owner"]).was_deleted_or_revived = True

    def _revive_external(self) -> None:
        """Bring a ticket back; nobody does while a job may be making it anew."""
        row = self._pick({born: row for born, row in self.rows().items() if row.deleted})
        if row is not None and not self.is_job_running:
            self._rig.remote.set_deleted(row.id, deleted=False)
            self._note(row.fields["born"]).was_deleted_or_revived = True

    def _revive_linkhub(self) -> None:
        record = self._pick({b: r for b, r in self.records().items() if r.deleted})
        if record is not None:
            self._rig.edit_linkhub(patch=[{"id": record.id, "fields": {}}])
            self._note(record.fields["owner"]).was_deleted_or_revived = True

    def _pick(self, things: Mapping[str, Any]) -> Any:
        return things[self._rng.choice(sorted(things))] if things else None

    def _title(self) -> str:
        space = self._rng.choice((" ", " ", "  "))
        return f"{self._rng.choice(_WORDS)}{space}{self._rng.randint(1, 9)}"

    def _some(self, fields: Mapping[str, Callable[[], Any]]) -> dict[str, Any]:
        names = self._rng.sample(sorted(fields), self._rng.randint(1, 3))
        return {name: fields[name]() for name in names}

    def _ticket(self) -> dict[str, Any]:
        rng = self._rng
        return self._some(
            {
                "title": self._title,
                "notes": lambda: rng.choice((None, "short", "long")),
                "stage": lambda: rng.choice(STAGES),
                "amount": lambda: rng.choice((None, "1", "1.234", "1.236", "20.5")),
                "due": lambda: rng.choice((None, "2026-12-01T09:30:00Z", "2026-12-24T00:00:00Z")),
                "score": lambda: rng.randint(0, 3),
            }
        )

    def _initiative(self) -> dict[str, Any]:
        rng = self._rng
        return self._some(
            {
                "name": self._title,
                "description": lambda: rng.choice((None, "short", "wide")),
                "status": lambda: rng.choice(_STATUSES),
                "budget": lambda: rng.choice((None, "1.00", "1.24", "30.10")),
                "end_date": lambda: rng.choice((None, "2026-12-01", "2026-12-31")),
                "progress": lambda: rng.randint(0, 3),
            }
        )


def _add(
    made: Mapping[str, list[Any]], before: Mapping[str, Any], after: Mapping[str, Any]
) -> None:
    for name in before.keys() | after.keys():
        if before.get(name) != after.get(name):
            made[name].append(after.get(name))
