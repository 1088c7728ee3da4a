"""Checks a full load and makes its tables the live ones, in the caller's one transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from shared.domain.changes import RecordProblem
from shared.domain.checkpoints import Mode, SavedCheckpoint
from shared.domain.reconciliation import TableCheck
from shared.errors import ApprovalNeededError
from shared.ports.sink import FinishResult, TableLoad
from shared.sinks.warehouse import names
from shared.sinks.warehouse.drift import notes
from shared.sinks.warehouse.errors import MismatchError, is_integrity_error
from shared.sinks.warehouse.ownership import Estate
from shared.sinks.warehouse.reconciling import check_live, check_table, note, noted
from shared.sinks.warehouse.registry import OwnedTable, Role
from shared.sinks.warehouse.room import Room
from shared.sinks.warehouse.staged import repeated
from shared.sinks.warehouse.types import Column

if TYPE_CHECKING:
    from sqlalchemy import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class SwapRules:
    """What a person decided about replacing tables.

    A load that takes more than `shrink_percent` of a table's rows, and at least LEAST_LOSS, waits
    for a person unless `is_approved`.
    """

    keep_previous: bool = True
    shrink_percent: int = 10
    is_approved: bool = False


LEAST_LOSS = 5
"""Fewer rows than this may go without a question, however small the table is."""


def swap_in(
    connection: Connection,
    estate: Estate,
    *,
    scope: str,
    saved: SavedCheckpoint,
    totals: Mapping[str, int],
    rules: SwapRules,
    written: Mapping[str, Sequence[str]],
    now: Callable[[], datetime],
) -> None:
    """Replace every live table of which the scope has a staged one, and compare the others.

    The old generation stays as `<table>__prev`; the one before it is dropped. Tables of streams
    that were not loaded stay. Raises MismatchError when the rows are not as many as the source
    counted or not those that were read, BrokenLoadError when a key is there twice, PermanentError
    when a name has become somebody else's, ApprovalNeededError when a table would lose more rows
    than it may without a person's word.
    """
    staged = estate.registry.list_role(connection, Role.STAGING, scope=scope)
    expected = {names.bounded_key(stream): count for stream, count in totals.items()}
    checks = []
    for owned in staged:
        _seal(connection, estate, owned)
        keys = written.get(owned.stream, ())
        begun = now()
        check = check_table(connection, estate.dialect, owned, written=keys)
        ended = now()
        note(owned, check, job_id=saved.job_id, now=ended, took=ended - begun)
        counted = expected.pop(owned.stream, None)
        due = owned.row_count if counted is None else counted - owned.rejected
        checks.append(replace(check, rows_due=due))
    checks += [_never_came(stream, count) for stream, count in sorted(expected.items()) if count]
    if not all(check.rows == check.rows_due and check.has_checksum for check in checks):
        raise MismatchError([replace(check, is_refused=True) for check in checks])
    if not rules.is_approved:
        _guard(connection, estate, staged, percent=rules.shrink_percent)
    for owned in staged:
        _replace(connection, estate, owned, job_id=saved.job_id, keeps=rules.keep_previous)
    if saved.mode is Mode.FULL:
        _forget_dropped(connection, estate, scope=scope, job_id=saved.job_id)
    check_live(connection, estate, scope=scope, job_id=saved.job_id, written=written, now=now)


def result_of(
    connection: Connection, estate: Estate, *, scope: str, saved: SavedCheckpoint
) -> FinishResult:
    """Return what a job has swapped in, how the tables differ from those they replaced, and which
    ones a full load did not bring any more.
    """
    job_id = saved.job_id
    loads, checks, problems = [], list[TableCheck](), list[RecordProblem]()
    every = estate.registry.list_all(connection)
    previous = {o.stream: o for o in every if o.role is Role.PREVIOUS}
    for owned in every:
        check = noted(owned, job_id) if owned.role is Role.LIVE else None
        if check is not None and owned.scope == names.bounded_key(scope):
            checks.append(check)
            if not check.is_equal:
                problems.append(RecordProblem(stream=owned.stream, key="", message=check.message))
        if owned.role is Role.LIVE and owned.job_id == job_id and owned.loaded_at is not None:
            if owned.scope != names.bounded_key(scope) or owned.undone_by:
                continue
            loads.append(load_of(owned))
            if owned.stream in previous:
                before = previous[owned.stream].columns
                problems += notes(owned.stream, before, owned.columns)
        elif saved.mode is Mode.FULL and _is_left(owned, scope=scope, job_id=job_id):
            problems.append(_left(owned))
    return FinishResult(loads=tuple(loads), problems=tuple(problems), checks=tuple(checks))


def _is_left(owned: OwnedTable, *, scope: str, job_id: str) -> bool:
    """Whether a full load of the scope has left the table as it was."""
    is_of_scope = owned.role is Role.LIVE and owned.scope == names.bounded_key(scope)
    return is_of_scope and owned.job_id != job_id


def _left(owned: OwnedTable) -> RecordProblem:
    message = (
        f"Table {owned.table_name} did not come with this full load: its source has no such table "
        "any more, or it is not chosen. It keeps its rows as they are; drop it, with its view, if "
        "nobody needs it."
    )
    return RecordProblem(stream=owned.stream, key="", message=message, severity="warning")


def _forget_dropped(connection: Connection, estate: Estate, *, scope: str, job_id: str) -> None:
    """Forget tables that came no more and that somebody has dropped: nothing is due there."""
    there = estate.dialect.list_objects(connection)
    for owned in estate.registry.list_role(connection, Role.LIVE, scope=scope):
        is_gone = owned.table_name.lower() not in there
        if is_gone and _is_left(owned, scope=scope, job_id=job_id):
            estate.drop(connection, owned)


def void_result(checks: Sequence[TableCheck]) -> FinishResult:
    """Return what is told of a load that was not taken over."""
    problems = [
        RecordProblem(stream=check.stream, key="", message=check.message)
        for check in checks
        if not check.is_equal
    ]
    return FinishResult(checks=tuple(checks), problems=problems, is_void=True)


def _guard(
    connection: Connection, estate: Estate, staged: Sequence[OwnedTable], *, percent: int
) -> None:
    """Ask a person where tables would lose much; nothing is replaced yet."""
    there = estate.dialect.list_objects(connection)
    registered = estate.registry.list_role(connection, Role.LIVE)
    # One that somebody has dropped has nothing to lose.
    live = {o.stream: o for o in registered if o.table_name.lower() in there}
    losses = []
    for owned in staged:
        before = live[owned.stream].row_count if owned.stream in live else 0
        lost = before - owned.row_count
        if lost >= LEAST_LOSS and lost * 100 > before * percent:
            losses.append(f"{owned.stream!r} from {before:,} to {owned.row_count:,} rows")
    if losses:
        shown = "; ".join(losses[:_SHOWN])
        more = f"; and {len(losses) - _SHOWN} more" if len(losses) > _SHOWN else ""
        raise ApprovalNeededError(
            f"This load would shrink tables by more than {percent} %: {shown}{more}. Nothing is "
            "replaced yet: approve the job to go on, or reject it to keep the tables as they are."
        )


_SHOWN = 10


def _seal(connection: Connection, estate: Estate, owned: OwnedTable) -> None:
    """Prove the keys unique."""
    dialect = estate.dialect
    try:
        if not owned.repeats:  # else it was sealed when it was made
            estate.seal(connection, owned)
    except Exception as error:
        if not is_integrity_error(error):
            raise
        key = dialect.first_repeated_key(connection, owned.table_name)
        raise repeated(owned.stream, f"{key!r}") from None


def _never_came(stream: str, counted: int) -> TableCheck:
    return TableCheck(stream=stream, table=stream, rows=0, rows_due=counted, has_checksum=False)


def _replace(
    connection: Connection, estate: Estate, owned: OwnedTable, *, job_id: str, keeps: bool
) -> None:
    registry, dialect = estate.registry, estate.dialect
    old = {o.role: o for o in registry.list_stream(connection, owned.stream)}
    previous, live = old.get(Role.PREVIOUS), old.get(Role.LIVE)
    kept_name = names.previous_name(owned.target_name)
    if previous is not None:
        estate.drop(connection, previous)
    estate.require_ours(connection, owned.stream, (owned.target_name, kept_name))
    if live is not None and dialect.has_object(connection, live.table_name):
        _carry_on(connection, estate, owned, live.columns)
        if keeps:
            estate.hide(connection, live)
            live.undone_by = ""
            dialect.rename(connection, live.table_name, kept_name)
            registry.retire(connection, live, name=kept_name)
        else:
            estate.drop(connection, live)
    elif live is not None:
        estate.drop(connection, live)
    dialect.rename(connection, owned.table_name, owned.target_name)
    registry.promote(connection, owned, job_id=job_id)
    estate.show(connection, owned)


def _carry_on(
    connection: Connection, estate: Estate, owned: OwnedTable, before: Sequence[Column]
) -> None:
    """Give the new table the columns that did not come any more.

    They come last: what a row's hash is made of is the order of columns, NULLs at the end aside.
    """
    now = {column.field for column in owned.columns}
    used = {column.name.lower() for column in owned.columns}
    room = Room(estate.dialect, owned.columns)
    gone = [
        replace(column, has_vanished=True)
        for column in before
        if column.field not in now and column.name.lower() not in used and room.add(column)
    ]
    gone = [replace(column, slot=slot) for slot, column in enumerate(gone, start=len(now))]
    if gone:
        estate.dialect.add(connection, owned.table_name, gone)
        owned.columns += gone


def load_of(owned: OwnedTable) -> TableLoad:
    """Return what the log is told of a table that is live now."""
    return TableLoad(table=owned.table_name, generation=owned.generation, row_count=owned.row_count)
