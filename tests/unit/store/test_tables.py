"""The schema as SQL Server gets it; nothing here needs one."""

from __future__ import annotations

import pytest
import sqlglot
from sqlalchemy import Column, Index, Table, UniqueConstraint
from sqlalchemy.dialects import mssql, sqlite
from sqlalchemy.engine import Dialect
from sqlalchemy.schema import CreateIndex, CreateTable

from shared.store.tables import metadata
from shared.store.types import EnumText, Key, Name, UtcDateTime

SQL_SERVER: Dialect = mssql.dialect()  # type: ignore[no-untyped-call]
SQLITE: Dialect = sqlite.dialect()
TABLES = list(metadata.sorted_tables)
INDEXES = [index for table in TABLES for index in sorted(table.indexes, key=lambda i: str(i.name))]
MAX_INDEX_BYTES, MAX_CLUSTERED_BYTES = 1700, 900

DESIGNED = [
    "providers",
    "integrator_profiles",
    "integration_instances",
    "instance_state",
    "field_mappings",
    "table_selections",
    "sync_jobs",
    "sync_logs",
    "sync_log_records",
    "checkpoints",
    "record_links",
    "conflicts",
    "change_journal",
    "oauth_states",
    "discoveries",
    "secret_removals",
    "dead_letters",
    "provider_health",
    "rate_buckets",
    "warehouses",
    "table_generations",
    "notification_settings",
    "outbox",
    "audit_events",
]


def key_bytes(column: Column[object]) -> int:
    """Return the most bytes SQL Server stores of a column in an index key."""
    type_ = column.type
    if isinstance(type_, Key | EnumText):
        return type_.length
    if isinstance(type_, Name):
        return 2 * type_.length
    return 8


def test_every_table_of_the_design_is_there() -> None:
    """No more and no fewer."""
    assert sorted(metadata.tables) == sorted(DESIGNED)


@pytest.mark.parametrize("table", TABLES, ids=str)
def test_a_table_is_ready_for_sql_server(table: Table) -> None:
    """Keys compare by code unit, times are DATETIME2(3), text is Unicode; T-SQL parses."""
    ddl = str(CreateTable(table).compile(dialect=SQL_SERVER))
    assert sqlglot.parse_one(ddl, read="tsql")
    for column in table.columns:
        compiled = column.type.compile(SQL_SERVER)
        if isinstance(column.type, Key | Name | EnumText):
            assert compiled.endswith("COLLATE Latin1_General_100_BIN2"), column
        if isinstance(column.type, UtcDateTime):
            assert compiled == "DATETIME2(3)", column
        assert "TEXT" not in compiled, f"{column}: TEXT and NTEXT are deprecated"
    assert table.c.created_at.nullable is table.c.updated_at.nullable is False


@pytest.mark.parametrize("table", TABLES, ids=str)
def test_unique_keys_have_no_null_and_fit(table: Table) -> None:
    """SQL Server allows one NULL in a unique key, SQLite many: '' stands for none."""
    keys = [list(c.columns) for c in table.constraints if isinstance(c, UniqueConstraint)]
    for columns in keys:
        assert not any(column.nullable for column in columns)
        assert sum(map(key_bytes, columns)) <= MAX_INDEX_BYTES
    assert sum(map(key_bytes, table.primary_key.columns)) <= MAX_CLUSTERED_BYTES


@pytest.mark.parametrize("index", INDEXES, ids=lambda index: str(index.name))
def test_an_index_is_the_same_on_both_databases(index: Index) -> None:
    """A filter named for one dialect only would be silently dropped by the other."""
    on_sql_server = str(CreateIndex(index).compile(dialect=SQL_SERVER))
    on_sqlite = str(CreateIndex(index).compile(dialect=SQLITE))
    assert sqlglot.parse_one(on_sql_server, read="tsql")
    assert on_sql_server.replace("[", "").replace("]", "") == on_sqlite.replace('"', "")
    assert sum(map(key_bytes, index.columns)) <= MAX_INDEX_BYTES
    assert len(str(index.name)) <= 128


def test_what_must_be_filtered_is() -> None:
    """These rules hold for some rows only, on SQL Server too."""
    filtered = {
        str(index.name): str(CreateIndex(index).compile(dialect=SQL_SERVER)).partition(" WHERE ")[2]
        for index in INDEXES
        if index.unique
    }
    assert filtered == {
        "ux_conflicts_open": "status = 'open'",
        "ux_integration_instances_connection": "deleted_at IS NULL",
        "ux_integrator_profiles_caller": "issuer IS NOT NULL AND subject IS NOT NULL",
        "ux_sync_jobs_unfinished": "status IN ('pending', 'running', 'waiting_approval')",
    }


def test_every_foreign_key_has_an_index() -> None:
    """Deleting or joining a parent never scans its children."""
    for table in TABLES:
        leading = {next(iter(index.columns)).name for index in table.indexes}
        leading |= {next(iter(table.primary_key.columns)).name}
        leading |= {
            next(iter(c.columns)).name for c in table.constraints if isinstance(c, UniqueConstraint)
        }
        for key in table.foreign_keys:
            assert key.parent.name in leading, key.parent
