"""`python -m local.host --app DIR`: runs a Functions app of the Python v2 model on this machine.

Exit status: 0 after SIGTERM or SIGINT, 1 when the app cannot be loaded or served, 2 for a wrong
command line, 3 when a function exceeded `functionTimeout` (Azure restarts the worker then; here
whoever started the host does, and the message comes back when its lease ends).
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from pathlib import Path

from local.host.errors import HostError
from local.host.host import ServeOptions, serve


def parse_options(words: list[str] | None = None) -> ServeOptions:
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(
        prog="python -m local.host",
        description="Runs an Azure Functions app (Python v2 model) with HTTP, queue and timer "
        "triggers. Settings come from the environment, then from local.settings.json.",
    )
    parser.add_argument("--app", type=Path, required=True, help="folder with function_app.py")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one (default)")
    parser.add_argument(
        "--lease-seconds",
        type=_whole_seconds,
        default=600,
        help="how long a received message stays hidden; renewed at half (default 600, as Azure)",
    )
    parser.add_argument(
        "--drain-seconds",
        type=float,
        default=30.0,
        help="how long running functions may finish after SIGTERM (default 30)",
    )
    parser.add_argument("--state", type=Path, help="folder that remembers when timers ran")
    given = parser.parse_args(words)
    return ServeOptions(
        app_dir=given.app.resolve(),
        port=given.port,
        lease_seconds=given.lease_seconds,
        drain_seconds=given.drain_seconds,
        state=given.state.resolve() if given.state else None,
    )


def main() -> int:
    """Serve and return the exit status."""
    options = parse_options()
    try:
        is_drained = asyncio.run(serve(options))
    except HostError as error:
        print(f"The functions host cannot start: {error}", file=sys.stderr)
        return 1
    if not is_drained:
        sys.stderr.flush()
        os._exit(0)  # the functions that still run would keep the process alive
    return 0


def _whole_seconds(text: str) -> int:
    seconds = int(text)
    if seconds < 1:
        raise argparse.ArgumentTypeError("write 1 or more")
    return seconds


if __name__ == "__main__":
    sys.exit(main())
