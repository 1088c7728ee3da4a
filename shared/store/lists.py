"""Lists, newest first, page by page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, RowMapping, Select, Table, and_, or_

from shared.domain.paging import Keyset, ListQuery, Slice
from shared.store.session import SqlSession

Item = TypeVar("Item")
Value = TypeVar("Value")

PARAMETERS = 2000
"""SQL Server takes 2,100 parameters a statement; some are left for the rest of it."""


def fetch_slice(
    session: SqlSession,
    statement: Select[Any],
    table: Table,
    query: ListQuery,
    build: Callable[[RowMapping], Item],
) -> Slice[Item]:
    """Return one page of a statement that selects created_at and id among others."""
    rows = session.all(page_of(statement, table, query))
    kept = rows[: query.limit]
    more = len(rows) > query.limit
    cursor = Keyset(created_at=kept[-1]["created_at"], id=kept[-1]["id"]).encode() if more else None
    return Slice(items=[build(row) for row in kept], next_cursor=cursor)


def page_of(statement: Select[Any], table: Table, query: ListQuery) -> Select[Any]:
    """Return the statement narrowed to a page and one row more, which tells that there is more.

    The keyset is written so that both databases seek on `created_at`, then filter by `id`; an OR of
    two ranges would make SQL Server scan.
    """
    at, row_id = table.c.created_at, table.c.id
    if query.since is not None:
        statement = statement.where(at >= query.since)
    if query.until is not None:
        statement = statement.where(at < query.until)
    if query.after is not None:
        after = query.after
        statement = statement.where(
            and_(at <= after.created_at, or_(at < after.created_at, row_id < after.id))
        )
    return statement.order_by(at.desc(), row_id.desc()).limit(query.limit + 1)


def where_given(statement: Select[Any], *conditions: tuple[ColumnElement[Any], Any]) -> Select[Any]:
    """Return the statement narrowed by each column whose value is not None."""
    for column, value in conditions:
        if value is not None:
            statement = statement.where(column == value)
    return statement


def chunks(values: Iterable[Value], size: int = PARAMETERS) -> Iterator[Sequence[Value]]:
    """Yield the values in lists of at most `size`."""
    listed = list(values)
    for start in range(0, len(listed), size):
        yield listed[start : start + size]
