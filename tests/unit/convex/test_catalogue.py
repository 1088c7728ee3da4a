"""What a deployment's tables are told to be, by whichever of its calls answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.convex import catalogue, listing, snapshot_source
from adapters.convex.snapshot_source import LONGEST_LOOK
from local.sandbox.convex import system
from shared.domain.fields import FieldType
from shared.domain.providers import Stream
from shared.errors import AuthError, PermanentError, TransientError
from tests.convex_kit import Server

COUNTS = {"cars": 7, "empty": 0, "wheels": 3, "shop/cars": 2, "shop/till/bills": 0}
COLUMNS = ["_id", "_creationTime", "n"]


def discover(server: Server, work_dir: Path) -> dict[str, Stream]:
    """Return the deployment's tables by name."""
    return {stream.name: stream for stream in server.connect(work_dir).discover()}


def columns(stream: Stream) -> list[str]:
    return [field.name for field in stream.fields]


def test_tables_come_with_columns_and_counts(server: Server, work_dir: Path) -> None:
    """Those of all components, empty ones too; any field may hold anything."""
    streams = discover(server, work_dir)
    assert {name: stream.row_count for name, stream in streams.items()} == COUNTS
    assert columns(streams["cars"]) == COLUMNS
    fields = {field.name: field for field in streams["shop/cars"].fields}
    assert fields["_id"].unique
    assert fields["n"].type is FieldType.JSON


def test_counts_are_of_now(server: Server, work_dir: Path) -> None:
    """A table that was filled meanwhile has its new count, one that is new is there."""
    server.mutate(
        {"op": "insert", "table": "cars", "document": {"n": 1}},
        {"op": "insert", "table": "boats", "document": {"sail": "red"}},
    )
    streams = discover(server, work_dir)
    assert streams["cars"].row_count == 8
    assert streams["boats"].row_count == 1
    assert "sail" in columns(streams["boats"])


def test_a_plan_without_column_names_is_sampled(server: Server, work_dir: Path) -> None:
    """Some documents of each table tell its columns then."""
    server.fault("no_column_names")
    streams = discover(server, work_dir)
    assert {name: stream.row_count for name, stream in streams.items()} == COUNTS
    assert columns(streams["cars"]) == ["_creationTime", "_id", "n"]
    assert columns(streams["empty"]) == []


def test_a_deployment_that_does_not_count_names_its_columns(server: Server, work_dir: Path) -> None:
    """The counts are unknown, the rest is as ever."""
    server.fault("no_system_queries", count=None)
    streams = discover(server, work_dir)
    assert set(streams) == set(COUNTS)
    assert {stream.row_count for stream in streams.values()} == {None}
    assert columns(streams["cars"]) == COLUMNS


@pytest.mark.parametrize("query", ["tableSize", "tableData"])
def test_one_query_that_is_missing_costs_its_answers_only(
    server: Server, work_dir: Path, query: str
) -> None:
    """Tables without counts, or without columns, are tables all the same."""
    server.fault("no_column_names")
    server.fault("no_system_queries", count=None, path=query)
    streams = discover(server, work_dir)
    assert set(streams) == set(COUNTS)
    assert (streams["cars"].row_count is None) == (query == "tableSize")
    assert bool(streams["cars"].fields) == (query != "tableData")


@pytest.fixture
def silent(server: Server) -> Server:
    """Return a deployment whose key may make backups, and view no data."""
    server.fault("forbidden", path="column_names", count=None)
    server.fault("forbidden", path="/api/function", count=None)
    return server


def test_where_nothing_else_tells_an_export_does(silent: Server, work_dir: Path) -> None:
    """All tables with their counts, and the columns of some documents; nothing is left behind."""
    streams = discover(silent, work_dir)
    assert {name: stream.row_count for name, stream in streams.items()} == COUNTS
    assert columns(streams["cars"]) == ["_creationTime", "_id", "n"]
    assert columns(streams["empty"]) == []
    assert list(work_dir.iterdir()) == []


def test_an_export_of_today_tells_it_again(silent: Server, work_dir: Path) -> None:
    """No other one is made for another look; one that has expired is replaced."""
    discover(silent, work_dir)
    discover(silent, work_dir)
    assert silent.answered("/export/request") == [200]
    silent.fault("expired")
    assert discover(silent, work_dir).keys() == COUNTS.keys()
    assert silent.answered("/export/request") == [200, 200]


def test_an_export_that_takes_long_is_come_back_for(silent: Server, work_dir: Path) -> None:
    """The look ends with the time to wait, and the next one finds the same export."""
    silent.fault("export_slow", polls=30)
    with pytest.raises(TransientError, match="still making") as caught:
        silent.connect(work_dir).discover()
    assert caught.value.retry_after == LONGEST_LOOK
    assert LONGEST_LOOK < sum(silent.waits) < 2 * LONGEST_LOOK
    assert discover(silent, work_dir).keys() == COUNTS.keys()
    assert silent.answered("/export/request").count(200) == 1


def test_an_export_that_never_ends_is_told(
    silent: Server, work_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looks come back for it for a day; then the person is sent to the dashboard."""
    silent.fault("export_slow", polls=1_000)
    with pytest.raises(TransientError):
        discover(silent, work_dir)
    monkeypatch.setattr(snapshot_source, "age_of", lambda _export: snapshot_source.LONGEST_WAIT + 1)
    with pytest.raises(PermanentError, match="dashboard"):
        discover(silent, work_dir)


def test_a_large_table_is_not_counted(
    silent: Server, work_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its rows are unknown; its columns are those of its first documents."""
    monkeypatch.setattr(listing, "MOST_BYTES", 400)
    streams = discover(silent, work_dir)
    assert streams["cars"].row_count is None
    assert streams["wheels"].row_count == 3
    assert columns(streams["cars"]) == ["_creationTime", "_id", "n"]


def test_who_is_looking_gets_names_by_a_few_calls(server: Server, work_dir: Path) -> None:
    """Nothing is asked table by table, whether column names are told or not."""
    for columns_told in (COLUMNS, []):
        streams = {s.name: s for s in server.connect(work_dir, interactive=True).discover()}
        assert streams.keys() == COUNTS.keys()
        assert {stream.row_count for stream in streams.values()} == {None}
        assert columns(streams["cars"]) == columns_told
        server.fault("no_column_names")
    components = 3
    assert len(server.answered("/api/function")) == 2 * (1 + components)


def test_nobody_waits_for_an_export_who_is_looking(silent: Server, work_dir: Path) -> None:
    """A person's request is answered at once, without tables; a key that is dead is an error."""
    assert silent.connect(work_dir, interactive=True).discover() == ()
    assert silent.answered("/export/request") == []
    with pytest.raises(AuthError):
        silent.connect(work_dir, key="prod:sandbox-animal-123|wrong").discover()


def test_many_tables_come_in_pages(
    server: Server, work_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All pages of the list are read; only so many tables are counted."""
    monkeypatch.setattr(system, "PAGE", 2)
    monkeypatch.setattr(catalogue, "MOST_COUNTED", 4)
    streams = discover(server, work_dir)
    assert set(streams) == set(COUNTS)
    assert sum(stream.row_count is None for stream in streams.values()) == 1
