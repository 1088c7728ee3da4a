"""Rows parsed right into their fields are what a reader of single documents finds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.convex.pages import read_pages
from adapters.convex.rows import MOST_FIELDS, RowReader
from adapters.convex.snapshot import Snapshot
from adapters.convex.values import decode_document
from shared.domain.changes import Rows, Upsert, parts_of
from shared.errors import PermanentError
from tests.convex_kit import write_zip

_NAMES = st.sampled_from(["a", "b", "_creationTime", "self", "f0", "key", "Zürich", 'quo"te', "\n"])
_ENCODED = st.sampled_from(
    [{"$integer": "AQAAAAAAAAA="}, {"$float": "AAAAAAAA8H8="}, {"$bytes": "AP8="}, {"$odd": 1}]
)
_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
    | _ENCODED,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=3),
    max_leaves=6,
)
_DOCUMENTS = st.lists(st.dictionaries(_NAMES, _VALUES), min_size=1, max_size=12)


def _records(path: Path, wanted: dict[str, list[str]] | None = None) -> list[Any]:
    snapshot = Snapshot.open(path)
    try:
        pages = list(read_pages(snapshot, resume={"export": "1"}, wanted=wanted or {}))
    finally:
        snapshot.close()
    changes = [change for page in pages for change in page.changes]
    return [change.record for change in changes if isinstance(change, Upsert)]


def _reprs(records: list[Any]) -> list[str]:
    """Tell 1 from 1.0 and 0.0 from -0.0; null is as good as absent."""
    return [repr({k: v for k, v in sorted(one.items()) if v is not None}) for one in records]


def _export(path: Path, lines: list[bytes]) -> Path:
    return write_zip(path, {"t/documents.jsonl": b"\n".join(lines) + b"\n"})


@settings(max_examples=60, deadline=None)
@given(documents=_DOCUMENTS, chosen=st.lists(_NAMES, max_size=3))
def test_rows_are_what_single_documents_are(
    documents: list[dict[str, Any]], chosen: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever fields and values there are, however they come and go, chosen or all."""
    lines = [orjson.dumps({**one, "_id": str(at)}) for at, one in enumerate(documents)]
    path = _export(tmp_path_factory.mktemp("rows") / "e.zip", lines)
    due = [orjson.loads(line) for line in lines]
    for one in due:
        decode_document(one)
    if chosen:
        due = [{k: v for k, v in one.items() if k in {"_id", *chosen}} for one in due]
    found = _records(path, {"t": chosen} if chosen else None)
    assert _reprs(found) == _reprs(due)


def test_rows_come_by_field_and_in_full_pages() -> None:
    """A table's documents become one object with a sequence for each field."""
    reader = RowReader([])
    records = reader.read(b'{"_id":"x","a":1}\n{"_id":"y","b":[2]}\n', 2)
    assert records is not None
    rows = reader.layout.rows("t", records)
    assert isinstance(rows, Rows)
    assert (rows.keys, rows.fields) == (("x", "y"), ("a", "b"))
    assert list(rows.values) == [(1, None), (None, [2])]
    assert parts_of(rows) == [rows]
    assert rows[1] == Upsert("t", "y", {"_id": "y", "b": [2]})


def test_what_is_said_of_types_holds() -> None:
    """A type is said of a field while all its values have it, and of integers of 64 bits only."""
    reader = RowReader([])
    said = []
    for a, b in [(1, "x"), (None, None), (2**63 - 1, "y"), (1, True), (2**63, "z"), (7, "z")]:
        records = reader.read(orjson.dumps({"_id": "x", "a": a, "b": b, "c": 1.0}), 1)
        assert records is not None
        rows = reader.layout.rows("t", records)
        assert [column[0] for column in rows.values] == [a, b, 1.0]
        said.append(tuple(rows.types))
    whole, mixed, none = (int, str, None), (int, None, None), (None, None, None)
    assert said == [whole, whole, whole, mixed, none, none]


def test_names_that_are_data_are_read_as_documents(tmp_path: Path) -> None:
    """With a name of its own in each document, no row has room for all of them."""
    count = MOST_FIELDS + 20
    lines = [orjson.dumps({"_id": str(at), f"n{at}": at}) for at in range(count)]
    assert RowReader([]).read(b"\n".join(lines), count) is None
    assert _records(_export(tmp_path / "e.zip", lines)) == [orjson.loads(line) for line in lines]


def test_integers_beyond_64_bits_are_kept(tmp_path: Path) -> None:
    """No integer becomes a float on its way."""
    path = _export(tmp_path / "e.zip", [b'{"_id":"x","a":123456789012345678901234567890}'])
    assert _records(path) == [{"_id": "x", "a": 123456789012345678901234567890}]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"", "is not JSON"),
        (b"7", "is not a JSON object"),
        (b'["_id"]', "is not a JSON object"),
        (b'{"a":1}', "has no _id"),
        (b'{"_id":1}', "has no _id"),
        (b'{"_id":"x"} {"_id":"y"}', "is not JSON"),
        (b'{"_id":"x","a":"\xff"}', "is not UTF-8"),
        (b'{"_id":"x","a":{"$bytes":"!"}}', "cannot be decoded"),
    ],
)
def test_a_line_that_is_no_document_is_named(tmp_path: Path, line: bytes, message: str) -> None:
    """The error says which line it is, wherever it stands."""
    path = _export(tmp_path / "e.zip", [b'{"_id":"a","a":1}', line, b'{"_id":"b","b":2}'])
    with pytest.raises(PermanentError, match=f"Line 2 .*{message}"):
        _records(path)
