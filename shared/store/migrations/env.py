"""What Alembic runs: on the connection it is handed, or into a script for SQL Server."""

from __future__ import annotations

from typing import Any

from alembic import context

from shared.store.tables import metadata

connection: Any = context.config.attributes.get("connection")

if context.is_offline_mode():
    context.configure(dialect_name="mssql", target_metadata=metadata, transactional_ddl=True)
else:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        render_as_batch=connection.dialect.name == "sqlite",
        # Both databases can: all revisions count together or not at all.
        transactional_ddl=True,
    )

with context.begin_transaction():
    context.run_migrations()
