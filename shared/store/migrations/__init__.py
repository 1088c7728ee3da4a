"""The schema's history, and the commands that bring a database up to date."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Final

from shared.errors import PermanentError
from shared.store.database import Database

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy import Connection

_FOLDER: Final = Path(__file__).parent

_TAKE_LOCK: Final = (
    "DECLARE @result INT; EXEC @result = sp_getapplock @Resource = 'linkhub_migrations', "
    "@LockMode = 'Exclusive', @LockOwner = 'Transaction', @LockTimeout = 60000; "
    "IF @result < 0 THROW 51000, 'Another migration is running.', 1;"
)


def upgrade(database: Database) -> str:
    """Bring a database to the newest revision and return it, in one transaction or not at all.

    Two at a time wait for each other; a database that is up to date stays as it is.
    """
    from alembic import command

    with database.engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            # A batch migration rebuilds tables that others point to. Only outside a transaction.
            connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
            connection.commit()
        try:
            with connection.begin():
                if connection.dialect.name == "mssql":
                    connection.exec_driver_sql(_TAKE_LOCK)
                command.upgrade(_config(connection), "head")
        finally:
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("PRAGMA foreign_keys = ON")
                connection.commit()
    return head()


def head() -> str:
    """Return the newest revision there is."""
    from alembic.script import ScriptDirectory

    newest = ScriptDirectory.from_config(_config()).get_current_head()
    if newest is None:
        raise PermanentError("There are no migrations in this installation: install it again.")
    return newest


def current(database: Database) -> str | None:
    """Return the revision a database is at, None for an empty one."""
    from alembic.migration import MigrationContext

    with database.engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def sql_server_script() -> str:
    """Return the T-SQL that builds the newest schema in an empty database."""
    from alembic import command

    buffer = io.StringIO()
    config = _config()
    config.output_buffer = buffer
    command.upgrade(config, "head", sql=True)
    return buffer.getvalue()


def _config(connection: Connection | None = None) -> Config:
    from alembic.config import Config

    config = Config()
    # Alembic reads % as the start of a reference.
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
