"""`migrate`: bring the schema up to date."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from ops.databases import database_of


def add_to(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser("migrate", help="bring the database's schema up to date")
    parser.add_argument(
        "--sql",
        action="store_true",
        help="print the T-SQL for an empty SQL Server database, and connect to nothing",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, env: Mapping[str, str]) -> int:
    """Migrate, and say from where to where."""
    from shared.store import migrations

    if arguments.sql:
        print(migrations.sql_server_script())
        return 0
    with database_of(env) as database:
        before = migrations.current(database)
        after = migrations.upgrade(database)
    if before == after:
        print(f"The schema is up to date: revision {after}.")
    else:
        print(f"The schema went from revision {before or 'none'} to {after}.")
    return 0
