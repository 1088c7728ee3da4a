"""Sends an export file, whole or from where the last attempt was cut; or spoilt, when asked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from starlette.responses import Response, StreamingResponse

_PIECE = 256 * 1024
_FROM = re.compile(r"bytes=(\d+)-")


def deliver(path: Path, *, name: str, requested_range: str, spoil: str) -> Response:
    """Return the answer with the file's bytes from the start of `requested_range` on.

    `spoil`: `wrong_length` sends half of it as if that were all, `corrupt` damages the byte in the
    middle of the file, `no_ranges` ignores the range.
    """
    size = path.stat().st_size
    end = size // 2 if spoil == "wrong_length" else size
    asked = None if spoil == "no_ranges" else _FROM.fullmatch(requested_range)
    start = int(asked[1]) if asked else 0
    headers = {
        "Content-Disposition": f"attachment; filename={name}",
        "Accept-Ranges": "bytes",
        "Content-Length": str(max(end - start, 0)),
    }
    if asked and start >= end:
        return Response(status_code=416, headers={"Content-Range": f"bytes */{end}"})
    if asked:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{end}"
    return StreamingResponse(
        _pieces(path, start, end, damage_at=size // 2 if spoil == "corrupt" else -1),
        206 if asked else 200,
        headers=headers,
        media_type="application/zip",
    )


def _pieces(path: Path, start: int, end: int, *, damage_at: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(start)
        at = start
        while at < end:
            piece = file.read(min(_PIECE, end - at))
            if at <= damage_at < at + len(piece):
                spoilt = bytearray(piece)
                spoilt[damage_at - at] ^= 0xFF
                piece = bytes(spoilt)
            at += len(piece)
            yield piece
