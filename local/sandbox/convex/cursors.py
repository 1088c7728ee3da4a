"""Cursors of data syncs: opaque to whoever holds one, and worth nothing elsewhere."""

from __future__ import annotations

import hashlib
import hmac
import zlib
from dataclasses import asdict, dataclass, field, replace

import orjson

_TAG = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """How far a sync is: all of `synced`, and of tablet `current` the documents up to `after`, as
    they were at `ts`. `current` is 0 between two tables; `docs` counts what was sent; `followed`:
    the last page of a walk was one of the log.
    """

    sync_id: str
    ts: int
    synced: tuple[int, ...] = field(default=())
    current: int = 0
    after: str = ""
    in_table: int = 0
    docs: int = 0
    followed: bool = False

    def has(self, tablet: int, key: str) -> bool:
        """Whether a document of this id has been passed, so that its changes must be told."""
        return tablet in self.synced or (tablet == self.current and key <= self.after)

    def moved(self, *, ts: int, sent: int, walking: bool) -> Position:
        """Return the position after a stretch of the log."""
        return replace(self, ts=ts, docs=self.docs + sent, followed=walking)


class CursorCodec:
    """Turns positions into text and back. The same position is always the same text, unlike in
    Convex, whose cursors are sealed with a nonce.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def encode(self, position: Position) -> str:
        """Return the cursor."""
        body = zlib.compress(orjson.dumps(asdict(position)))
        return (self._tag(body) + body).hex()

    def decode(self, cursor: str) -> Position:
        """Return the position; raise ValueError for a cursor that is not ours."""
        raw = bytes.fromhex(cursor)
        tag, body = raw[:_TAG], raw[_TAG:]
        if not hmac.compare_digest(tag, self._tag(body)):
            raise ValueError("not sealed by this deployment")
        read = orjson.loads(zlib.decompress(body))
        return Position(**{**read, "synced": tuple(read["synced"])})

    def _tag(self, body: bytes) -> bytes:
        return hmac.digest(self._secret, body, hashlib.sha256)[:_TAG]
