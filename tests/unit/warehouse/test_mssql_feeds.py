"""SQL Server's side route: when a table is worth a connection, and by which way its rows go."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from shared.domain.checkpoints import Checkpoint, Stage
from shared.sinks.warehouse.errors import BulkRefusedError
from shared.sinks.warehouse.feeds import Part
from shared.sinks.warehouse.mssql import MssqlDialect
from shared.sinks.warehouse.mssql_bulk import BulkRoute
from shared.sinks.warehouse.mssql_feeds import MssqlFeeds
from shared.sinks.warehouse.types import BATCH_COLUMN
from tests.warehouse_kit import SCOPE, Warehouse, numbered, saved_checkpoint, upserts

_COLUMNS = [BATCH_COLUMN]


class _Bulk(BulkRoute):
    """Takes a time to begin, loses some rows, or refuses; never leaves the process."""

    def __init__(self, *, opening: float = 1.0, is_right: bool = True, loses: int = 0) -> None:
        super().__init__(lambda: "")
        self.trials = 0
        self.rows: list[Any] = []
        self._began, self._is_right, self._loses = opening, is_right, loses

    def try_with(self, connection: Any, table: str, columns: Sequence[Any]) -> bool:
        del connection, table, columns
        self.trials += 1
        self.opening = self._began
        self.is_chosen = self._is_right
        return self._is_right

    def copy(self, table: str, names: Sequence[str], rows: Any) -> int:
        del table, names
        self.rows += rows
        return len(self.rows) - self._loses


def _dialect(bulk: _Bulk | None) -> MssqlDialect:
    dialect = MssqlDialect()
    dialect.aside.bulk = bulk
    return dialect


def _is_worth(dialect: MssqlDialect, rows: int) -> bool:
    nobody: Any = None
    return dialect.aside.is_worth(nobody, "t", _COLUMNS, rows=rows)


def test_bulk_copy_pays_once_statements_would_take_longer_than_it_takes_to_begin() -> None:
    """As many rows as statements store in that time; the trial is made once."""
    bulk = _Bulk(opening=1.0)
    dialect = _dialect(bulk)
    speed = dialect.rows.speed
    assert [_is_worth(dialect, rows) for rows in (speed - 1, speed)] == [False, True]
    assert bulk.trials == 1


def test_what_statements_take_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow server's rows go by bulk copy sooner, whatever was guessed."""
    dialect = _dialect(None)
    ticks = iter([0.0, 4.0])
    dialect.aside = MssqlFeeds(dialect, clock=lambda: next(ticks))
    dialect.aside.bulk = _Bulk(opening=3.0)
    monkeypatch.setattr(dialect, "insert", lambda *_args, **_options: None)
    nobody: Any = None
    assert not _is_worth(dialect, 4_000)
    dialect.aside.insert(nobody, "t", _COLUMNS, [(n,) for n in range(4_000)])
    assert _is_worth(dialect, 4_000)


@pytest.mark.parametrize("bulk", [None, _Bulk(is_right=False)], ids=["none", "refused"])
def test_statements_go_by_connections_of_their_own_too(bulk: _Bulk | None) -> None:
    """Without bulk copy, large tables are still filled beside the transaction."""
    assert _is_worth(_dialect(bulk), MssqlFeeds.fewest_rows)


def _parts() -> Iterator[Part]:
    return iter([[("a",), ("b",)], [("c",)]])


def test_all_parts_of_a_table_go_by_one_copy() -> None:
    """Its rows arrive in order."""
    bulk = _Bulk()
    bulk.is_chosen = True
    _dialect(bulk).aside.sender("t", _COLUMNS)(_parts())
    assert bulk.rows == [("a",), ("b",), ("c",)]


def test_a_copy_that_stored_fewer_rows_is_refused_and_not_used_again() -> None:
    """The driver takes an error of what it is given for its end, and says nothing."""
    bulk = _Bulk(loses=1)
    bulk.is_chosen = True
    dialect = _dialect(bulk)
    with pytest.raises(BulkRefusedError):
        dialect.aside.sender("t", _COLUMNS)(_parts())
    assert bulk.is_chosen is False


@pytest.mark.parametrize("route", ["as tried", "statements"])
def test_a_killed_load_goes_on_upon_a_server(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, route: str
) -> None:
    """Large tables go beside the transaction there; what no checkpoint counts comes again once."""
    monkeypatch.setattr(MssqlFeeds, "fewest_rows", 300)
    monkeypatch.setattr(MssqlFeeds, "_speed", 0)
    if route == "statements":
        monkeypatch.setattr(BulkRoute, "copy", _refuse)
    pages = [numbered(200, start=200 * n, **{f"field_{n}": n * 1.5}) for n in range(6)]
    saved = saved_checkpoint()
    dying = warehouse.sink(run_id="dies")
    dying.begin(SCOPE, saved)
    for number, page in enumerate(pages[:4]):
        dying.write(SCOPE, upserts("flights", page))
        if number < 3:
            dying.commit(SCOPE, replace(saved, checkpoint=Checkpoint(resume=number + 1)))
    dying._reset()
    sink = warehouse.sink(run_id="ends")
    found = sink.load(SCOPE)
    assert found is not None
    sink.begin(SCOPE, found)
    for number in range(found.checkpoint.resume or 0, 6):
        sink.write(SCOPE, upserts("flights", pages[number]))
        sink.commit(SCOPE, replace(found, checkpoint=Checkpoint(resume=number + 1)))
    read = replace(found, stage=Stage.READ, checkpoint=Checkpoint())
    sink.commit(SCOPE, read)
    (check,) = sink.finish(SCOPE, read, {"flights": 1_200}).checks
    sink.close()
    assert check.is_equal
    assert [row["_id"] for row in warehouse.rows("flights")] == [f"k{n:06}" for n in range(1_200)]
    assert "_linkhub_batch" not in warehouse.types("flights")


def _refuse(*_: Any) -> int:
    raise BulkRefusedError("refused")
