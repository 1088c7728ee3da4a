"""Tables that the source does not have any more, or that nobody wants any more."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

from shared.ports.sink import FinishResult
from tests.warehouse_kit import Warehouse, load_full, numbered


def _load(warehouse: Warehouse, streams: Sequence[str], *, job_id: str) -> FinishResult:
    with closing(warehouse.sink(run_id=job_id)) as sink:
        _, finished = load_full(sink, {name: numbered(6) for name in streams}, job_id=job_id)
        return finished


def _said(finished: FinishResult) -> list[tuple[str, str]]:
    return [(problem.stream, problem.severity) for problem in finished.problems]


def test_a_table_that_comes_no_more_stays_and_each_full_load_says_so(warehouse: Warehouse) -> None:
    """Its rows stay as they were: whoever queries them is told by the log that they are old."""
    assert _said(_load(warehouse, ["flights", "ships"], job_id="first")) == []
    for job_id in ("second", "third"):
        finished = _load(warehouse, ["flights"], job_id=job_id)
        assert _said(finished) == [("ships", "warning")]
        assert "Table ships did not come" in finished.problems[0].message
    assert (len(warehouse.rows("ships")), len(warehouse.rows("ships_view"))) == (6, 6)
    assert _said(_load(warehouse, ["flights", "ships"], job_id="fourth")) == []


def test_once_it_was_dropped_nothing_more_is_said_or_due(warehouse: Warehouse) -> None:
    """The person who drops it is right: no later job misses its rows. It can come again."""
    _load(warehouse, ["flights", "ships"], job_id="first")
    _load(warehouse, ["flights"], job_id="second")
    warehouse.execute(
        f"DROP VIEW {warehouse.quoted('ships_view')}", f"DROP TABLE {warehouse.quoted('ships')}"
    )
    finished = _load(warehouse, ["flights"], job_id="third")
    assert finished.problems == ()
    assert [check.stream for check in finished.checks] == ["flights"]
    assert warehouse.registered().keys() == {"flights"}
    assert _said(_load(warehouse, ["flights", "ships"], job_id="fourth")) == []
    assert len(warehouse.rows("ships")) == 6


def test_a_table_dropped_while_its_source_has_it_is_made_anew(warehouse: Warehouse) -> None:
    """By the next full load, typed afresh, as the documentation promises."""
    _load(warehouse, ["flights"], job_id="first")
    warehouse.execute(f"DROP VIEW {warehouse.quoted('flights_view')}")
    warehouse.execute(f"DROP TABLE {warehouse.quoted('flights')}")
    with closing(warehouse.sink(run_id="second")) as sink:
        records = [{"_id": "a", "number": "a text now"}]
        _, finished = load_full(sink, {"flights": records}, job_id="second")
    assert all(check.is_equal for check in finished.checks)
    assert warehouse.types("flights")["number"] == "text"
