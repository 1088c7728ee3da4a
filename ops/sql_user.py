"""`sql-user`: the T-SQL that lets the app's managed identity into the database."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from shared.errors import InvalidInputError

_MAX_NAME = 128


def add_to(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "sql-user", help="print the T-SQL that creates the app's user with the rights it needs"
    )
    parser.add_argument("name", help="the managed identity's name")
    parser.add_argument(
        "--client-id",
        default="",
        help="its client id, where the server may not look names up in Microsoft Entra ID",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, _env: Mapping[str, str]) -> int:
    """Print the statements; a person runs them as the server's Entra administrator."""
    print(user_sql(arguments.name, client_id=arguments.client_id))
    return 0


def user_sql(name: str, *, client_id: str = "") -> str:
    """Return T-SQL that creates a contained user who reads and writes rows, and no more.

    It can be run again. `client_id` makes the user without a look-up in the directory, by the SID
    that Azure SQL derives from it (Microsoft, "CREATE USER", WITH SID and TYPE = E).
    """
    if not name or len(name) > _MAX_NAME:
        raise InvalidInputError(f"A user's name has 1 to {_MAX_NAME} characters.")
    user = "[" + name.replace("]", "]]") + "]"
    text = "N'" + name.replace("'", "''") + "'"
    source = f"WITH SID = {_sid(client_id)}, TYPE = E" if client_id else "FROM EXTERNAL PROVIDER"
    known = "SELECT 1 FROM sys.database_principals WHERE name ="
    return "\n".join(
        (
            f"IF NOT EXISTS ({known} {text})",
            f"    CREATE USER {user} {source};",
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON SCHEMA::dbo TO {user};",
            "-- The schema's version is the migration's to write.",
            "IF OBJECT_ID(N'dbo.alembic_version') IS NOT NULL",
            f"    DENY INSERT, UPDATE, DELETE ON OBJECT::dbo.alembic_version TO {user};",
        )
    )


def _sid(client_id: str) -> str:
    try:
        return "0x" + UUID(client_id).bytes_le.hex().upper()
    except ValueError:
        raise InvalidInputError(f"{client_id!r} is no client id: it must be a GUID.") from None
