"""`warehouse-grants`: the T-SQL that lets a login load a warehouse, and nothing else."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from shared.domain.warehouse_grants import grant_sql


def add_to(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "warehouse-grants",
        help="print the T-SQL that makes a warehouse's user and a schema of its own",
    )
    parser.add_argument("--schema", default="linkhub", help="the schema the tables go to")
    parser.add_argument("--login", required=True, help="the login the warehouse is reached with")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, _env: Mapping[str, str]) -> int:
    """Print the statements; the owner of the customer's database runs them."""
    print(grant_sql(schema=arguments.schema, login=arguments.login))
    return 0
