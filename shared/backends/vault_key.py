"""The key of the local vault: 32 random bytes in a file that only its owner may read."""

from __future__ import annotations

import base64
import os
import secrets
import stat
import sys
from pathlib import Path
from typing import Final

from shared.errors import PermanentError

_KEY_BYTES: Final = 32


def make_key(path: Path) -> None:
    """Make the key file in one step: it is there whole, or not at all. Keep one that exists.

    The caller holds the vault's lock, so nobody else makes one meanwhile.
    """
    if path.exists():
        return
    draft = path.with_name(f"{path.name}.tmp")
    draft.unlink(missing_ok=True)  # of a process that died
    write_private(draft, base64.b64encode(secrets.token_bytes(_KEY_BYTES)) + b"\n")
    draft.replace(path)
    sync_folder(path.parent)


def read_key(path: Path) -> bytes:
    """Return the key; PermanentError if it is missing, open to others, or not a key."""
    try:
        mode = path.stat().st_mode
        text = path.read_bytes()
    except FileNotFoundError:
        raise PermanentError(
            f"The vault's key file {path} is missing. Put it back from a backup: without it the "
            "vault cannot be read."
        ) from None
    if sys.platform != "win32" and stat.S_IMODE(mode) & 0o077:
        raise PermanentError(
            f"The vault's key file {path} is open to other users. Run: chmod 600 {path}"
        )
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except ValueError:
        key = b""
    if len(key) != _KEY_BYTES:
        raise PermanentError(
            f"The vault's key file {path} does not hold a key. Put it back from a backup."
        )
    return key


def write_private(path: Path, data: bytes) -> None:
    """Write a new file of mode 0600 and have it on the disk when this returns."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(path: Path) -> None:
    """Have the folder's entries on the disk; Windows has no such call and needs none."""
    if sys.platform == "win32":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
