from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.convex import answers
from adapters.convex.answers import Part, split
from shared.domain.changes import Page, Truncate
from shared.errors import TransientError
from tests.convex_kit import Server, documents, read_all

TABLES: list[dict[str, Any]] = [{"component": "", "table": "values"}]


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> int:
    """Return how large a part is: small enough for answers of a few values to have many."""
    monkeypatch.setattr(answers, "PART_BYTES", 300)
    return 300


def value(n: int, **fields: Any) -> dict[str, Any]:
    """Return a value of an answer."""
    document = {"_id": f"k{n}", "n": n, **fields}
    return {"component": "", "table": "t", "ts": n, "deleted": False, "value": document}


def answer(values: Sequence[Any], **changes: Any) -> dict[str, Any]:
    """Return an answer with its keys in Convex's order."""
    return {
        "status": {"type": "upToDate"},
        "truncates": TABLES,
        "values": values,
        "syncId": "s",
        "pagination": {"hasMore": True, "nextCursor": "c"},
        **changes,
    }


def together(parts: Sequence[Part]) -> dict[str, Any]:
    """Return what parts say together."""
    said: dict[str, Any] = {}
    for part in parts:
        said.update({**part.said, "values": [*said.get("values", ()), *part.said["values"]]})
    return said


def parts_of(said: Any, **options: Any) -> list[Part]:
    return list(split(io.BytesIO(orjson.dumps(said, **options))))


def test_a_large_answer_comes_in_parts(tiny: int) -> None:
    """All of it, in order, in parts of the size wanted; truncates first, the cursor last."""
    said = answer([value(n) for n in range(40)])
    parts = parts_of(said)
    assert together(parts) == said
    assert len(parts) > 5
    assert max(part.size for part in parts) < 2 * tiny
    assert [part.is_end for part in parts] == [*[False] * (len(parts) - 1), True]
    assert parts[0].said["truncates"] == TABLES
    assert "pagination" in parts[-1].said


def test_keys_in_another_order_are_cut_too(tiny: int) -> None:
    """A back end that sorts its keys is read in parts as well."""
    parts = parts_of(answer([value(n) for n in range(40)]), option=orjson.OPT_SORT_KEYS)
    assert len(parts) > 5
    assert max(part.size for part in parts) < 2 * tiny


@pytest.mark.parametrize(
    "text",
    [
        orjson.dumps(answer([value(n) for n in range(40)]), option=orjson.OPT_INDENT_2),
        orjson.dumps({"values": [value(n) for n in range(40)], "truncates": []}),
        orjson.dumps({"wrong": [{"values": [value(n)]} for n in range(40)]}),
        b"[" + b"1," * 400 + b"1]",
    ],
    ids=["spaces", "truncates last", "another form", "no object"],
)
def test_what_is_written_in_another_way_comes_whole(tiny: int, text: bytes) -> None:
    """Nothing is assumed of such an answer: it is one part."""
    (part,) = split(io.BytesIO(text))
    assert part.said == orjson.loads(text)
    assert part.is_end
    assert part.size == len(text) > tiny


LOOKALIKES = st.sampled_from(
    [
        [value(1), value(2)],
        [[value(3)], value(4)],
        '},{"component":"","table":"',
        '"values":[',
        "\\",
        '\\"},{',
        {"values": [value(5), value(6)]},
        {"$float": "AAAAAAAA+H8="},
        "x" * 400,
    ]
)


@given(fields=st.lists(st.dictionaries(st.sampled_from("abc"), LOOKALIKES), max_size=30))
def test_documents_that_look_like_answers_are_never_cut(fields: list[dict[str, Any]]) -> None:
    """Whatever documents hold, even whole answers, the parts say what the answer says."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(answers, "PART_BYTES", 300)
        said = answer([value(n, **more) for n, more in enumerate(fields)])
        parts = parts_of(said)
    assert together(parts) == said
    for part in parts:
        assert part.is_marked or "$float" not in str(part.said)


@given(cut=st.integers(min_value=1, max_value=2_000))
def test_an_answer_cut_short_is_never_taken_for_whole(cut: int) -> None:
    """Its parts end with an error, wherever it was cut, and none of them is the end."""
    text = orjson.dumps(answer([value(n, many=[value(n)]) for n in range(12)]))
    parts: list[Part] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(answers, "PART_BYTES", 300)
        with pytest.raises(ValueError, match=r"."):
            parts += split(io.BytesIO(text[: max(1, len(text) - cut)]))
    assert not any(part.is_end for part in parts)


@pytest.fixture
def pro(server: Server, tiny: int) -> Server:
    """Return an emulator with one large answer, to an adapter with small parts."""
    server.settle(plan="pro")
    rows = documents(40, table="m", text="x" * 50)
    server.mutate({"op": "import", "table": "many", "documents": rows})
    return server


def test_parts_count_with_the_last_one(pro: Server, work_dir: Path) -> None:
    """Every page of an answer but the last is a part, which stands where the answer began."""
    pages, changes = read_all(pro.connect(work_dir, selection={"many": ()}))
    assert [page.is_part for page in pages] == [*[True] * (len(pages) - 1), False]
    assert len(pages) > 5
    assert len(changes) == 41
    assert changes[0] == Truncate("many", repeats=True)
    assert {str(page.checkpoint.resume) for page in pages[:-1]} == {"{}"}
    assert pages[-1].checkpoint.watermark is not None


def test_an_answer_that_breaks_off_is_asked_for_again(pro: Server, work_dir: Path) -> None:
    """Cut or garbled on its way, nothing of it is used; the next one is."""
    _, whole = read_all(pro.connect(work_dir))
    for fault in ("truncated", "malformed"):
        pro.fault(fault, path="/data/sync", count=2)
        _, changes = read_all(pro.connect(work_dir))
        assert changes == whole
        assert len(pro.waits) >= 2
    pro.fault("truncated", path="/data/sync", count=None)
    with pytest.raises(TransientError):
        read_all(pro.connect(work_dir))


def test_nothing_is_left_in_the_work_folder(pro: Server, work_dir: Path) -> None:
    """The file of an answer is gone with its last part, and when reading stops before."""
    reading = pro.connect(work_dir).read("*", None)
    page: Page = next(reading)
    assert page.is_part
    reading.close()  # type: ignore[attr-defined]  # a generator
    read_all(pro.connect(work_dir))
    assert list(work_dir.iterdir()) == []
