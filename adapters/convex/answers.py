"""One answer of a data sync, however large: fetched into a file, taken from it in parts.

Convex aims at 64 MiB of JSON and goes beyond for one large commit. A small answer stays in memory,
a large one goes to an unnamed file of the work folder, which is gone with the process.
"""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, NamedTuple

import orjson

from adapters.convex.values import MARK
from shared.errors import PermanentError, TransientError

if TYPE_CHECKING:
    from shared.http.client import HttpClient

PART_BYTES: Final = 1024 * 1024
"""Bytes of JSON in a part, and of an answer that stays in memory."""
MAX_BYTES: Final = 1024 * 1024 * 1024
"""Bytes of an answer that no data sync has."""
MAX_SECONDS: Final = 900.0
"""How long one answer's body may take, however steadily it drips."""
ATTEMPTS: Final = 5
"""How often an answer is asked for that breaks off on its way."""

_TIMEOUT = 120.0
"""Seconds: Convex looks through much of its log for a page that has little in it."""
_CHUNK = 64 * 1024
_SPACE = 1024
_MOST_HELD = 64 * 1024 * 1024
"""Bytes without an end of a value that could be found: the rest is decoded as a whole."""
_TRIES = 4
_VALUES = b'"values":['
_FIRST = b"{" + _VALUES
_BETWEEN = b'},{"component":"'
_NEXT = re.compile(rb'\},\{"component":"[^"\\]*","(?:deleted|table|ts|value)":')
_GARBLED = "Convex answered a data sync with something that is not JSON. Try again later."


class Part(NamedTuple):
    """Some of an answer: `said` has some of its `values` and the other keys that stand there.

    `is_marked`: encoded values may be among them. `size` in bytes of JSON. `is_end`: the last one.
    """

    said: Mapping[str, Any]
    is_marked: bool
    size: int
    is_end: bool


class AnswerApi:
    """Calls one deployment for answers that may be large. `sleep` is called between attempts."""

    def __init__(
        self, client: HttpClient, *, work_dir: Path, sleep: Callable[[float], None]
    ) -> None:
        self._client = client
        self._work_dir = work_dir
        self._sleep = sleep

    def post(self, path: str, *, json: Mapping[str, Any]) -> Generator[Part]:
        """Yield the answer to a POST in parts, once the whole of it is here.

        What stands before its `values` is in the first part, what stands after them in the last.
        """
        with ExitStack() as stack:
            first, others = self._fetch(path, json, stack)
            yield first
            try:
                yield from others
            except ValueError:  # later ones are not asked for again: parts of it are used already
                raise TransientError(_GARBLED) from None

    def _fetch(
        self, path: str, json: Mapping[str, Any], stack: ExitStack
    ) -> tuple[Part, Generator[Part]]:
        """Return the first part and the others; an answer that broke off is asked for again."""
        attempt = 1
        while True:
            has_begun = False
            try:
                with self._client.stream(
                    "POST", path, json=json, repeatable=True, timeout=_TIMEOUT
                ) as response:
                    has_begun = True
                    file = stack.enter_context(self._open())
                    _fill(file, response.iter_bytes(_CHUNK))
                _check_end(file)
                parts = split(file)
                return next(parts), parts
            except ValueError:
                error = TransientError(_GARBLED)
            except TransientError as lost:
                error = lost
            if not has_begun or attempt == ATTEMPTS:
                raise error
            stack.close()
            self._sleep(2.0 ** (attempt - 1))
            attempt += 1

    def _open(self) -> IO[bytes]:
        self._work_dir.mkdir(parents=True, exist_ok=True)
        return tempfile.SpooledTemporaryFile(PART_BYTES, dir=str(self._work_dir))


def split(file: IO[bytes]) -> Generator[Part]:
    """Yield a JSON object in parts of about PART_BYTES; raise ValueError where it is none.

    Parts are cut where one of its `values` ends and the next begins, which is seen by what Convex
    writes there; a document may look the same inside, so a cut counts only where what is before it
    is whole JSON. What is written in another way comes as one part.
    """
    block = file.read(PART_BYTES)
    start = block.find(_VALUES) + len(_VALUES)
    front = block[:start]
    if len(block) < PART_BYTES or not _begins_well(front):
        yield _part(b"", block + file.read(), b"", is_end=True)
        return
    held = block[start:]
    while True:
        end, part = _cut(front, held)
        if part is not None:
            yield part
            del part
            front, held = _FIRST, held[end:]
        block = file.read(PART_BYTES if len(held) < _MOST_HELD else -1)
        if not block:
            break
        held += block
    yield _part(front, held, b"", is_end=True)


def _begins_well(front: bytes) -> bool:
    try:
        said: dict[str, Any] = orjson.loads(front + b"]}")
    except ValueError:
        return False
    return said.keys() >= {"truncates", "values"}


def _cut(front: bytes, held: bytes) -> tuple[int, Part | None]:
    """Return where the last whole value but one ends, and all up to there; None if not found."""
    at, tries = len(held), 0
    while tries < _TRIES and (at := held.rfind(_BETWEEN, 0, at)) >= 0:
        if _NEXT.match(held, at) is None:
            continue
        tries += 1
        try:
            return at + 2, _part(front, held[: at + 1], b"]}")
        except ValueError:  # inside a document
            continue
    return 0, None


def _part(front: bytes, text: bytes, back: bytes, *, is_end: bool = False) -> Part:
    said = orjson.loads(b"".join((front, text, back)) if front else text)
    return Part(said, is_marked=MARK in text, size=len(text), is_end=is_end)


def _check_end(file: IO[bytes]) -> None:
    """Raise ValueError where no object ends, so that half an answer is asked for again in time."""
    file.seek(max(0, file.tell() - _SPACE))
    if not file.read().rstrip().endswith(b"}"):
        raise ValueError("no end")
    file.seek(0)


def _fill(file: IO[bytes], chunks: Iterable[bytes]) -> None:
    until = time.monotonic() + MAX_SECONDS
    size = 0
    try:
        for chunk in chunks:
            file.write(chunk)
            size += len(chunk)
            if size > MAX_BYTES:
                raise PermanentError(
                    f"Convex answered a data sync with more than {MAX_BYTES:,} bytes: choose the "
                    "source `snapshot` for this connection."
                )
            if time.monotonic() > until:
                raise TransientError("Convex's answer to a data sync comes too slowly.")
    except OSError as error:
        raise PermanentError(
            f"A data sync cannot be kept in the work folder (WORK_DIR): {error.strerror}."
        ) from None
