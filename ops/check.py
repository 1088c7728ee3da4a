"""`check`: tell whether the database is ready for this version."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from ops.databases import database_of
from shared.store.database import Database


def add_to(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser("check", help="tell whether the database is ready for this app")
    parser.set_defaults(run=run)


def run(_arguments: argparse.Namespace, env: Mapping[str, str]) -> int:
    """Return 0 if the database answers, is migrated and is seeded; else say what to do."""
    with database_of(env) as database:
        database.ping()
        problem = next(_problems(database), None)
    if problem is not None:
        print(f"check: {problem}", file=sys.stderr)
        return 1
    print("The database answers, its schema is up to date and the catalogue is written.")
    return 0


def _problems(database: Database) -> Iterator[str]:
    from adapters import known_slugs
    from shared.store import migrations

    current, head = migrations.current(database), migrations.head()
    if current != head:
        at = current or "none"
        yield f"the schema is at revision {at}, not {head}: run python -m ops migrate."
    with database.open_uow(read_only=True) as uow:
        stored = uow.providers.list_slugs()
    missing = sorted(set(known_slugs()) - set(stored))
    if missing:
        yield f"the catalogue lacks {', '.join(missing)}: run python -m ops seed."
