"""Reading one table, by ranges of its key, or whole where it has none.

Power BI has no pages and may stop in the middle of a result without a word (beyond 15 MB). Reading
by key makes that harmless: whatever came is a beginning, and the next query goes on behind its
last key. At the end the rows read are compared with the rows the dataset counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from adapters.powerbi import dax
from adapters.powerbi.api import MOST_ROWS, MOST_VALUES, PowerBiApi
from adapters.powerbi.failures import CutOffError
from adapters.powerbi.keys import content_key, from_text, to_text, to_values
from adapters.powerbi.positions import Position
from adapters.powerbi.schema import Table
from adapters.powerbi.streams import DatasetRef
from shared.domain.changes import Change, Delete, Page, RecordProblem, Upsert
from shared.domain.checkpoints import Checkpoint
from shared.errors import PermanentError, TransientError

_PAGE_CHANGES = 1000
"""Records in a page handed on; a query brings many of them."""
_FEWEST_ROWS = 500
"""What a query asks for at least, however often Power BI cuts answers off."""
_GET_KEYS = 50

Row = Mapping[str, Any]


class _Entry(NamedTuple):
    """A key with its row; `rows` is how many rows have it."""

    key: tuple[Any, ...]
    record: Row
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What is read: the `wanted` columns of a table whose rows the `key` columns name."""

    stream: str
    dataset: DatasetRef
    table: Table
    key: tuple[str, ...]
    wanted: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns to ask for, those of the key first; all there are where there is no key."""
        if not self.key:
            return tuple(sorted(self.table.types))
        return tuple(dict.fromkeys((*self.key, *self.wanted)))


class TableReader:
    """Reads one table. `page_rows`: the most rows a query asks for."""

    def __init__(self, api: PowerBiApi, target: Target, *, page_rows: int) -> None:
        self._api = api
        self._target = target
        self._rows = min(page_rows, MOST_ROWS, MOST_VALUES // len(target.columns))

    def begin(self) -> Position:
        """Return where a read of everything starts; the refreshes are asked for first."""
        target = self._target
        refreshes = self._api.refreshes(target.dataset)
        rows, keyed = self._count()
        return Position(
            key=target.key,
            refreshed=refreshes.ended,
            is_steady=not refreshes.is_running,
            rows=rows,
            keyed=keyed,
        )

    def resumed(self, position: Position) -> Position:
        """Return where a read that was stopped goes on: after its position, or from the start.

        It starts over where another key is used now. So it does without a key once the rows are
        others: by their hashes new ones may stand before the position.
        """
        if position.key and position.key == self._target.key:
            return position
        fresh = self.begin()
        same = replace(fresh, after=position.after, seen=position.seen)
        return position if position == same else fresh

    def read(self, position: Position) -> Iterator[Page]:
        """Yield all rows after a position; the last page is the proof that these are all."""
        if self._target.key:
            while position.seen < position.keyed:
                entries = self._next_entries(position)
                if not entries:
                    break
                for page, reached in self._pages(entries, position):
                    yield page
                    position = reached
        else:
            for page, reached in self._pages(self._all_entries(position), position):
                yield page
                position = reached
        yield self._last_page(position)

    def get(self, keys: Sequence[str]) -> Sequence[Change]:
        """Return the rows of these keys as they are now, in that order."""
        target = self._target
        found = self._by_key(keys) if target.key else self._by_content()
        return [
            Upsert(target.stream, key, found[key]) if key in found else Delete(target.stream, key)
            for key in keys
        ]

    def _by_key(self, keys: Sequence[str]) -> Mapping[str, Row]:
        target = self._target
        types = [target.table.types[name] for name in target.key]
        values = [value for key in dict.fromkeys(keys) if (value := from_text(key, types))]
        found: dict[str, Row] = {}
        for start in range(0, len(values), _GET_KEYS):
            query = dax.find(
                target.table.name,
                target.columns,
                key=target.key,
                values=values[start : start + _GET_KEYS],
            )
            for row in self._api.query(target.dataset, query):
                found.setdefault(to_text(self._key_of(row)), self._record(row))
        return found

    def _by_content(self) -> Mapping[str, Row]:
        return {to_text(entry.key): entry.record for entry in self._all_entries(self.begin())}

    def _next_entries(self, position: Position) -> list[_Entry]:
        """Return what follows a position; rows that share a key are one entry."""
        entries: list[_Entry] = []
        for row in self._next_rows(position):
            key = self._key_of(row)
            if key == position.after:
                continue  # a date whose fraction JSON rounded: it follows itself
            if entries and entries[-1].key == key:
                entries[-1] = entries[-1]._replace(rows=entries[-1].rows + 1)
            else:
                entries.append(_Entry(key, self._record(row), 1))
        return entries

    def _next_rows(self, position: Position) -> list[Row]:
        """Ask for the next rows, for fewer of them where Power BI says that it left some out."""
        target = self._target
        after = None
        if position.after:
            types = [target.table.types[name] for name in target.key]
            after = to_values(position.after, types)
            if after is None:
                raise PermanentError(
                    f"{target.table.name} has a row whose key {to_text(position.after)[:100]!r} is "
                    "not of its column's type. Choose other key columns in the connection options."
                )
        while True:
            query = dax.page(
                target.table.name, target.columns, key=target.key, after=after, rows=self._rows
            )
            try:
                return self._api.query(target.dataset, query)
            except CutOffError:
                if self._rows <= _FEWEST_ROWS:
                    raise
                self._rows = max(self._rows // 4, _FEWEST_ROWS)

    def _all_entries(self, position: Position) -> list[_Entry]:
        """Return the rows of a table without a key after a position, in the order of their hashes.

        Raise PermanentError where they do not fit into one answer.
        """
        target = self._target
        name, most = target.table.name, min(MOST_ROWS, MOST_VALUES // len(target.columns))
        advice = (
            "Mark a key column in its model (Model view, table properties), or name its key "
            f"columns in the connection options, such as {name}[Id]."
        )
        if position.rows > most:
            raise PermanentError(
                f"{name} has {position.rows} rows and no column that names them: without one at "
                f"most {most} rows can be read. {advice}"
            )
        try:
            rows = self._api.query(target.dataset, dax.whole(name, target.columns))
        except CutOffError as error:
            raise PermanentError(f"{error} {advice}") from None
        if len(rows) != position.rows:
            now, _ = self._count()
            if now != position.rows:
                raise TransientError(f"{name} changed while it was read. Try again later.")
            raise PermanentError(
                f"Power BI gave {len(rows)} of {now} rows of {name}: they have more than 15 MB, "
                f"and there is no column to read them by in parts. {advice}"
            )
        named: dict[str, Row] = {}
        for row in rows:
            first = key = content_key([row.get(f"[c{n}]") for n in range(len(target.columns))])
            copies = 1
            while key in named:
                copies += 1
                key = f"{first}-{copies}"
            named[key] = self._record(row)
        after = position.after[0] if position.after else ""
        return [_Entry((key,), named[key], 1) for key in sorted(named) if key > after]

    def _pages(
        self, entries: Sequence[_Entry], position: Position
    ) -> Iterator[tuple[Page, Position]]:
        for start in range(0, len(entries), _PAGE_CHANGES):
            part = entries[start : start + _PAGE_CHANGES]
            seen = position.seen + sum(entry.rows for entry in part)
            position = replace(position, after=part[-1].key, seen=seen)
            stream = self._target.stream
            yield (
                Page(
                    changes=[
                        Upsert(stream, to_text(entry.key), entry.record)
                        for entry in part
                        if entry.rows == 1
                    ],
                    checkpoint=Checkpoint(resume=position.to_json()),
                    problems=[self._ambiguous(entry) for entry in part if entry.rows > 1],
                ),
                position,
            )

    def _last_page(self, position: Position) -> Page:
        """Return the page that ends a read, with the total where it is proven to be complete.

        Where a refresh came between, the next read finds it and reads all again. Rows that were
        counted and never came are an error where nothing can have changed meanwhile; of a dataset
        without a refresh history nobody knows.
        """
        target = self._target
        refreshes = self._api.refreshes(target.dataset)
        is_still = (
            position.is_steady
            and not refreshes.is_running
            and refreshes.ended == position.refreshed is not None
        )
        keyed, problems = position.keyed, []
        if position.seen != keyed:
            keyed = self._count()[1]
        if position.seen != keyed and is_still:
            raise PermanentError(
                f"Power BI gave {position.seen} of {keyed} rows of {target.table.name}, and no "
                "refresh came between: the key columns may not be unique. Choose others in the "
                "connection options, or start a full sync."
            )
        if position.seen != keyed:
            problems.append(self._problem("", f"{position.seen} of {keyed} rows came.", "warning"))
        if lost := position.rows - position.keyed:
            problems.append(self._without_key(lost))
        return Page(
            changes=(),
            checkpoint=Checkpoint(watermark={"refreshed": position.refreshed}),
            totals={target.stream: keyed} if is_still else {},
            problems=problems,
        )

    def _count(self) -> tuple[int, int]:
        """Return how many rows the table has in all, and how many with a key."""
        target = self._target
        row = self._api.query(target.dataset, dax.count(target.table.name, target.key))[0]
        return int(row.get("[rows]") or 0), int(row.get("[keyed]") or 0)  # none is a blank

    def _key_of(self, row: Row) -> tuple[Any, ...]:
        return tuple(row.get(f"[c{number}]") for number in range(len(self._target.key)))

    def _record(self, row: Row) -> Row:
        """Return the wanted columns; a blank is None, even where an answer left it out."""
        target = self._target
        names = {name: f"[c{number}]" for number, name in enumerate(target.columns)}
        return {name: row.get(names[name]) for name in target.wanted}

    def _ambiguous(self, entry: _Entry) -> RecordProblem:
        columns = " + ".join(self._target.key)
        return self._problem(
            to_text(entry.key),
            f"{entry.rows} rows have this {columns}, so none of them was synced. Choose key "
            "columns that are unique.",
        )

    def _without_key(self, count: int) -> RecordProblem:
        columns = " + ".join(self._target.key)
        return self._problem("", f"{count} rows have no {columns}, so they could not be synced.")

    def _problem(self, key: str, message: str, severity: str = "error") -> RecordProblem:
        target = self._target
        field = target.key[0] if target.key and severity == "error" else ""
        return RecordProblem(
            stream=target.stream, key=key, field=field, message=message, severity=severity
        )
