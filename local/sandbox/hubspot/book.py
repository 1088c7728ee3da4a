"""The records of one object type, in the orders they are asked for: by id and by last change."""

from __future__ import annotations

import time
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Collection, Iterable, Mapping
from operator import attrgetter

from local.sandbox.hubspot.histories import PERSON, Histories, Source
from local.sandbox.hubspot.kinds import Kind
from local.sandbox.hubspot.properties import PropertyBook
from local.sandbox.hubspot.records import Record


class Book:
    """Live and archived records, and the properties they have.

    `version` grows with every change, so that answers can be kept; `on_change` is told the ids.
    """

    def __init__(
        self,
        kind: Kind,
        records: Iterable[Record],
        *,
        on_change: Callable[[Collection[int]], None] = lambda _: None,
    ) -> None:
        self.kind = kind
        self.properties = PropertyBook(kind.properties)
        self.histories = Histories(kind)
        self.version = 0
        self._on_change = on_change
        self._live: dict[int, Record] = {}
        self._archived: dict[int, Record] = {}
        for record in records:
            (self._live if record.archived_ms is None else self._archived)[record.id] = record
        self._ids = {False: sorted(self._live), True: sorted(self._archived)}
        self._last_ms = max((r.modified_ms for r in self._live.values()), default=0)
        self._next_id = max((*self._live, *self._archived), default=kind.first_id) + 1
        self._recent: list[Record] = []
        self._recent_version = -1
        self._holders: dict[str, dict[str, int]] = {}

    def count(self, *, archived: bool = False) -> int:
        """Return how many live (or archived) records there are."""
        return len(self._ids[archived])

    def find(self, record_id: str, *, archived: bool = False) -> Record | None:
        """Return one record, None where there is none of that id."""
        records = self._archived if archived else self._live
        return records.get(int(record_id)) if record_id.isdecimal() else None

    def find_by(self, name: str, value: str) -> Record | None:
        """Return the live record whose unique property `name` is `value`, in any case of letters.

        The index is made when a property is first asked for.
        """
        holders = self._holders.get(name)
        if holders is None:
            pairs = ((r.properties.get(name), r.id) for r in self._live.values())
            holders = self._holders[name] = {v.casefold(): i for v, i in pairs if v}
        found = holders.get(value.casefold())
        return None if found is None else self._live[found]

    def page(self, *, after: int, limit: int, archived: bool) -> tuple[list[Record], bool]:
        """Return up to `limit` records with ids above `after`, and whether there are more."""
        ids = self._ids[archived]
        records = self._archived if archived else self._live
        start = bisect_right(ids, after)
        chosen = [records[record_id] for record_id in ids[start : start + limit]]
        return chosen, start + limit < len(ids)

    def modified_between(self, low: float, high: float) -> list[Record]:
        """Return the live records last changed in [low, high] milliseconds, in that order."""
        if self._recent_version != self.version:
            self._recent = sorted(self._live.values(), key=attrgetter("modified_ms", "id"))
            self._recent_version = self.version
        key = attrgetter("modified_ms")
        start = bisect_left(self._recent, low, key=key)
        return self._recent[start : bisect_right(self._recent, high, key=key)]

    def all_live(self) -> list[Record]:
        """Return every live record in id order."""
        return [self._live[record_id] for record_id in self._ids[False]]

    def now_ms(self) -> int:
        """Return the time a change made now carries: never before the one of an earlier change."""
        return max(time.time_ns() // 1_000_000, self._last_ms + 1)

    def create(self, values: Mapping[str, str], *, at_ms: int, source: Source = PERSON) -> Record:
        """Return a new record; its id is higher than every other."""
        record = Record(id=self._next_id, properties={}, created_ms=at_ms, modified_ms=at_ms)
        self._next_id += 1
        self._live[record.id] = record
        self._ids[False].append(record.id)
        self._set(record, {**self.kind.on_create, **values}, at_ms, source)
        return record

    def update(
        self, record: Record, values: Mapping[str, str], *, at_ms: int, source: Source = PERSON
    ) -> None:
        """Set the properties `values` of a live record, '' emptying one; {} only touches it."""
        self._set(record, values, at_ms, source)

    def archive(self, record: Record, *, at_ms: int) -> None:
        """Move a live record to the archived ones; its unique values are free again."""
        for name in self._holders:
            self._release(record, name)
        record.archived_ms = at_ms
        self._archived[record.id] = self._live.pop(record.id)
        self._move(record.id, archived=True)

    def restore(self, record: Record, *, at_ms: int) -> None:
        """Bring an archived record back, changed at `at_ms`."""
        record.archived_ms = None
        self._live[record.id] = self._archived.pop(record.id)
        self._move(record.id, archived=False)
        for name in self._holders:
            self._claim(record, name)
        self._set(record, {}, at_ms, PERSON)

    def purge(self, record: Record) -> None:
        """Remove a record without a trace."""
        self.histories.forget(record.id)
        for name in self._holders:
            self._release(record, name)
        for archived, records in ((False, self._live), (True, self._archived)):
            if records.pop(record.id, None) is not None:
                ids = self._ids[archived]
                del ids[bisect_left(ids, record.id)]

    def settle(self, ids: Collection[int]) -> None:
        """Tell that the records `ids` are not what they were. Called once after every change."""
        self.version += 1
        self._on_change(ids)

    def _set(self, record: Record, values: Mapping[str, str], at_ms: int, source: Source) -> None:
        self.histories.note(record, values, at_ms=at_ms, source=source)
        for name, value in values.items():
            if name in self._holders:
                self._release(record, name)
            if value:
                record.properties[name] = value
            else:
                record.properties.pop(name, None)
            if name in self._holders:
                self._claim(record, name)
        record.modified_ms = at_ms
        self._last_ms = max(self._last_ms, at_ms)

    def _claim(self, record: Record, name: str) -> None:
        if value := record.properties.get(name):
            self._holders[name][value.casefold()] = record.id

    def _release(self, record: Record, name: str) -> None:
        value = record.properties.get(name, "").casefold()
        if self._holders[name].get(value) == record.id:
            del self._holders[name][value]

    def _move(self, record_id: int, *, archived: bool) -> None:
        ids = self._ids[not archived]
        del ids[bisect_left(ids, record_id)]
        insort(self._ids[archived], record_id)
