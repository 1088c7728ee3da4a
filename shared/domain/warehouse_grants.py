"""The T-SQL that gives a warehouse's login what loading takes, and no more."""

from __future__ import annotations

from typing import Final

from shared.errors import InvalidInputError

LONGEST_NAME: Final = 128
"""Of a SQL Server identifier, in UTF-16 code units."""

TAKEN_SCHEMAS: Final = frozenset({"dbo", "sys", "guest", "information_schema"})
"""Schemas no login can be given for itself: everybody's, or the server's own."""


def grant_sql(*, schema: str, login: str) -> str:
    """Return T-SQL that makes a user for `login` and a schema which that user owns.

    It is run in the warehouse's database by its owner, can be run again, and holds no password.
    Who owns a schema may create, alter, read and write everything in it; the two grants let the
    user create tables and views at all, which works only where it may alter the schema. Because
    the user and not `dbo` owns what is made, no view there reaches into another schema by an
    ownership chain. Raise InvalidInputError for names this cannot be done with.
    """
    for what, name in (("schema", schema), ("login", login)):
        length = len(name.encode("utf-16-le", "surrogatepass")) // 2
        if not 1 <= length <= LONGEST_NAME or not name.isprintable():
            raise InvalidInputError(
                f"The {what}'s name has 1 to {LONGEST_NAME} characters, none of them a control one."
            )
    if schema.lower() in TAKEN_SCHEMAS or schema.lower().startswith("db_"):
        raise InvalidInputError(
            f"{schema} cannot be a login's own schema: name one that LinkHub's tables have for "
            "themselves, such as linkhub."
        )
    user, own = _quoted(login), _quoted(schema)
    name, owner = _text(schema), f"DATABASE_PRINCIPAL_ID({_text(login)})"
    make_schema = _text(f"CREATE SCHEMA {own} AUTHORIZATION {user}")
    others = f"SELECT 1 FROM sys.schemas WHERE name = {name} AND principal_id <> {owner}"  # noqa: S608  quoted
    return "\n".join(
        (
            "-- 1. In the database master, unless the login exists; put a long password there:",
            f"--    CREATE LOGIN {user} WITH PASSWORD = N'…';",
            "-- 2. In the warehouse's database, as its owner:",
            f"IF {owner} IS NULL",
            f"    CREATE USER {user} FOR LOGIN {user};",
            f"IF SCHEMA_ID({name}) IS NULL",
            f"    EXEC sp_executesql {make_schema};",
            f"IF EXISTS ({others})",
            "    THROW 51000, N'This schema belongs to somebody else: choose another name.', 1;",
            f"ALTER USER {user} WITH DEFAULT_SCHEMA = {own};",
            f"GRANT CREATE TABLE, CREATE VIEW TO {user};",
        )
    )


def _quoted(name: str) -> str:
    return "[" + name.replace("]", "]]") + "]"


def _text(value: str) -> str:
    return "N'" + value.replace("'", "''") + "'"
