"""What all tables share."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, Index, MetaData, text

from shared.store.types import Key, UtcDateTime

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)


def id_column() -> Column[str]:
    """Return the primary key every table of ours has: a UUIDv7 made by the app."""
    return Column("id", Key(), primary_key=True)


def timestamps() -> tuple[Column[Any], Column[Any]]:
    """Return the columns that say when a row was made and last written."""
    return (
        Column("created_at", UtcDateTime(), nullable=False),
        Column("updated_at", UtcDateTime(), nullable=False),
    )


def filtered_index(name: str, *columns: str, where: str, unique: bool = False) -> Index:
    """Return an index over the rows `where` holds for, on both databases.

    A filter given for one dialect only is silently dropped by the other. A query uses the index
    only where it repeats `where` literally, so both take the text from one constant.
    """
    return Index(name, *columns, unique=unique, sqlite_where=text(where), mssql_where=text(where))


def listing(table: str, *columns: str, where: str | None = None) -> Index:
    """Return an index that serves a list narrowed by `columns`, newest first, page by page."""
    name = "_".join(("ix", table, *columns, "created"))
    if where is not None:
        return filtered_index(name, *columns, "created_at", "id", where=where)
    return Index(name, *columns, "created_at", "id")
