"""What dev.py's commands demo, up and token do once the virtual environment stands."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType

from local.azurite import AzuriteError
from local.stack.client import ApiError
from local.stack.demo import run_demo
from local.stack.processes import ROOT, StackError
from local.stack.servers import sql_server_url, warehouse_of
from local.stack.stack import Stack, StackOptions, free_port, fresh_state, mint_token
from shared.backends.file_lock import exclusive
from shared.errors import TransientError

STACK_FILE = "stack.json"
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
        command.add_argument(
            "--database",
            type=sql_server_url,
            metavar="URL",
            help="the app's own database on a SQL Server, mssql+pyodbc://login:password@host/name",
        )
    demo.add_argument(
        "--warehouse",
        type=warehouse_of,
        metavar="URL",
        help="a SQL Server database for the tables, mssql+pyodbc://… likewise, ?schema=linkhub",
    )
    token = commands.add_parser("token")
    token.add_argument("--admin", action="store_true", help="with the admin role")
    for command in (demo, up, token):
        command.add_argument(
            "--state",
            type=Path,
            default=ROOT / ".local",
            metavar="DIR",
            help="where databases, logs and stack.json go (default .local): a stack of its own",
        )
    args = parser.parse_args()

    folder = args.state.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, _stop)
    try:
        if args.command == "demo":
            return run_demo(
                StackOptions(
                    state=fresh_state(folder, "demo"),
                    convex_zip=args.convex_zip,
                    settings=_settings(args),
                ),
                as_json=args.json,
                keep=args.keep,
                warehouse=args.warehouse,
            )
        if args.command == "up":
            with _only_one(folder):
                return run_up(folder, args.convex_zip, _settings(args))
        return print_token(folder, admin=args.admin)
    except (AzuriteError, StackError, ApiError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 130


def run_up(folder: Path, convex_zip: Path | None, settings: Mapping[str, str]) -> int:
    """Keep the stack running until Ctrl-C or SIGTERM; `stack.json` in `folder` tells where it is.

    The file is there, whole, exactly while the stack answers.
    """
    file = folder / STACK_FILE
    file.unlink(missing_ok=True)
    options = StackOptions(
        state=folder / "up",
        host_port=free_port(7071),
        sandbox_port=free_port(7072),
        convex_port=free_port(7073),
        mailbox_port=free_port(7074),
        convex_zip=convex_zip,
        settings=settings,
    )
    print("Starting …", file=sys.stderr, flush=True)
    try:
        with Stack(options) as stack:
            draft = file.with_suffix(".tmp")
            draft.write_text(json.dumps(stack.urls, indent=2) + "\n", encoding="utf-8")
            draft.replace(file)
            try:
                print(_welcome(stack), flush=True)
                _wait_until_stopped(stack)
            finally:
                file.unlink(missing_ok=True)
    except KeyboardInterrupt:
        print("\nEverything is stopped.", file=sys.stderr)
    return 0


def print_token(folder: Path, *, admin: bool) -> int:
    """Print a caller's JWT of the running stack's issuer."""
    file = folder / STACK_FILE
    if not file.exists():
        print("No stack is running: start one with `python3 dev.py up`.", file=sys.stderr)
        return 1
    issuer = json.loads(file.read_text(encoding="utf-8"))["issuer"]
    print(mint_token(issuer, admin=admin))
    return 0


def _wait_until_stopped(stack: Stack) -> None:
    pause = threading.Event()
    while not pause.wait(CHECK_SECONDS):
        stack.check()


@contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    """Keep `folder` to this stack; raise StackError where another one has it."""
    with ExitStack() as held:
        try:
            held.enter_context(exclusive(folder / "stack.lock", timeout=0))
        except TransientError:
            raise StackError(
                f"A stack runs in {folder} already: stop it, or give this one a `--state` folder "
                "of its own."
            ) from None
        yield


def _welcome(stack: Stack) -> str:
    token = stack.token()
    return f"""
LinkHub Integrator is running. Ctrl-C stops it.

  API       {stack.api}            (health: {stack.api}/health)
  Sandbox   {stack.sandbox}            (its keys and addresses: {stack.sandbox}/_sandbox)
  Mailbox   {stack.mailbox}            (the mails it sends)
  State     {stack.state}  (databases, vault, logs)

A caller's token, good for an hour (another: python3 dev.py token [--admin]):

{token}

Try:  curl -H "Authorization: Bearer $(python3 dev.py token)" {stack.api}/v1/providers
"""


def _settings(args: argparse.Namespace) -> Mapping[str, str]:
    """Return the settings that lead to the app's database, where one is named."""
    return {} if args.database is None else {"DATABASE_URL": args.database}


def _existing_file(text: str) -> Path:
    path = Path(text).resolve()
    if not path.is_file():
        raise argparse.ArgumentTypeError(f"there is no file {text}")
    return path


def _stop(_signal: int, _frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it may come twice, through a parent and a group
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
