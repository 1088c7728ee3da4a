"""Files of the sandbox's own secrets, in its state folder."""

from __future__ import annotations

import os
from pathlib import Path


def read_private(path: Path) -> bytes:
    """Return what the file holds, b'' where there is none."""
    return path.read_bytes() if path.exists() else b""


def write_private(path: Path, data: bytes) -> None:
    """Write the file whole, readable by its owner only."""
    draft = path.with_name(path.name + ".new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    draft.replace(path)
