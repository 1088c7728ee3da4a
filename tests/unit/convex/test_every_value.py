"""Every Convex value, from the deployment through every way there is into a warehouse and back."""

from __future__ import annotations

import base64
import math
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.domain.checkpoints import Mode
from shared.engine.opening import SyncPlan
from shared.engine.sync import run_sync
from tests.convex_compare import differences
from tests.convex_kit import Server, serve, small_export
from tests.fakes import FakeRunLog
from tests.warehouse_kit import KINDS, Warehouse, new_warehouses

WAYS = ("sync", "snapshot")


def odd_float(value: float) -> dict[str, str]:
    return {"$float": base64.b64encode(struct.pack("<d", value)).decode()}


def octets(value: bytes) -> dict[str, str]:
    return {"$bytes": base64.b64encode(value).decode()}


def nested(depth: int) -> Any:
    value: Any = {"deep": odd_float(math.nan), "list": [octets(b"\0\xff"), None, True]}
    for level in range(depth):
        value = [value] if level % 2 else {"level": value, "Level": level}
    return value


TEXTS = (
    *("", " ", "trailing ", "it's; DROP TABLE t--", '"quoted"', "`ticks` [brackets] {braces}"),
    *("line\nfeed", "carriage\r\nreturn", "tab\t", "\0", "a\0b", "\ufeffmark", "\u2028"),
    *("\U0001d4b3😀\U0001f469\u200d\U0001f467", "e\u0301", "ß", "\U0010ffff", "\uffff"),
    *("%s ? :name @p0", "\\N", "NULL", "null", "true", "1e5", "2026-11-22", "N'x'"),
    *("x" * 8_192, "ü" * 4_001, "😀" * 2_001),
)
NUMBERS: tuple[Any, ...] = (
    *(0.0, -0.0, 1.5, -1.0, 5e-324, 1.7976931348623157e308, 2.0**53, 2.0**63, 0.1),
    *map(odd_float, (math.nan, math.inf, -math.inf, -0.0)),
    *(0, 1, -1, 2**53, 2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63)),
)
VALUES: tuple[Any, ...] = (
    *TEXTS,
    *NUMBERS,
    *(True, False, None),
    *map(octets, (b"", b"\0", bytes(range(256)))),
    *([], {}, [[]], [None], {"a": None}, [1.0, "x", {"b ": [odd_float(math.inf)]}], nested(14)),
    {"Key": 1.0, "key": 2.0, "key ": 3.0, "$not": 4.0, "": 5.0, "select": 6.0},
)
NAMES = (
    *("select", "SELECT", "order", "Name", "name", "name ", "NAME", " lead", "a b", "a.b"),
    *('q"uote', "br]acket", "semi;colon", "'", "?", ":p", "%s", "ä", "😀", "x" * 140),
    *("_linkhub_hash", "id", "_ID", "rowid", "oid", "row_hash", "view", "1st", "-", "\t"),
)


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Server, Any, Path]]:
    """Yield a deployment with little in it, and what makes an empty warehouse."""
    small_export(tmp_path / "export.zip")
    with (
        serve(state_dir=tmp_path, zip_file=tmp_path / "export.zip") as server,
        new_warehouses(request.param, tmp_path) as new,
    ):
        server.settle(plan="pro", pageRows=50)
        yield server, new, tmp_path / "work"


def bring(server: Server, warehouse: Warehouse, work: Path, *, way: str) -> FakeRunLog:
    """Sync everything; return the log."""
    log = FakeRunLog()
    sink = warehouse.sink()
    plan = SyncPlan(
        job_id="job-1",
        mode=Mode.FULL,
        incremental=True,
        fingerprint="f",
        scopes=("*",),
        record_error_limit=1_000,
    )
    try:
        run_sync(
            plan=plan,
            source=server.connect(work, source=way),
            sink=sink,
            run_log=log,
            budget_seconds=1e9,
        )
    finally:
        sink.close()
    return log


def insert(server: Server, *documents: dict[str, Any], table: str = "values") -> None:
    server.mutate(*({"op": "insert", "table": table, "document": one} for one in documents))


@pytest.mark.parametrize("way", WAYS)
def test_every_value_comes_through(place: tuple[Server, Any, Path], way: str) -> None:
    """Alone in its column, beside all others in one column, and deep inside: equal to what was."""
    server, new, work = place
    insert(server, *({"mixed": value, f"only{n}": value} for n, value in enumerate(VALUES)))
    insert(server, *({"n": n, "text": text} for n, text in enumerate(TEXTS)), table="texts")
    insert(server, *({"number": number} for number in NUMBERS), table="numbers")
    warehouse = new()
    log = bring(server, warehouse, work, way=way)
    assert differences(warehouse, server) == []
    assert [p for p in log.problems if p.severity == "error"] == []


@pytest.mark.parametrize("way", WAYS)
def test_every_name_comes_through(place: tuple[Server, Any, Path], way: str) -> None:
    """Fields of any name keep their values apart, and tables whose names differ in case too."""
    server, new, work = place
    insert(server, {name: f"{n}" for n, name in enumerate(NAMES)}, {"Name": 1.0, "name": "x"})
    for table in ("Orders", "orders", "select", "x" * 64, "a_"):
        insert(server, {"of": table}, table=table)
    warehouse = new()
    bring(server, warehouse, work, way=way)
    assert differences(warehouse, server) == []


@pytest.mark.parametrize("way", WAYS)
def test_large_texts_come_through(place: tuple[Server, Any, Path], way: str) -> None:
    """Five megabytes in one value, more than one page of it, between small ones."""
    server, new, work = place
    big = "0123456789abcdé\n" * (5_000_000 // 16)
    insert(server, {"t": "a"}, {"t": big}, {"t": {"inside": big}}, {"t": "b"})
    warehouse = new()
    bring(server, warehouse, work, way=way)
    assert differences(warehouse, server) == []


_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(-(2**63), 2**63 - 1),
    st.sampled_from([math.nan, math.inf, -math.inf, -0.0]).map(odd_float),
    st.binary(max_size=9).map(octets),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
)
_ANY = st.recursive(
    _SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.from_regex(r"[a-zA-Z_ ]{1,6}", fullmatch=True), inner, max_size=3),
    ),
    max_leaves=8,
)
_FIELD = st.one_of(st.sampled_from(NAMES), st.sampled_from(["a", "b", "A"]))
_DOCUMENTS = st.lists(st.dictionaries(_FIELD, _ANY, max_size=5), min_size=1, max_size=12)


@pytest.mark.parametrize("way", WAYS)
@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(documents=_DOCUMENTS)
def test_documents_of_any_making_come_through(
    place: tuple[Server, Any, Path], way: str, documents: list[dict[str, Any]]
) -> None:
    """Whatever a table holds, and however its types change from document to document."""
    server, new, work = place
    if "fuzz" in server.streams():
        server.mutate({"op": "drop", "table": "fuzz"})
    insert(server, *documents, table="fuzz")
    warehouse = new()
    bring(server, warehouse, work, way=way)
    assert differences(warehouse, server) == []
