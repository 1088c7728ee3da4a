from __future__ import annotations

from contextlib import closing

import pytest

from shared.domain.changes import Truncate
from shared.domain.checkpoints import Mode
from shared.errors import DestinationError, PermanentError, SyncError, TransientError
from shared.sinks.warehouse.errors import translated
from shared.sinks.warehouse.sink import WarehouseSink
from tests.warehouse_kit import SCOPE, Warehouse, load_full, numbered, saved_checkpoint, upserts

_HOSTILE = [
    "x]; DROP TABLE y--",
    'x"; DROP TABLE y--',
    "y'; DROP TABLE y--",
    "[y]",
    "y ",
    "Y",
    "😀",
    "\u202eflights",
    "tab\tand\x00nul",
    "a" * 300,
    "_linkhub_state",
    "_linkhub_tables",
    "y__prev",
    "component/path/table",
]


def test_no_name_can_harm(warehouse: Warehouse) -> None:
    """Streams and fields of any name become tables and columns, and harm no other table.

    Babelfish has names of 128 characters, but does not find a table of more than 63 to rename it.
    """
    longest = 63 - len("__prev") if warehouse.is_babelfish() else len(max(_HOSTILE, key=len))
    hostile = [name for name in _HOSTILE if len(name) <= longest]
    for run_id in ("run-1", "run-2"):
        sink = warehouse.sink(run_id=run_id)
        record = {"_id": "1", **{field: field for field in hostile}}
        tables = {stream: [{**record, "own": stream}] for stream in ["y", *hostile]}
        load_full(sink, tables)
        sink.close()

    names = {row["table_name"] for row in warehouse.registered().values()}
    assert len({name.lower() for name in names}) == len(hostile) + 1
    for stream in ("y", "Y", "component/path/table", "x]; DROP TABLE y--"):
        found = warehouse.records(stream)["1"]
        assert found == {**{field: field for field in hostile}, "own": stream}
    assert {"y", "y__prev", "component__path__table"} <= warehouse.tables()


@pytest.mark.parametrize("name", ["flights", "FLIGHTS", "flights__prev"])
def test_a_table_that_is_not_ours_is_left_alone(warehouse: Warehouse, name: str) -> None:
    """A name somebody else uses is an error that says what to do; their table stays."""
    table = warehouse.quoted(name)
    warehouse.execute(f"CREATE TABLE {table} (a INT)")
    warehouse.execute(f"INSERT INTO {table} VALUES (1)")  # noqa: S608  quoted
    sink = warehouse.sink()
    sink.begin(SCOPE, saved_checkpoint())
    with pytest.raises(PermanentError, match=f"already has '{name.lower()}'.* prefix"):
        sink.write(SCOPE, [Truncate("flights")])
    assert warehouse.rows(name) == [{"a": 1}]
    sink.close()

    prefixed = warehouse.sink(table_prefix="app_")
    load_full(prefixed, {"flights": numbered(2)})
    prefixed.close()
    assert len(warehouse.rows("app_flights")) == 2


def test_a_table_made_meanwhile_is_left_alone(warehouse: Warehouse) -> None:
    """Even one that appears while ours is being staged stops the swap."""
    sink = warehouse.sink()
    sink.begin(SCOPE, saved_checkpoint())
    sink.write(SCOPE, [Truncate("flights")])
    sink.commit(SCOPE, saved_checkpoint(resume=1))
    warehouse.execute(f"CREATE TABLE {warehouse.quoted('flights')} (a INT)")
    with pytest.raises(PermanentError, match="already has 'flights'"):
        sink.finish(SCOPE, saved_checkpoint(), {"flights": 0})
    assert warehouse.rows("flights") == []
    sink.close()


def test_instances_do_not_share_tables(warehouse: Warehouse) -> None:
    """A stream of the same name is refused with the owner's id; a prefix sets them apart."""
    first = warehouse.sink(instance_id="first")
    load_full(first, {"flights": numbered(1)})
    first.close()
    second = warehouse.sink(instance_id="second")
    with pytest.raises(
        PermanentError, match="'flights' of the warehouse belongs to another instance"
    ):
        load_full(second, {"flights": numbered(2)})
    second.close()
    assert len(warehouse.rows("flights")) == 1

    prefixed = warehouse.sink(instance_id="second", table_prefix="b_")
    load_full(prefixed, {"flights": numbered(2)})
    prefixed.close()
    assert len(warehouse.rows("b_flights")) == 2
    assert len(warehouse.rows("flights")) == 1


def test_the_names_of_dropped_tables_are_free(warehouse: Warehouse) -> None:
    """An instance that was made anew takes them over; the former one gets no row into them."""
    with closing(warehouse.sink(instance_id="former")) as former:
        load_full(former, {"flights": numbered(1)})
        load_full(former, {"flights": numbered(2)}, job_id="job-2")
    warehouse.execute(f"DROP VIEW {warehouse.quoted('flights_view')}")
    warehouse.execute(f"DROP TABLE {warehouse.quoted('flights')}")
    with (
        closing(warehouse.sink(instance_id="new")) as new,
        pytest.raises(PermanentError, match="drop that table, its view and its previous"),
    ):
        load_full(new, {"flights": numbered(3)})
    warehouse.execute(f"DROP TABLE {warehouse.quoted('flights__prev')}")
    with closing(warehouse.sink(instance_id="new")) as new:
        load_full(new, {"flights": numbered(3)})
    with closing(warehouse.sink(instance_id="former", run_id="late")) as former:
        former.begin(SCOPE, saved_checkpoint(mode=Mode.INCREMENTAL, watermark="w", job_id="late"))
        with pytest.raises(PermanentError, match="belongs to another instance"):
            former.write(SCOPE, upserts("flights", numbered(9)))
    assert len(warehouse.rows("flights")) == 3


def test_a_changed_prefix_moves_the_table(warehouse: Warehouse) -> None:
    """The next load makes the table under its new name; the old one is its `__prev`."""
    for prefix, count in (("", 1), ("app_", 2)):
        sink = warehouse.sink(run_id=f"run{prefix}", table_prefix=prefix)
        load_full(sink, {"flights": numbered(count)})
        sink.close()
    assert len(warehouse.rows("app_flights")) == 2
    assert len(warehouse.rows("app_flights__prev")) == 1
    assert "flights" not in warehouse.tables()


def test_a_live_table_somebody_dropped_is_made_again(warehouse: Warehouse) -> None:
    """A registered table that is gone is no obstacle."""
    for count in (1, 2):
        sink = warehouse.sink(run_id=f"run-{count}")
        load_full(sink, {"flights": numbered(count)})
        sink.close()
        if count == 1:
            # Babelfish drops no table before its views.
            warehouse.execute(
                f"DROP VIEW {warehouse.quoted('flights_view')}",
                f"DROP TABLE {warehouse.quoted('flights')}",
            )
    assert len(warehouse.rows("flights")) == 2


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("nonsense", "not a database URL"),
        ("postgresql://a:secret@b/c", "not postgresql"),
        ("oracle+nothing://a:secret@b/c", "database URL|not oracle"),
    ],
)
def test_a_useless_address_is_refused_without_being_shown(url: str, message: str) -> None:
    """The error says what a warehouse is, and holds no part of the address."""
    with pytest.raises(PermanentError, match=message) as caught:
        WarehouseSink(url=url, instance_id="i", run_id="r")
    assert "secret" not in str(caught.value)


def test_a_file_that_cannot_be_opened_is_a_permanent_error() -> None:
    """A warehouse in a folder that does not exist is named as such."""
    sink = WarehouseSink(url="sqlite:////nowhere/at/all.db", instance_id="i", run_id="r")
    with pytest.raises(PermanentError, match="unable to open"):
        sink.load(SCOPE)
    sink.close()


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (("28000", "[28000] Login failed for user 'x'. (18456)"), DestinationError),
        (("08S01", "[08S01] Communication link failure (0)"), TransientError),
        (("40001", "[40001] deadlocked (1205)"), TransientError),
        (("HY000", "[HY000] Database not available (40613)"), TransientError),
        (("HYT00", "[HYT00] Login timeout expired (0)"), TransientError),
        (("42S02", "[42S02] Invalid object name (208)"), PermanentError),
        (("IM002", "[IM002] Data source name not found"), PermanentError),
    ],
)
def test_odbc_errors_tell_what_to_do_next(
    arguments: tuple[str, str], wanted: type[SyncError]
) -> None:
    """SQLSTATE and number decide between trying again, reconnecting and giving up."""
    assert type(translated(Exception(*arguments))) is wanted
