"""The embedded vault: one encrypted file beside its key, for one machine.

The file is `MAGIC | key id (8 bytes) | nonce (12 bytes) | AES-256-GCM of a JSON document`, whose
header is authenticated too. The whole document is one ciphertext: names are hidden, and no entry
can be moved, dropped or put back without the key.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shared.backends.file_lock import exclusive
from shared.backends.vault_key import make_key, read_key, sync_folder, write_private
from shared.backends.vault_rules import canonical_name, decode_value, encode_value
from shared.errors import ConflictError, NotFoundError, PermanentError, TransientError

_MAGIC: Final = b"linkhub-vault-1\n"
_KEY_ID_BYTES: Final = 8
_NONCE_BYTES: Final = 12


@dataclass(slots=True, kw_only=True)
class _Document:
    """What the file holds: values as JSON text by name, and the names that are gone for good."""

    secrets: dict[str, str]
    deleted: set[str]


class LocalVault:
    """Secrets in the encrypted file `path`; its key is made beside it, in `<path>.key` (0600).

    Several processes and threads may use one file: each call takes `<path>.lock`. A value is on the
    disk when `put` returns, and a crash leaves the old file or the new one. A file that cannot be
    read (wrong key, damaged) raises PermanentError and is never written over. Keep the key in a
    backup: nobody can read the file without it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._key_path = path.with_name(f"{path.name}.key")
        self._lock_path = path.with_name(f"{path.name}.lock")

    def get(self, name: str) -> Mapping[str, str]:
        """Return the newest version."""
        name = canonical_name(name)
        with self._locked():
            text = self._load().secrets.get(name)
        if text is None:
            raise NotFoundError(f"There is no secret {name!r} in the vault.")
        return decode_value(name, text)

    def put(self, name: str, value: Mapping[str, str]) -> None:
        """Store a new version; ConflictError for a deleted name."""
        name, text = canonical_name(name), encode_value(value)
        with self._locked():
            document = self._load()
            if name in document.deleted:
                raise ConflictError(f"The secret {name!r} was deleted; use a new name.")
            document.secrets[name] = text
            self._save(document)

    def delete(self, name: str) -> None:
        """Remove the secret; its name stays taken. A name without a secret is fine."""
        name = canonical_name(name)
        with self._locked():
            document = self._load()
            if document.secrets.pop(name, None) is not None:
                document.deleted.add(name)
                self._save(document)

    def ping(self) -> None:
        """Return if the vault can be read; PermanentError or TransientError if not."""
        with self._locked():
            self._load()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the lock; a refusing disk is a TransientError."""
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with exclusive(self._lock_path):
                yield
        except OSError as error:
            raise TransientError(
                f"The vault file {self._path} cannot be used: {error.strerror or error}."
            ) from None

    def _load(self) -> _Document:
        try:
            data = self._path.read_bytes()
        except FileNotFoundError:
            return _Document(secrets={}, deleted=set())
        header = len(_MAGIC) + _KEY_ID_BYTES
        if not data.startswith(_MAGIC) or len(data) < header + _NONCE_BYTES:
            raise self._damaged()
        key = read_key(self._key_path)
        if data[len(_MAGIC) : header] != _key_id(key):
            raise PermanentError(
                f"The vault file {self._path} was written with another key than the one in "
                f"{self._key_path}. Put the right key file back; nothing was changed."
            )
        return self._decrypt(key, data[:header], data[header:])

    def _decrypt(self, key: bytes, header: bytes, data: bytes) -> _Document:
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        try:
            plain = AESGCM(key).decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], header)
        except InvalidTag:
            raise self._damaged() from None
        content = json.loads(plain)
        return _Document(secrets=content["secrets"], deleted=set(content["deleted"]))

    def _save(self, document: _Document) -> None:
        """Replace the file in one step; the key is made with the very first one."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        if not self._path.exists():
            make_key(self._key_path)
        key = read_key(self._key_path)
        content = {"secrets": document.secrets, "deleted": sorted(document.deleted)}
        header, nonce = _MAGIC + _key_id(key), secrets.token_bytes(_NONCE_BYTES)
        sealed = AESGCM(key).encrypt(nonce, json.dumps(content).encode(), header)
        draft = self._path.with_name(f"{self._path.name}.tmp")
        draft.unlink(missing_ok=True)  # of a process that died; ours is the lock
        write_private(draft, header + nonce + sealed)
        draft.replace(self._path)
        sync_folder(self._path.parent)

    def _damaged(self) -> PermanentError:
        return PermanentError(
            f"The vault file {self._path} is damaged. Put it back from a backup, or move it away "
            "to start an empty vault; nothing was changed."
        )


def _key_id(key: bytes) -> bytes:
    """Return what tells keys apart without telling the key."""
    return hashlib.sha256(b"linkhub-vault key id" + key).digest()[:_KEY_ID_BYTES]
