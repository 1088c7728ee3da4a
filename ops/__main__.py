"""`python -m ops COMMAND`: 0 when done, 1 when it could not be, 2 for a wrong command line.

Settings come from the environment, as the app's do.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Mapping, Sequence

from ops import check, migrate, seed, sql_user, warehouse_grants
from shared.errors import IntegratorError

_COMMANDS = (migrate, seed, check, sql_user, warehouse_grants)


def main(argv: Sequence[str] | None = None, *, env: Mapping[str, str] | None = None) -> int:
    """Run one command and return its exit status; results go to stdout, complaints to stderr."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    arguments = _parser().parse_args(argv)
    try:
        status: int = arguments.run(arguments, os.environ if env is None else env)
    except IntegratorError as error:
        print(f"{arguments.command}: {error.message}", file=sys.stderr)
        return 1
    except Exception as error:
        if not _is_database_error(error):
            raise
        print(f"{arguments.command}: the database refused: {_said(error)}", file=sys.stderr)
        return 1
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m ops", description="Operator commands.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for module in _COMMANDS:
        module.add_to(commands)
    return parser


def _is_database_error(error: Exception) -> bool:
    return type(error).__module__.startswith("sqlalchemy")


def _said(error: Exception) -> str:
    """Return the driver's own words: the statement and its values are not for a terminal."""
    said = getattr(error, "orig", None) or error
    return str(said).splitlines()[0]


if __name__ == "__main__":
    sys.exit(main())
