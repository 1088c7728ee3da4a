"""The database an operator works on: the one of DATABASE_URL."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from shared.errors import PermanentError
from shared.settings import Settings
from shared.store.database import Database


@contextmanager
def database_of(env: Mapping[str, str]) -> Iterator[Database]:
    """Open the database the settings name, and close it at the end."""
    settings = Settings.from_env(env)
    if not settings.database_url:
        raise PermanentError(
            "DATABASE_URL is not set. Use sqlite:///path or mssql+pyodbc://server/database."
        )
    token = None
    if settings.database_use_managed_identity:
        from shared.backends.azure_identity import sql_access_token

        token = sql_access_token(settings.azure_client_id)
    database = Database(settings.database_url, access_token=token)
    try:
        yield database
    finally:
        database.dispose()
