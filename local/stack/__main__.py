"""What dev.py's commands demo, up and token do once the virtual environment stands."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from pathlib import Path
from types import FrameType

from local.azurite import AzuriteError
from local.stack.client import ApiError
from local.stack.demo import run_demo
from local.stack.processes import StackError
from local.stack.stack import ROOT, Stack, StackOptions, free_port, mint_token

STACK_FILE = ROOT / ".local" / "stack.json"
CHECK_SECONDS = 1.0


def main() -> int:
    """Run one command; return its exit status."""
    parser = argparse.ArgumentParser(prog="dev.py")
    commands = parser.add_subparsers(dest="command", required=True)
    demo = commands.add_parser("demo")
    demo.add_argument(
        "--json", action="store_true", help="print one JSON object instead of a table"
    )
    demo.add_argument("--keep", action="store_true", help="leave the state and say where it is")
    up = commands.add_parser("up")
    for command in (demo, up):
        command.add_argument(
            "--convex-zip",
            type=_existing_file,
            metavar="FILE",
            help="a snapshot ZIP of your own behind the Convex emulator",
        )
    token = commands.add_parser("token")
    token.add_argument("--admin", action="store_true", help="with the admin role")
    args = parser.parse_args()

    signal.signal(signal.SIGTERM, _stop)
    try:
        if args.command == "demo":
            return run_demo(as_json=args.json, keep=args.keep, convex_zip=args.convex_zip)
        if args.command == "up":
            return run_up(args.convex_zip)
        return print_token(admin=args.admin)
    except (AzuriteError, StackError, ApiError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 130


def run_up(convex_zip: Path | None) -> int:
    """Keep the stack running until Ctrl-C or SIGTERM; `.local/stack.json` tells where it is."""
    STACK_FILE.unlink(missing_ok=True)
    options = StackOptions(
        state=ROOT / ".local" / "up",
        host_port=free_port(7071),
        sandbox_port=free_port(7072),
        convex_port=free_port(7073),
        convex_zip=convex_zip,
    )
    print("Starting …", file=sys.stderr, flush=True)
    try:
        with Stack(options) as stack:
            STACK_FILE.write_text(json.dumps(stack.urls, indent=2) + "\n", encoding="utf-8")
            print(_welcome(stack), flush=True)
            pause = threading.Event()
            while not pause.wait(CHECK_SECONDS):
                stack.check()
    except KeyboardInterrupt:
        print("\nEverything is stopped.", file=sys.stderr)
    finally:
        STACK_FILE.unlink(missing_ok=True)
    return 0


def print_token(*, admin: bool) -> int:
    """Print a caller's JWT of the running stack's issuer."""
    if not STACK_FILE.exists():
        print("No stack is running: start one with `python3 dev.py up`.", file=sys.stderr)
        return 1
    issuer = json.loads(STACK_FILE.read_text(encoding="utf-8"))["issuer"]
    print(mint_token(issuer, admin=admin))
    return 0


def _welcome(stack: Stack) -> str:
    token = stack.token()
    return f"""
LinkHub Integrator is running. Ctrl-C stops it.

  API       {stack.api}            (health: {stack.api}/health)
  Sandbox   {stack.sandbox}            (its keys and addresses: {stack.sandbox}/_sandbox)
  State     {stack.state}  (databases, vault, logs)

A caller's token, good for an hour (another: python3 dev.py token [--admin]):

{token}

Try:  curl -H "Authorization: Bearer $(python3 dev.py token)" {stack.api}/v1/providers
"""


def _existing_file(text: str) -> Path:
    path = Path(text).resolve()
    if not path.is_file():
        raise argparse.ArgumentTypeError(f"there is no file {text}")
    return path


def _stop(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
