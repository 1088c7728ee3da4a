"""Tables are compared with what was written to them, and whatever somebody changed is found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import pytest

from shared.domain.changes import Change, Delete
from shared.domain.checkpoints import Mode, Stage
from shared.domain.reconciliation import TableCheck
from shared.ports.sink import FinishResult
from shared.sinks.warehouse.hashing import hash_rows, wrapped
from shared.sinks.warehouse.state import utc_now
from tests.warehouse_kit import SCOPE, Warehouse, load_full, numbered, saved_checkpoint, upserts

_ODD: dict[str, Any] = {
    "flag": True,
    "bytes": b"\x00\xff",
    "nan": float("nan"),
    "infinite": float("inf"),
    "zero": -0.0,
    "large": 2**70,
    "late": None,
    "nested": {"b": [1.0, None, {"$bytes": "AA=="}], "a": "€"},
    "text": 'a,"b".0,c]null\n',
}


def _full(warehouse: Warehouse, records: Sequence[dict[str, Any]], *, job_id: str) -> FinishResult:
    sink = warehouse.sink(run_id=job_id)
    _, finished = load_full(sink, {"flights": records}, job_id=job_id)
    sink.close()
    return finished


def _incremental(
    warehouse: Warehouse,
    changes: Sequence[Change],
    *,
    job_id: str,
    now: datetime | None = None,
    took: timedelta = timedelta(),
) -> FinishResult:
    """Do what the engine does for changes; each look at the clock comes `took` after the last."""
    looks = count()
    sink = warehouse.sink(run_id=job_id, now=lambda: (now or utc_now()) + took * next(looks))
    saved = saved_checkpoint(mode=Mode.INCREMENTAL, job_id=job_id)
    sink.load(SCOPE)
    sink.begin(SCOPE, saved)
    if changes:
        sink.write(SCOPE, changes)
    read = replace(saved, stage=Stage.READ)
    sink.commit(SCOPE, read)
    finished = sink.finish(SCOPE, replace(read, stage=Stage.FINISHED), {})
    sink.close()
    return finished


def _only(finished: FinishResult) -> TableCheck:
    (check,) = finished.checks
    return check


def test_a_table_nobody_touched_is_equal(warehouse: Warehouse) -> None:
    """Whatever values there are, SQL's sums and the rows read back are those that were written."""
    records = [*numbered(20), *numbered(20, start=50, **_ODD)]
    check = _only(_full(warehouse, records, job_id="first"))
    assert check.is_equal
    assert (check.rows, check.read_back) == (40, 40)

    changes = [
        *upserts("flights", numbered(5, start=55, **_ODD, another=1)),
        Delete("flights", "k000000"),
        *upserts("flights", numbered(2, start=90, number_two=1.5)),
    ]
    check = _only(_incremental(warehouse, changes, job_id="second"))
    assert check.is_equal
    assert (check.rows, check.read_back) == (41, 41)


def test_a_wider_column_keeps_its_rows_hashes(warehouse: Warehouse) -> None:
    """Integers that become floats, and columns that come, go and move, change no row's hash."""
    _full(warehouse, numbered(9), job_id="first")
    assert _only(
        _incremental(
            warehouse,
            upserts("flights", [{"_id": "z", "_creationTime": 1.0, "number": 1.5, "b": 1}]),
            job_id="second",
        )
    ).is_equal
    assert _only(_full(warehouse, numbered(9, c=1), job_id="third")).is_equal
    changes = upserts("flights", [{"_id": "z", "a": 1, "b": 2, "c": 3, "number": 4.5}])
    check = _only(_incremental(warehouse, changes, job_id="fourth"))
    assert (check.is_equal, check.read_back) == (True, 10)


_TAMPERED = {
    "a value": ("UPDATE {t} SET number = 77 WHERE _id = 'k000003'", "1 of 9 rows"),
    "a row gone": ("DELETE FROM {t} WHERE _id = 'k000003'", "8 rows where 9"),
    "a row twice": (
        "INSERT INTO {t} (_id, _linkhub_hash) SELECT 'other', 5",
        "10 rows where 9",
    ),
    "one row for another": (
        "UPDATE {t} SET _linkhub_hash = _linkhub_hash - 1 WHERE _id = 'k000003'",
        "other rows than were written",
    ),
}


@pytest.mark.parametrize("name", _TAMPERED)
def test_what_somebody_changed_is_found_until_a_full_load(warehouse: Warehouse, name: str) -> None:
    """A job that writes to the table finds it, so does every later one; a full load ends it."""
    statement, said = _TAMPERED[name]
    _full(warehouse, numbered(8), job_id="first")
    warehouse.execute(statement.format(t=warehouse.quoted("flights")))
    new = upserts("flights", numbered(1, start=8))
    finished = _incremental(warehouse, new, job_id="second")
    check = _only(finished)
    assert not check.is_equal
    assert said in check.message
    (problem,) = [p for p in finished.problems if p.severity == "error"]
    assert problem.message == check.message

    assert not _only(_incremental(warehouse, [], job_id="third")).is_equal
    assert _only(_full(warehouse, numbered(9), job_id="fourth")).is_equal


def test_a_table_nobody_writes_to_is_looked_at_once_a_day(warehouse: Warehouse) -> None:
    """A sync that brings nothing reads no table again, before a day is over."""
    _full(warehouse, numbered(8), job_id="first")
    assert not _incremental(warehouse, [], job_id="second").checks
    tomorrow = utc_now() + timedelta(hours=25)
    assert _only(_incremental(warehouse, [], job_id="third", now=tomorrow)).is_equal


def test_a_table_that_takes_long_is_looked_at_less_often(warehouse: Warehouse) -> None:
    """Nobody waits for minutes with each sync; what was tampered with is found all the same."""
    _full(warehouse, numbered(8), job_id="first")
    minutes = timedelta(minutes=6)
    begun = utc_now()

    def sync(job_id: str, at: timedelta) -> FinishResult:
        changes = upserts("flights", numbered(1, start=int(at.total_seconds())))
        return _incremental(warehouse, changes, job_id=job_id, now=begun + at, took=minutes)

    assert _only(sync("second", timedelta())).is_equal
    warehouse.execute(_TAMPERED["a row gone"][0].format(t=warehouse.quoted("flights")))
    assert not sync("third", timedelta(hours=1)).checks
    assert not _only(sync("fourth", timedelta(hours=4))).is_equal
    told = _only(sync("fifth", timedelta(hours=5)))  # not looked at, and wrong as ever
    assert (told.rows, told.rows_due, told.is_equal) == (9, 10, False)
    assert _only(sync("sixth", timedelta(hours=8))).rows_due == 12


def test_a_table_that_is_gone_is_a_mismatch(warehouse: Warehouse) -> None:
    """Somebody dropped the table while nothing was to be written to it."""
    _full(warehouse, numbered(8), job_id="first")
    warehouse.execute(
        f"DROP VIEW {warehouse.quoted('flights_view')}", f"DROP TABLE {warehouse.quoted('flights')}"
    )
    tomorrow = utc_now() + timedelta(hours=25)
    check = _only(_incremental(warehouse, [], job_id="second", now=tomorrow))
    assert (check.rows, check.rows_due, check.is_equal) == (0, 8, False)


def test_a_settled_job_tells_the_same_again(warehouse: Warehouse) -> None:
    """A run that dies after its last commit leaves the comparison to the next one."""
    first = _full(warehouse, numbered(8), job_id="first")
    sink = warehouse.sink(run_id="again")
    sink.begin(SCOPE, saved_checkpoint(job_id="first", stage=Stage.FINISHED))
    again = sink.finish(SCOPE, saved_checkpoint(job_id="first", stage=Stage.READ), {})
    sink.close()
    assert again.checks == first.checks


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE {t} SET _linkhub_hash = 1 WHERE _id = 'k000003'",
        "DELETE FROM {t} WHERE _id = 'k000003'",
    ],
)
def test_staged_rows_that_are_not_those_read_replace_nothing(
    warehouse: Warehouse, statement: str
) -> None:
    """A full load is compared before it is swapped in: the old table stays."""
    _full(warehouse, numbered(3), job_id="first")
    sink = warehouse.sink(run_id="second")
    saved = saved_checkpoint(job_id="second")
    sink.load(SCOPE)
    sink.begin(SCOPE, saved)
    sink.write(SCOPE, upserts("flights", numbered(8)))
    read = replace(saved, stage=Stage.READ)
    sink.commit(SCOPE, read)
    staged = warehouse.registered(role="staging")["flights"]["table_name"]
    warehouse.execute(statement.format(t=warehouse.quoted(staged)))
    finished = sink.finish(SCOPE, replace(read, stage=Stage.FINISHED), {"flights": 8})
    assert (finished.is_void, finished.loads) == (True, ())
    assert not _only(finished).is_equal
    assert "every table stays as it was" in finished.problems[0].message
    assert sink.load(SCOPE) is None
    sink.close()
    assert len(warehouse.rows("flights")) == 3


def test_hashes_tell_rows_apart_and_their_order_does_not_count() -> None:
    """Nulls at the end are no part of a row, however many columns there are; all else is."""
    wide = (None,) * 20
    one, other, moved = (
        hash_rows([row])[0]
        for row in [("k", None, 1, "a"), ("k", None, 2, "a"), ("k", None, None, 1, "a")]
    )
    assert list(hash_rows([("k", None, 1, "a", *wide), ("k", None, 2, "a", *wide)])) == [one, other]
    assert list(hash_rows([])) == []
    assert len({one, other, moved}) == 3
    assert -(2**63) <= min(one, other) <= max(one, other) < 2**63
    assert wrapped(one + other) == wrapped(other + one)
    assert wrapped(2**63) == -(2**63)


def test_hashes_tell_odd_values_from_nothing() -> None:
    """Infinities, NaN, zeros of either sign, false, '' and no bytes are none of them NULL."""
    odd = (None, float("inf"), float("-inf"), float("nan"), 0.0, -0.0, 0, False, "", b"", "None")
    hashes = hash_rows([("k", None, value, 1) for value in odd])
    assert len(set(hashes)) == len(odd)
    # bytes at the end of a row that look like the NULLs that are left out there
    ends = (192, 192 << 8 | 192, b"\xc0", b"\xc0\xc0", None)
    assert len(set(hash_rows([("k", None, value) for value in ends]))) == len(ends)


def test_a_row_keeps_its_hash_when_integers_become_floats(warehouse: Warehouse) -> None:
    """Rows from before and from after, read back as floats, are what their hashes say."""
    _full(warehouse, numbered(5, amount=7), job_id="first")
    changes = upserts("flights", numbered(3, start=10, amount=1.5))
    assert _only(_incremental(warehouse, changes, job_id="second")).is_equal
    changes = upserts("flights", numbered(3, start=20, amount=9.0))
    check = _only(_incremental(warehouse, changes, job_id="third"))
    assert (check.is_equal, check.read_back) == (True, 11)
