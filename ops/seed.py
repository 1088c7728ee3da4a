"""`seed`: write the adapters' catalogue entries."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ops.databases import database_of


def add_to(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "seed", help="write the provider catalogue; what an admin switched off stays off"
    )
    parser.set_defaults(run=run)


def run(_arguments: argparse.Namespace, env: Mapping[str, str]) -> int:
    """Make the catalogue say what this installation's adapters say."""
    from adapters import all_providers

    providers = all_providers()
    with database_of(env) as database, database.open_uow() as uow:
        for provider in providers:
            uow.providers.upsert(provider.spec, now=datetime.now(UTC))
        uow.commit()
    slugs = ", ".join(provider.spec.slug for provider in providers)
    print(f"The catalogue has {len(providers)} providers of this version: {slugs}.")
    return 0
