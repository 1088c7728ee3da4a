"""`python -m local.sandbox --state DIR`: run the sandbox until it is told to stop."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from pydantic import ValidationError

from local.sandbox.emulators import Options
from local.sandbox.oauth.settings import Settings
from local.sandbox.server import run


def _options(arguments: list[str] | None = None) -> Options:
    parser = argparse.ArgumentParser(prog="python -m local.sandbox", description=__doc__)
    parser.add_argument("--state", type=Path, required=True, help="folder of what is kept")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--convex-port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--deals", type=int, default=25_000, help="live deals in HubSpot")
    parser.add_argument(
        "--convex-zip", type=Path, default=None, help="a snapshot export in place of the sample"
    )
    parser.add_argument(
        "--redirect-uri",
        action="append",
        default=[],
        metavar="URI",
        help="registered for the OAuth apps of all emulators; may be repeated",
    )
    given = parser.parse_args(arguments)
    if given.deals < 0:
        parser.error("--deals must not be negative")
    if given.convex_zip is not None and not given.convex_zip.is_file():
        parser.error(f"--convex-zip: there is no file {given.convex_zip}")
    try:
        Settings(redirect_uris=given.redirect_uri)
    except ValidationError as error:
        parser.error(f"--redirect-uri: {error.errors()[0]['msg']}")
    return Options(
        state_dir=given.state,
        port=given.port,
        convex_port=given.convex_port,
        deals=given.deals,
        convex_zip=given.convex_zip,
        redirect_uris=tuple(given.redirect_uri),
    )


if __name__ == "__main__":
    sys.exit(run(_options()))
