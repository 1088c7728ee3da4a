from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.powerbi.reader import TableReader, Target
from adapters.powerbi.schema import Table
from adapters.powerbi.streams import DatasetRef
from shared.domain.changes import Delete, Upsert
from shared.domain.checkpoints import Checkpoint
from shared.domain.fields import Field, FieldType
from shared.errors import PermanentError, TransientError
from tests import powerbi_kit as kit
from tests.powerbi_kit import FakePowerBI, changes_of, keys_of, problems_of, read, stream

REMARKS, TARGETS = stream("Remarks"), stream("Targets")
CUSTOMERS = stream("Customer's list")
LIVE = stream("Orders", dataset=kit.LIVE_ORDERS)


@pytest.fixture
def server() -> FakePowerBI:
    return FakePowerBI()


def small(rows: int) -> dict[str, Any]:
    return {"options": {"page_rows": str(rows)}}


def cut_answers(server: FakePowerBI, most: int) -> None:
    """Cut answers off at `most` bytes once the table's rows have been counted."""

    def limit(request: httpx.Request) -> None:
        if b"TOPN" in request.content or b"SELECTCOLUMNS('" in request.content:
            server.meddle = lambda _: None
            server.control("/_limits", "PUT", bytes=most)

    server.meddle = limit


def test_a_table_is_read_by_its_key(server: FakePowerBI) -> None:
    """All rows come once and in order, with blanks as None, and the count proves it."""
    pages = read(server, **small(500))
    assert keys_of(pages) == [str(10_001 + n) for n in range(1200)]
    assert pages[-1].totals == {kit.ORDERS: 1200}
    first = changes_of(pages)[0]
    assert isinstance(first, Upsert)
    assert first.record["Customer's note"] is None
    assert sum("TOPN" in query for query in server.queries) == 3


def test_blanks_are_asked_for(server: FakePowerBI) -> None:
    """Every query says so: by default Power BI leaves them out of its rows."""
    read(server, REMARKS)
    read(server)
    asked = [json.loads(r.content) for r in server.requests if r.url.path.endswith("Queries")]
    assert asked
    assert {body["serializerSettings"]["includeNulls"] for body in asked} == {True}


def test_only_the_wanted_columns_travel(server: FakePowerBI) -> None:
    """A selection leaves the others out of the query and of the records, but for the key."""
    pages = read(server, selection={kit.ORDERS: ["Tag [internal]"]})
    assert changes_of(pages)[0] == Upsert(kit.ORDERS, "10001", {"Tag [internal]": "t]0["})
    query = next(query for query in server.queries if "TOPN" in query)
    assert "\"c1\", 'Orders'[Tag [internal]]])" in query
    assert "c2" not in query


def test_a_column_that_is_gone_stops_the_read(server: FakePowerBI) -> None:
    """LinkHub's field is not emptied because a column was renamed."""
    with pytest.raises(PermanentError, match="no column named Total"):
        read(server, selection={kit.ORDERS: ["Total"]})


def test_nothing_is_read_until_a_refresh_ended(server: FakePowerBI) -> None:
    """A failed refresh, or one under way, changes nothing; a completed one reads all again."""
    end = read(server)[-1].checkpoint
    edit = {"where": {"Order ID": 10_003}, "set": {"Amount (€)": "7.25"}}
    server.control("/_rows", dataset="Sales model", table="Orders", update=[edit])
    for status in ("Failed", "Unknown"):
        server.control("/_refresh", dataset="Sales model", status=status)
        before = len(server.queries)
        (only,) = read(server, after=end)
        assert (only.changes, only.checkpoint) == ((), end)
        assert len(server.queries) == before
    server.control("/_refresh", dataset="Sales model")
    pages = read(server, after=end)
    records = {c.key: c.record for c in changes_of(pages) if isinstance(c, Upsert)}
    assert (len(records), records["10003"]["Amount (€)"]) == (1200, 7.25)
    assert pages[-1].checkpoint != end


def test_without_a_refresh_history_everything_is_read_each_time(server: FakePowerBI) -> None:
    """A DirectQuery model tells nothing: it is read whole, and no count is called a proof."""
    first = read(server, LIVE)
    again = read(server, LIVE, first[-1].checkpoint)
    assert changes_of(again) == changes_of(first)
    assert first[-1].checkpoint.watermark == {"refreshed": None}
    assert not first[-1].totals


def test_a_refresh_in_the_middle_is_noticed(server: FakePowerBI) -> None:
    """What was mixed is not called complete, and the next read starts over."""

    def refresh_once(request: httpx.Request) -> None:
        if b"10500" in request.content:
            server.meddle = lambda _: None
            row = {"Order ID": 99_999}
            server.control("/_rows", dataset="Sales model", table="Orders", insert=[row])
            server.control("/_refresh", dataset="Sales model")

    server.meddle = refresh_once
    pages = read(server, **small(500))
    assert not pages[-1].totals
    again = read(server, after=pages[-1].checkpoint)
    assert "99999" in keys_of(again)
    assert again[-1].totals == {kit.ORDERS: 1201}


def test_a_refresh_under_way_proves_nothing(server: FakePowerBI) -> None:
    """While a refresh runs, its rows may appear at any moment."""
    server.control("/_refresh", dataset="Sales model", status="Unknown")
    assert not read(server)[-1].totals


def test_silently_cut_answers_lose_nothing(server: FakePowerBI) -> None:
    """Beyond 15 MB rows just stop: the next query goes on behind the last one that came."""
    server.control("/_limits", "PUT", bytes=20_000)
    pages = read(server)
    assert keys_of(pages) == [str(10_001 + n) for n in range(1200)]
    assert sum("TOPN" in query for query in server.queries) > 5


def test_limits_of_rows_and_values_are_met_beforehand(server: FakePowerBI) -> None:
    """No query asks for more values than an answer may have, whatever the table's width."""
    read(server, options={"page_rows": "9000000"})
    query = next(query for query in server.queries if "TOPN" in query)
    assert "TOPN(100000, " in query
    wide = [f"c{n}" for n in range(40)]
    fields = tuple(Field(name=name, label=name, type=FieldType.STRING) for name in wide)
    target = Target(
        stream="s",
        dataset=DatasetRef(workspace="w", id="d"),
        table=Table(name="T", columns=fields),
        key=("c0",),
        wanted=tuple(wide),
    )
    reader = TableReader(None, target, page_rows=100_000)  # type: ignore[arg-type]
    assert reader._rows == 25_000


@pytest.mark.parametrize("place", ["top", "result", "table"])
def test_an_error_inside_a_200_is_a_failure(server: FakePowerBI, place: str) -> None:
    """Fewer rows are asked for; where that does not help, the error's own words are shown."""
    server.fault("said_cut", place=place, count=1)
    assert len(keys_of(read(server))) == 1200
    server.fault("said_cut", place=place)
    with pytest.raises(PermanentError, match="More than 250 rows in a query result"):
        read(server)


def test_rows_that_share_a_key_are_reported_not_guessed(server: FakePowerBI) -> None:
    """None of them is synced; the others are, even where the page border falls among them."""
    pages = read(server, TARGETS, options={"key_columns": "Targets[Indicator]", "page_rows": "1"})
    assert not changes_of(pages)
    assert sorted(problem.key for problem in problems_of(pages)) == ["Orders", "Revenue", "on time"]
    assert all("10 rows" in problem.message for problem in problems_of(pages))
    assert pages[-1].checkpoint.resume is None


def test_several_columns_make_a_key(server: FakePowerBI) -> None:
    """Text and date together name a row; texts order without regard to case, as the engine does."""
    options = {"key_columns": "Targets[Indicator][Month]", "page_rows": "7"}
    pages = read(server, TARGETS, options=options)
    assert len(set(keys_of(pages))) == 30
    assert keys_of(pages)[0] == '["on time","2026-01-01T00:00:00"]'
    assert pages[-1].totals == {TARGETS: 30}


def test_rows_without_a_key_are_counted(server: FakePowerBI) -> None:
    """A blank key is a problem of the read, an empty text is a key like any other."""
    pages = read(server, CUSTOMERS)
    (problem,) = problems_of(pages)
    assert problem.message.startswith("1 rows have no Name [legal]")
    assert '[""]' in keys_of(pages)
    assert len(keys_of(pages)) == 6


def test_a_table_without_a_key_is_read_whole(server: FakePowerBI) -> None:
    """Each row is named by what is in it; equal rows are numbered, and pages can be resumed."""
    pages = read(server, REMARKS)
    assert len(set(keys_of(pages))) == 40
    assert sum(key.endswith("-2") for key in keys_of(pages)) == 1
    rest = read(server, REMARKS, pages[0].checkpoint)
    assert changes_of(rest) == []
    found = kit.connect(server).get(REMARKS, [keys_of(pages)[3], "0"])
    assert found == [changes_of(pages)[3], Delete(REMARKS, "0")]


def test_a_long_table_without_a_key_says_what_to_do(server: FakePowerBI) -> None:
    """It is not read in part."""
    for n in range(6):
        rows = [{"Text": f"more {n}", "Stars": 1.0}] * 20_000
        server.control("/_rows", dataset="Sales model", table="Remarks", insert=rows)
    server.control("/_refresh", dataset="Sales model")
    with pytest.raises(PermanentError, match=r"120040 rows.*Remarks\[Id\]"):
        read(server, REMARKS)


def test_a_whole_table_that_is_cut_is_refused(server: FakePowerBI) -> None:
    """Without a key there is no going on: what is missing is said, or that it changed meanwhile."""
    cut_answers(server, 500)
    with pytest.raises(PermanentError, match="of 40 rows of Remarks: they have more than 15 MB"):
        read(server, REMARKS)
    server.control("/_limits", "PUT")

    def insert_once(request: httpx.Request) -> None:
        if b"COUNTROWS" in request.content:
            server.meddle = grow

    def grow(_: httpx.Request) -> None:
        server.meddle = lambda _: None
        row = {"Text": "late", "Stars": 2.0}
        server.control("/_rows", dataset="Sales model", table="Remarks", insert=[row])
        server.control("/_refresh", dataset="Sales model")

    server.meddle = insert_once
    with pytest.raises(TransientError, match="changed while it was read"):
        read(server, REMARKS)


def test_a_stopped_read_of_a_table_without_a_key_starts_over_once_it_changed(
    server: FakePowerBI,
) -> None:
    """By its hash a new row may stand before the place where the read stopped."""
    stopped = read(server, REMARKS)[0].checkpoint
    row = {"Text": "late", "Stars": 2.0}
    server.control("/_rows", dataset="Sales model", table="Remarks", insert=[row])
    server.control("/_refresh", dataset="Sales model")
    pages = read(server, REMARKS, stopped)
    assert len(keys_of(pages)) == 41
    assert pages[-1].totals == {REMARKS: 41}


def test_live_rows_that_never_come_are_a_warning(server: FakePowerBI) -> None:
    """Without refreshes a row may have gone while it was read: the read ends, and says so."""
    server.fault("wrong_count")
    pages = read(server, LIVE)
    (problem,) = problems_of(pages)
    assert (problem.severity, problem.message) == ("warning", "60 of 61 rows came.")
    assert len(keys_of(pages)) == 60
    assert not pages[-1].totals


def test_a_count_that_was_wrong_once_is_taken_again(server: FakePowerBI) -> None:
    """What came is all there is, so it is proven after all."""
    server.fault("wrong_count", count=1)
    assert read(server)[-1].totals == {kit.ORDERS: 1200}


def test_a_count_that_never_fits_is_refused(server: FakePowerBI) -> None:
    """Rows that are counted but never come are not passed over."""
    server.fault("wrong_count")
    with pytest.raises(PermanentError, match="gave 1200 of 1201 rows"):
        read(server)


def test_another_key_starts_the_read_over(server: FakePowerBI) -> None:
    """A checkpoint of a key that is not used any more leads nowhere."""
    options = {"key_columns": "Targets[Indicator][Month]"}
    first = read(server, TARGETS, options=options)[0].checkpoint
    options = {"key_columns": "Targets[Month][Indicator]"}
    assert len(changes_of(read(server, TARGETS, first, options=options))) == 30


def test_a_checkpoint_that_is_none_is_refused(server: FakePowerBI) -> None:
    """A foreign `resume` is told apart from one of ours."""
    with pytest.raises(PermanentError, match="Start a full sync"):
        read(server, after=Checkpoint(resume={"page": 3}))


@settings(max_examples=25, deadline=None)
@given(
    keys=st.lists(st.text(max_size=3), max_size=30, unique_by=str.casefold),
    rows=st.integers(1, 9),
    most=st.integers(60, 400),
)
def test_every_row_comes_exactly_once(keys: list[str], rows: int, most: int) -> None:
    """Whatever the keys, the size of a page and the place where answers are cut."""
    server = FakePowerBI()
    server.control(
        "/_rows",
        dataset="Sales model",
        table="Customer's list",
        delete=[{}],
        insert=[{"Name [legal]": key} for key in keys],
    )
    server.control("/_refresh", dataset="Sales model")
    cut_answers(server, most)
    pages = read(server, CUSTOMERS, **small(rows))
    names = [c.record["Name [legal]"] for c in changes_of(pages) if isinstance(c, Upsert)]
    assert sorted(names) == sorted(keys)
    assert pages[-1].totals == {CUSTOMERS: len(keys)}
