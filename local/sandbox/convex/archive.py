"""Writes and counts ZIP files laid out as `npx convex export` lays them out."""

from __future__ import annotations

import base64
import hashlib
import itertools
import math
import struct
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

Documents = Iterable[Mapping[str, Any]]
FAST = 1
"""Deflate level: the sample is made to be read soon, not to be kept."""

_README = """# A Convex snapshot export

Made by the LinkHub Integrator sandbox. One folder per table; `documents.jsonl` holds one document
per line. Tables of components lie under `_components/<name>/`.
"""
_ALPHABET = bytes.maketrans(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", b"0123456789abcdefghjkmnpqrstvwxyz"
)
_ID_LENGTH = 32
_BYTES_PER_ID = 20
_IDS_AT_ONCE = 1000
_FIRST_TABLE_NUMBER = 10_001
_FLUSH = 256 * 1024


def document_ids(table: str) -> Iterator[str]:
    """Yield ids as Convex makes them, 32 characters of lower-case base32, without end and always
    the same ones for the same table.
    """
    for block in itertools.count():
        noise = hashlib.shake_128(f"{table}/{block}".encode()).digest(_BYTES_PER_ID * _IDS_AT_ONCE)
        text = base64.b32encode(noise).translate(_ALPHABET).decode()
        for at in range(0, len(text), _ID_LENGTH):
            yield text[at : at + _ID_LENGTH]


def encode_line(document: Mapping[str, Any]) -> bytes:
    """Return a document as its line of `documents.jsonl`.

    int and float stay apart (123, 123.0); bytes and the floats JSON lacks become `$bytes` and
    `$float`; ints beyond 64 bits raise TypeError, as Convex has none.
    """
    return orjson.dumps(encode_value(document), option=orjson.OPT_APPEND_NEWLINE)


def encode_value(value: Any) -> Any:
    """Return a value as JSON can hold it, in Convex's export encoding."""
    if isinstance(value, Mapping):
        return {key: encode_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [encode_value(item) for item in value]
    if isinstance(value, bytes):
        return {"$bytes": base64.b64encode(value).decode()}
    if isinstance(value, float) and not math.isfinite(value):
        return {"$float": base64.b64encode(struct.pack("<d", value)).decode()}
    return value


def write_export(
    path: Path,
    tables: Mapping[str, Documents],
    *,
    components: Mapping[str, Mapping[str, Documents]] | None = None,
) -> dict[str, int]:
    """Write an export of `tables` (name -> documents, consumed as a stream) to `path`.

    `components`: the same for each component, by its path (`a` or `a/b`). Return the rows of each
    stream (`table` or `component/table`).
    """
    lines = {
        component: {table: map(encode_line, documents) for table, documents in of.items()}
        for component, of in {"": tables, **(components or {})}.items()
    }
    return write_lines(path, lines)


def write_lines(
    path: Path, components: Mapping[str, Mapping[str, Iterable[bytes]]]
) -> dict[str, int]:
    """Do what `write_export` does with lines already encoded; '' is the root component."""
    counts = {}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=FAST) as archive:
        _write_text(archive, "README.md", _README)
        for component, tables in components.items():
            steps = [name for name in component.split("/") if name]
            prefix = "".join(f"_components/{name}/" for name in steps)
            listed = [
                encode_line({"name": table, "id": number}).decode()
                for number, table in enumerate(tables, _FIRST_TABLE_NUMBER)
            ]
            _write_text(archive, f"{prefix}_tables/documents.jsonl", "".join(listed))
            _write_text(archive, f"{prefix}_storage/documents.jsonl", "")
            for table, lines in tables.items():
                count = _write_table(archive, f"{prefix}{table}", lines)
                counts["/".join([*steps, table])] = count
    return counts


def _write_table(archive: zipfile.ZipFile, folder: str, lines: Iterable[bytes]) -> int:
    count, pending, size = 0, [], 0
    with archive.open(f"{folder}/documents.jsonl", "w", force_zip64=True) as file:
        for line in lines:
            pending.append(line)
            count += 1
            size += len(line)
            if size >= _FLUSH:
                file.write(b"".join(pending))
                pending, size = [], 0
        file.write(b"".join(pending))
    _write_text(archive, f"{folder}/generated_schema.jsonl", '"uniform"\n')
    return count


def _write_text(archive: zipfile.ZipFile, name: str, text: str) -> None:
    """Add a small entry, dated like the others so that the same export is the same bytes."""
    with archive.open(name, "w") as file:
        file.write(text.encode())


def read_counts(path: Path) -> dict[str, int]:
    """Return the documents of each stream of any export; raise BadZipFile for what is none."""
    with zipfile.ZipFile(path) as archive:
        return {
            stream: sum(1 for _ in _lines(archive, entry)) for stream, entry in _streams(archive)
        }


def read_columns(path: Path, *, sample: int = 1000) -> dict[str, list[str]]:
    """Return the field names seen in the first `sample` documents of each stream, in order."""
    found = {}
    with zipfile.ZipFile(path) as archive:
        for stream, entry in _streams(archive):
            names: dict[str, None] = {}
            for line in itertools.islice(_lines(archive, entry), sample):
                names.update(dict.fromkeys(orjson.loads(line)))
            found[stream] = list(names)
    return found


def export_lines(archive: zipfile.ZipFile) -> Iterator[tuple[str, Iterator[bytes]]]:
    """Yield each stream of an opened export with the lines of its documents."""
    for stream, entry in _streams(archive):
        yield stream, _lines(archive, entry)


def _streams(archive: zipfile.ZipFile) -> Iterator[tuple[str, str]]:
    """Yield (stream, entry) of each table that is the application's own."""
    for name in archive.namelist():
        *folders, file = name.split("/")
        steps = [step for step in folders if step != "_components"]
        if file == "documents.jsonl" and steps and not steps[-1].startswith("_"):
            yield "/".join(steps), name


def _lines(archive: zipfile.ZipFile, name: str) -> Iterator[bytes]:
    with archive.open(name) as file:
        for line in file:
            if line.strip():
                yield line
