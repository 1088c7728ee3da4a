"""Reads the ZIP of a Convex snapshot export: any size, one block at a time, trusting nothing.

Layout: `<table>/documents.jsonl` for the root component and
`_components/<name>/<table>/documents.jsonl`, nested as deep as components are, for the others.
Tables whose name starts with an underscore are Convex's own. Nothing is ever extracted to disk.
"""

from __future__ import annotations

import re
import struct
import zipfile
import zlib
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple, Self

import orjson

from adapters.convex.values import MARK, decode_document
from shared.errors import PermanentError, TransientError

MAX_LINE = 16 * 1024 * 1024
"""Bytes of the longest line accepted. Convex limits a document to 1 MiB."""
MAX_RATIO = 300
"""How far an entry may shrink. Ids alone, 20 random bytes a document, keep real ones far below."""
RATIO_FLOOR = 64 * 1024 * 1024
"""Entries that unpack to less than this many bytes may shrink as far as they like."""
MAX_DIRECTORY = 64 * 1024 * 1024
"""Bytes of the largest central directory accepted: some 600,000 entries."""
_BLOCK = 256 * 1024
_AHEAD = 8
"""Blocks that are unpacked while the ones before them are used: a page of usual rows."""
_GET_ID = itemgetter("_id")

_DOCUMENTS = "/documents.jsonl"
_IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_ENCRYPTED = 0x1
_END_RECORD = 22
_COMMENT = 0xFFFF
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,  # a place outside the file
    RuntimeError,  # and NotImplementedError: an unknown way to pack or lock
    ValueError,
)
"""What `zipfile` raises for a file that is damaged or was made to do damage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One table of an export: the ZIP entry with its documents, and the stream it is read as.

    `stream` is the table's name, after its component's path for a table of a component.
    """

    stream: str
    entry: str


class Lines(NamedTuple):
    """Whole lines of an entry: their bytes, how many they are, how many come before them."""

    entry: str
    text: bytes
    length: int
    number: int


class Snapshot:
    """An opened export. Every method raises PermanentError naming what cannot be read."""

    def __init__(self, archive: zipfile.ZipFile, tables: tuple[Table, ...]) -> None:
        self.tables = tables
        self._archive = archive

    @classmethod
    def open(cls, path: Path) -> Self:
        """Return the export in `path`, its directory checked and its tables in file order."""
        try:
            _check_directory_size(path)
            archive = zipfile.ZipFile(path)
        except FileNotFoundError:
            raise TransientError("The downloaded export was lost: it is fetched again.") from None
        except _BROKEN as error:
            raise PermanentError(
                f"The export is not a whole ZIP file ({_printable(str(error))}): make a new one."
            ) from None
        try:
            return cls(archive, _find_tables(archive.infolist(), size=path.stat().st_size))
        except BaseException:
            archive.close()
            raise

    def size_of(self, table: Table) -> int:
        """Return how many bytes of JSON a table has, as the ZIP's directory tells."""
        return self._archive.getinfo(table.entry).file_size

    def lines(self, table: Table, *, after: int) -> Generator[Lines]:
        """Yield a table's lines after the first `after` ones, many at a time.

        The ZIP's checksum has been compared once this ends.
        """
        number, tail, skip = 0, b"", after
        for block in self._blocks(table.entry):
            head, found, rest = block.rpartition(b"\n")
            text, tail = (tail + head + found, rest) if found else (b"", tail + rest)
            if max(text.find(b"\n"), len(tail)) > MAX_LINE:
                raise _unreadable(table.entry, f"is longer than {MAX_LINE:,} bytes", number)
            count = text.count(b"\n")
            number += count
            skipped = min(skip, count)
            skip -= skipped
            if skipped:
                text = b"".join(text.splitlines(keepends=True)[skipped:])
            if count > skipped:
                yield Lines(table.entry, text, count - skipped, number - count + skipped)
        if tail and skip:
            skip -= 1
        elif tail:
            yield Lines(table.entry, tail, 1, number)
        if skip:
            raise _unreadable(table.entry, f"is missing, yet {after:,} were read before", number)

    def _blocks(self, entry: str) -> Iterator[bytes]:
        """Yield an entry's bytes; a thread unpacks some more meanwhile, for which it needs no lock
        of the interpreter's.
        """
        size = 0
        with ExitStack() as stack:
            stack.enter_context(_refused(entry))
            file = stack.enter_context(self._archive.open(entry))
            pool = ThreadPoolExecutor(1, thread_name_prefix="unzip")
            stack.callback(pool.shutdown, cancel_futures=True)
            declared = self._archive.getinfo(entry).file_size
            ahead = deque(pool.submit(file.read, _BLOCK) for _ in range(_AHEAD))
            while block := ahead.popleft().result():
                ahead.append(pool.submit(file.read, _BLOCK))
                size += len(block)
                yield block
        if size != declared:
            raise _unreadable(entry, f"holds {size:,} bytes instead of {declared:,}")

    def close(self) -> None:
        """Release the file."""
        self._archive.close()


@contextmanager
def _refused(entry: str) -> Iterator[None]:
    """Turn what `zipfile` raises for a damaged entry into a PermanentError."""
    try:
        yield
    except _BROKEN as error:
        raise _unreadable(entry, f"is damaged ({_printable(str(error))})") from None


def read_documents(lines: Lines) -> tuple[list[str], list[dict[str, Any]]]:
    """Return ids and documents of whole lines, each alone; encoded values are decoded.

    Raise PermanentError naming the first line that is no document.
    """
    texts = lines.text.removesuffix(b"\n").split(b"\n")
    try:
        documents = list(map(orjson.loads, texts))
        keys = list(map(_GET_ID, documents))
        if set(map(type, keys)) != {str}:
            raise TypeError  # noqa: TRY301 - told apart below, off the hot path
        if MARK in lines.text:
            for document in documents:
                decode_document(document)
    except (ValueError, TypeError, LookupError):
        raise _first_fault(texts, entry=lines.entry, number=lines.number) from None
    return keys, documents


def _first_fault(lines: Sequence[bytes], *, entry: str, number: int) -> PermanentError:
    for at, line in enumerate(lines, number):
        try:
            line.decode()
        except UnicodeDecodeError:
            return _unreadable(entry, "is not UTF-8 text", at)
        try:
            document = orjson.loads(line)
        except ValueError as error:
            return _unreadable(entry, f"is not JSON ({_printable(str(error))})", at)
        if not isinstance(document, dict):
            return _unreadable(entry, "is not a JSON object", at)
        if not isinstance(document.get("_id"), str):
            return _unreadable(entry, "has no _id", at)
        try:
            decode_document(document)
        except ValueError as error:
            return _unreadable(entry, f"cannot be decoded: {error}", at)
    return _unreadable(entry, "cannot be read", number)


def _find_tables(entries: Sequence[zipfile.ZipInfo], *, size: int) -> tuple[Table, ...]:
    """Return the tables among the entries, with all that the directory says of them checked."""
    seen: set[str] = set()
    tables = []
    for info in entries:
        name = info.orig_filename
        if name.startswith("/") or "\\" in name or "\0" in name or ".." in name.split("/"):
            raise _unreadable(name, "has an unsafe path")
        if name in seen:
            raise _unreadable(name, "is there twice")
        seen.add(name)
        stream = _stream_of(name)
        if stream is not None:
            _check_entry(info)
            tables.append(Table(stream=stream, entry=name))
    if sum(info.compress_size for info in entries) > size:
        raise PermanentError("The export's entries overlap: it is no file that Convex wrote.")
    if not tables and "_tables/documents.jsonl" not in seen:
        raise PermanentError(
            "The ZIP is not a Convex export: it has no <table>/documents.jsonl at its top."
        )
    return tuple(tables)


def _check_entry(info: zipfile.ZipInfo) -> None:
    if info.flag_bits & _ENCRYPTED:
        raise _unreadable(info.filename, "is encrypted")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise _unreadable(info.filename, "is packed in a way that Convex never uses")
    if info.file_size > max(RATIO_FLOOR, MAX_RATIO * info.compress_size):
        raise _unreadable(
            info.filename,
            f"would unpack {info.compress_size:,} bytes to {info.file_size:,}: a ZIP bomb",
        )


def _stream_of(name: str) -> str | None:
    """Return the stream an entry holds, None for one that is no table of the application's."""
    if not name.endswith(_DOCUMENTS):
        return None
    *parts, table = name.removesuffix(_DOCUMENTS).split("/")
    components = parts[1::2]
    if parts[::2] != ["_components"] * len(components) or len(parts) != 2 * len(components):
        raise _unreadable(name, "is not where an export keeps its tables")
    for component in components:
        if not _IDENTIFIER.fullmatch(component):
            raise _unreadable(name, f"belongs to a component Convex cannot have: {component!a}")
    if table.startswith("_"):
        return None
    if not _IDENTIFIER.fullmatch(table):
        raise _unreadable(name, f"belongs to a table Convex cannot have: {table!a}")
    return "/".join([*components, table])


def _check_directory_size(path: Path) -> None:
    """Refuse a directory too large to hold in memory, before `zipfile` loads the whole of it."""
    with path.open("rb") as file:
        end = file.seek(0, 2)
        file.seek(max(0, end - _END_RECORD - _COMMENT))
        record = file.read()
    at = record.rfind(b"PK\x05\x06")
    large = record.rfind(b"PK\x06\x06", 0, max(at, 0))
    size = int.from_bytes(record[at + 12 : at + 16], "little")
    if large >= 0:
        size = int.from_bytes(record[large + 40 : large + 48], "little")
    if at >= 0 and size > MAX_DIRECTORY:
        raise ValueError(f"its directory has {size:,} bytes")


def _unreadable(entry: str, why: str, number: int | None = None) -> PermanentError:
    """Return the error for an entry, or for the line after its first `number` ones."""
    place = _printable(entry) if number is None else f"Line {number + 1} of {_printable(entry)}"
    return PermanentError(f"{place} {why}: the export cannot be read.")


def _printable(text: str) -> str:
    return ascii(text[:120])[1:-1]
