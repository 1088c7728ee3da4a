"""The peers we compare with, each in a virtual environment of its own under `.local/peers/`.

What a peer needs is pinned in `benchmarks/requirements/NAME.txt`. A peer that cannot be installed
here (no wheel for this platform, no network) is left out of the run, which says so.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import venv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
HOME: Final = ROOT / ".local" / "peers"
REQUIREMENTS: Final = Path(__file__).resolve().parent / "requirements"
INSTALL_SECONDS: Final = 600


def find_peer(name: str) -> Path | None:
    """Return the folder of the peer's programs, installed first where need be; None without it."""
    wanted = REQUIREMENTS / f"{name}.txt"
    home = HOME / name
    stamp = home / "installed"
    programs = home / ("Scripts" if os.name == "nt" else "bin")
    digest = hashlib.sha256(wanted.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == digest:
        return programs
    say(f"Installing {name} …")
    venv.create(home, with_pip=True, clear=True, symlinks=os.name != "nt")
    command = [str(programs / "python"), "-m", "pip", "install", "--quiet", "-r", str(wanted)]
    try:
        done = subprocess.run(
            command, stdout=sys.stderr, timeout=INSTALL_SECONDS, check=False
        ).returncode
    except subprocess.TimeoutExpired:
        done = 1
    if done:
        say(f"{name} cannot be installed here; it is left out.")
        return None
    stamp.write_text(digest)
    return programs


def measure(
    command: Sequence[str | Path], *, environment: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Run a contestant, which prints one JSON object as its last line, and return that.

    Raise RuntimeError with the end of what it said where it fails.
    """
    done = subprocess.run(
        [str(word) for word in command],
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{command[1]} failed:\n{done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def say(text: str) -> None:
    """Tell who waits what is going on."""
    print(text, file=sys.stderr, flush=True)
