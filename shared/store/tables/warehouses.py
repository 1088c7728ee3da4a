"""Where a profile's own databases are, and which generation of a table they hold."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    Table,
    UniqueConstraint,
)

from shared.store.tables.base import id_column, listing, metadata, timestamps
from shared.store.tables.instances import NOT_DELETED
from shared.store.types import Key, Label, Name, UtcDateTime

warehouses = Table(
    "warehouses",
    metadata,
    id_column(),
    Column("profile_id", Key(), ForeignKey("integrator_profiles.id"), nullable=False),
    Column("name", Label(), nullable=False),
    Column("host", Label(255), nullable=False),
    Column("port", Integer(), nullable=False),
    Column("database_name", Name(), nullable=False),
    Column("schema_name", Name(), nullable=False),
    Column("login", Name(), nullable=False),
    Column("secret_ref", Key(127), nullable=False),
    Column("trust_server_certificate", Boolean(), nullable=False),
    Column("config_version", Integer(), nullable=False),
    Column("deleted_at", UtcDateTime(), nullable=True),
    *timestamps(),
    listing("warehouses", "profile_id", where=NOT_DELETED),
)

table_generations = Table(
    "table_generations",
    metadata,
    id_column(),
    # '' is the default warehouse, so there is no foreign key.
    Column("warehouse_id", Key(), nullable=False),
    Column("table_name", Name(256), nullable=False),
    Column("generation", BigInteger(), nullable=False),
    Column("row_count", BigInteger(), nullable=False),
    Column("job_id", Key(), ForeignKey("sync_jobs.id"), nullable=False),
    Column("swapped_at", UtcDateTime(), nullable=False),
    *timestamps(),
    UniqueConstraint("warehouse_id", "table_name", "generation"),
    Index("ix_table_generations_job_id", "job_id"),
)
