"""Compares tables with what was written to them: rows, the sum of their hashes, and a sample.

Python adds up hashes as it writes, SQL as it counts. A sample is read back on top, hashed again and
compared with the hash beside it: rows of this run, and some from a place taken at random.
"""

from __future__ import annotations

import json
import random
import string
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from shared.domain.reconciliation import TableCheck
from shared.sinks.warehouse.dialect import Dialect
from shared.sinks.warehouse.hashing import Total, hash_rows, without_fractions
from shared.sinks.warehouse.ownership import Estate
from shared.sinks.warehouse.registry import OwnedTable, Role
from shared.sinks.warehouse.types import Column, ColumnType

if TYPE_CHECKING:
    from sqlalchemy import Connection

SAMPLE = 64
"""Rows from a place taken at random that are read back; a smaller table is read back whole."""
COSTLY = timedelta(seconds=60)
"""A comparison that takes longer is made less often than with each job."""
_SHARE = 20
"""Of the time that goes by, comparisons of one costly table take at most one part in so many."""
LONGEST_UNCHECKED = timedelta(hours=24)
"""Tables nobody writes to are looked at again after this time."""


def check_table(
    connection: Connection, dialect: Dialect, owned: OwnedTable, *, written: Sequence[str]
) -> TableCheck:
    """Compare a table with what was written to it; `written` are keys of rows to read back."""
    if not dialect.has_object(connection, owned.table_name):
        return _compared(owned, Total(0, 0), read_back=0, differing=0)
    found = dialect.total(connection, owned.table_name)
    keys = [*dict.fromkeys([*written, *_some_keys(connection, dialect, owned.table_name)])]
    columns = sorted(owned.columns, key=lambda column: column.slot)
    rows = dialect.read_back(connection, owned.table_name, columns, keys)
    differing = sum(
        row[1] != hashed
        for row, hashed in zip(
            rows, hash_rows(_hashable(row, columns) for row in rows), strict=True
        )
    )
    return _compared(owned, found, read_back=len(rows), differing=differing)


def check_live(
    connection: Connection,
    estate: Estate,
    *,
    scope: str,
    job_id: str,
    written: Mapping[str, Sequence[str]],
    now: Callable[[], datetime],
) -> None:
    """Compare the live tables the job has written to, and those it is time for; note the results.

    A table that takes minutes to go through is not due again before it has been left alone for
    twenty times as long, whoever writes to it; what was wrong with it then is said by every job.

    One that differed once is looked at until a full load replaces it.
    """
    for owned in estate.registry.list_role(connection, Role.LIVE, scope=scope):
        begun = now()
        if _is_due(owned, job_id, begun):
            keys = written.get(owned.stream, ())
            check = check_table(connection, estate.dialect, owned, written=keys)
            ended = now()
            note(owned, check, job_id=job_id, now=ended, took=ended - begun)
            estate.registry.save(connection, owned)
        elif _is_known_wrong(owned, job_id):
            owned.last_check = json.dumps(
                {**json.loads(owned.last_check or "{}"), "job_id": job_id}
            )
            estate.registry.save(connection, owned)


def note(
    owned: OwnedTable, check: TableCheck, *, job_id: str, now: datetime, took: timedelta
) -> None:
    """Keep what a comparison found and how long it took; saving the table is the caller's."""
    owned.last_check = json.dumps(
        {
            "job_id": job_id,
            "at": now.isoformat(),
            "seconds": took.total_seconds(),
            "found": check.to_json(),
        }
    )


def noted(owned: OwnedTable, job_id: str) -> TableCheck | None:
    """Return what this job's comparison found, None where it made none."""
    last = json.loads(owned.last_check or "{}")
    return TableCheck.from_json(last["found"]) if last.get("job_id") == job_id else None


def _is_due(owned: OwnedTable, job_id: str, now: datetime) -> bool:
    if owned.last_check is None:
        return True
    last = json.loads(owned.last_check)
    if last["job_id"] == job_id:
        return False
    since = now - datetime.fromisoformat(last["at"])
    took = timedelta(seconds=last.get("seconds", 0))
    if took > COSTLY and since < min(took * _SHARE, LONGEST_UNCHECKED):
        return False
    is_wrong = not TableCheck.from_json(last["found"]).is_equal
    return owned.written_by == job_id or since >= LONGEST_UNCHECKED or is_wrong


def _is_known_wrong(owned: OwnedTable, job_id: str) -> bool:
    """Whether an earlier job found the table to be wrong, which this one has not looked at."""
    last = json.loads(owned.last_check or "{}")
    if not last or last["job_id"] == job_id:
        return False
    return not TableCheck.from_json(last["found"]).is_equal


def _some_keys(connection: Connection, dialect: Dialect, table: str) -> list[str]:
    start = "".join(random.choices(string.digits + string.ascii_lowercase, k=3))  # noqa: S311  a sample, no secret
    keys = dialect.keys_from(connection, table, start, SAMPLE)
    if len(keys) < SAMPLE:
        keys += dialect.keys_from(connection, table, "", SAMPLE - len(keys))
    return keys


def _hashable(row: Sequence[Any], columns: Sequence[Column]) -> tuple[Any, ...]:
    """Return (key, companion, *values) as they were when the row was hashed."""
    key, _, companion, *values = row
    return (key, companion, *map(_as_hashed, values, columns))


def _as_hashed(value: Any, column: Column) -> Any:
    if column.type is ColumnType.BOOLEAN and value is not None:
        return bool(value)
    return without_fractions([value])[0] if column.had_integers else value


def _compared(owned: OwnedTable, found: Total, *, read_back: int, differing: int) -> TableCheck:
    return TableCheck(
        stream=owned.stream,
        table=owned.target_name,
        rows=found.rows,
        rows_due=owned.row_count,
        has_checksum=found.checksum == owned.checksum,
        read_back=read_back,
        differing=differing,
    )
