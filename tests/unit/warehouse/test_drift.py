from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from shared.domain.changes import RecordProblem, Upsert
from shared.domain.checkpoints import Mode, Stage
from shared.domain.selections import DriftPolicy
from shared.domain.tallies import Tally
from shared.ports.sink import WriteResult
from tests.warehouse_kit import SCOPE, Warehouse, load_full, numbered, saved_checkpoint

_FROZEN: dict[str, Any] = {"drift": {"things": DriftPolicy.FREEZE}}


def _load(
    warehouse: Warehouse, *records: dict[str, Any], number: int = 1, **options: Any
) -> tuple[Tally, list[RecordProblem]]:
    """Load these records, one page each; return counts and what the log is told in all."""
    sink = warehouse.sink(run_id=f"run-{number}", **options)
    named = [{"_id": f"k{at}", **record} for at, record in enumerate(records)]
    written, finished = load_full(sink, {"things": named}, job_id=f"job-{number}", page_size=1)
    sink.close()
    problems = [problem for result in written for problem in result.problems]
    tally = sum((result.tally for result in written), Tally())
    return tally, [*problems, *finished.problems]


def _change(warehouse: Warehouse, *records: dict[str, Any], **options: Any) -> WriteResult:
    """Let an incremental sync bring these records as `n0`, `n1`, and so on."""
    saved = saved_checkpoint(mode=Mode.INCREMENTAL, watermark="w", job_id="changes")
    sink = warehouse.sink(run_id="changes", **options)
    sink.begin(SCOPE, saved)
    upserts = [Upsert("things", f"n{at}", {"_id": f"n{at}", **r}) for at, r in enumerate(records)]
    result = sink.write(SCOPE, upserts)
    sink.commit(SCOPE, saved)
    sink.finish(SCOPE, replace(saved, stage=Stage.READ), {})
    sink.close()
    return result


def _said(problems: Any) -> dict[str, str]:
    assert all(problem.key == "" for problem in problems)
    return {problem.field: problem.message for problem in problems}


def test_a_live_table_gets_columns_and_says_so(warehouse: Warehouse) -> None:
    """A field an incremental sync brings first is a column; rows that were there have NULL."""
    _load(warehouse, {"a": 1}, {"a": 2})

    result = _change(warehouse, {"a": 3, "b": "x"})

    assert result.tally == Tally(success=1)
    assert _said(result.problems).keys() == {"b"}
    assert {problem.severity for problem in result.problems} == {"info"}
    assert [row["b"] for row in warehouse.rows("things_view")] == [None, None, "x"]


def test_integers_become_floats_where_none_is_rounded(warehouse: Warehouse) -> None:
    """The column changes its type, the rows keep their values, and the log has both types."""
    _load(warehouse, {"a": 2**53}, {"a": -(2**53)}, {})

    result = _change(warehouse, {"a": 0.5}, {"a": 7})

    assert result.tally == Tally(success=2)
    assert _said(result.problems) == {"a": "Column a was integer and is float now."}
    assert warehouse.types("things")["a"] == "float"
    found = {key: record.get("a") for key, record in warehouse.records("things").items()}
    assert found == {"k0": 2.0**53, "k1": -(2.0**53), "k2": None, "n0": 0.5, "n1": 7.0}
    assert {type(value) for value in found.values()} == {float, type(None)}


def test_integers_that_a_float_would_round_stay(warehouse: Warehouse) -> None:
    """Then the fraction is kept beside the column, and that record is named."""
    _load(warehouse, {"a": 2**53 + 1})

    result = _change(warehouse, {"a": 0.5})

    assert result.tally == Tally(warning=1)
    assert [(p.key, p.field, p.severity) for p in result.problems] == [("n0", "a", "warning")]
    assert {key: record["a"] for key, record in warehouse.records("things").items()} == {
        "k0": 2**53 + 1,
        "n0": 0.5,
    }


def test_what_no_float_can_hold_widens_nothing(warehouse: Warehouse) -> None:
    """A NaN among integers goes beside them: as a float column it would be there too."""
    _load(warehouse, {"a": 1})
    _change(warehouse, {"a": math.nan})
    assert warehouse.types("things")["a"] == "integer"
    assert math.isnan(warehouse.records("things")["n0"]["a"])


def test_a_wider_column_keeps_everything_else_of_its_table(warehouse: Warehouse) -> None:
    """An index and a column a person made, and the unique key, are there afterwards."""
    _load(warehouse, {"a": 1, "b": 2})
    table = warehouse.quoted("things")
    warehouse.execute(
        f"ALTER TABLE {table} ADD mine INT",
        f"UPDATE {table} SET mine = 5",  # noqa: S608  quoted
        f"CREATE INDEX by_b ON {table} (b)",
    )
    _change(warehouse, {"a": 0.5})
    assert [row["mine"] for row in warehouse.rows("things")] == [5, None]
    warehouse.execute(f"DROP INDEX by_b{'' if warehouse.schema == '' else f' ON {table}'}")
    _change(warehouse, {"a": 1.5})
    assert len(warehouse.rows("things")) == 2


def test_a_full_load_widens_what_it_stages(warehouse: Warehouse) -> None:
    """Within one load the first page's integers become floats when a fraction follows."""
    tally, _ = _load(warehouse, {"a": 1}, {"a": 1.5}, {"a": 2**53 + 1})
    assert tally == Tally(success=2, warning=1)
    found = {key: record["a"] for key, record in warehouse.records("things").items()}
    assert found == {"k0": 1.0, "k1": 1.5, "k2": 2**53 + 1}


def test_a_field_that_vanished_keeps_its_column(warehouse: Warehouse) -> None:
    """It is NULL from then on, said once, and filled again when the field comes back."""
    _load(warehouse, {"a": 1, "b": "x"})
    _, problems = _load(warehouse, {"a": 2}, number=2)
    assert _said(problems) == {
        "b": "No record has a value for b any more: column b stays, NULL in each."
    }
    assert [row["b"] for row in warehouse.rows("things_view")] == [None]
    assert _load(warehouse, {"a": 2}, number=3)[1] == []
    assert _load(warehouse, {"a": 2, "b": "y"}, number=4)[1] == []
    assert [row["b"] for row in warehouse.rows("things_view")] == ["y"]


def test_a_full_load_keeps_names_and_types_while_they_fit(warehouse: Warehouse) -> None:
    """Whole numbers stay in a float column, and fields that clash keep their names in any order."""
    _load(warehouse, {"a": 1.5, "B": "x", "b": "y"})
    before = warehouse.registered()["things"]["columns"]
    _, problems = _load(warehouse, {"b": "y", "a": 1}, {"B": "x"}, number=2)
    assert problems == []
    assert sorted(before) == sorted(warehouse.registered()["things"]["columns"])
    assert warehouse.records("things")["k0"] == {"a": 1.0, "b": "y"}


def test_a_field_of_another_type_is_typed_anew_by_a_full_load(warehouse: Warehouse) -> None:
    """The column has the new type, and the log warns whoever reads it."""
    _load(warehouse, {"a": "1"})
    tally, problems = _load(warehouse, {"a": 1}, number=2)
    assert tally == Tally(success=1)
    assert [(p.field, p.severity) for p in problems] == [("a", "warning")]
    assert "was text" in problems[0].message
    assert "is integer now" in problems[0].message


@pytest.mark.parametrize("is_full", [True, False])
def test_a_frozen_table_keeps_its_columns(warehouse: Warehouse, *, is_full: bool) -> None:
    """What does not fit is kept beside, named record by record; names, types and order stay."""
    _load(warehouse, {"a": 1, "b": "x"}, **_FROZEN)
    before = warehouse.registered()["things"]["columns"]
    records: list[dict[str, Any]] = [{"a": 0.5, "new": True}, {"a": 2}]

    if is_full:
        tally, problems = _load(warehouse, *records, number=2, **_FROZEN)
    else:
        result = _change(warehouse, *records, **_FROZEN)
        tally, problems = result.tally, list(result.problems)

    assert tally == Tally(success=1, warning=1)
    assert [(p.field, p.severity) for p in problems if p.key] == [("a", "warning")]
    assert "a, new" in problems[0].message
    assert before == warehouse.registered()["things"]["columns"]
    found = warehouse.records("things")
    key = "k0" if is_full else "n0"
    assert found[key] == {"a": 0.5, "new": True}
    assert "_linkhub_extra" not in warehouse.rows("things_view")[0]


def test_a_frozen_tables_first_load_makes_it(warehouse: Warehouse) -> None:
    """There is nothing to keep yet: later pages of the first load bring columns too."""
    tally, problems = _load(warehouse, {"a": 1}, {"b": 1.5}, {"a": 0.5}, **_FROZEN)
    assert (tally, problems) == (Tally(success=3), [])
    assert warehouse.types("things").keys() == {"_creationTime", "a", "b"}


def test_a_resumed_load_goes_on_with_the_shape_it_had(warehouse: Warehouse) -> None:
    """Another run of the job widens what the first one staged."""
    _load(warehouse, {"a": 5})
    saved = saved_checkpoint(job_id="job-2")
    for run, value in enumerate([1, 1.5]):
        sink = warehouse.sink(run_id=f"run-{run}-of-2")
        sink.load(SCOPE)
        sink.begin(SCOPE, saved)
        sink.write(SCOPE, [Upsert("things", f"k{run}", {"_id": f"k{run}", "a": value})])
        saved = saved_checkpoint(job_id="job-2", resume=run)
        sink.commit(SCOPE, saved)
    sink.finish(SCOPE, replace(saved, stage=Stage.READ), {"things": 2})
    sink.close()
    assert [row["a"] for row in warehouse.rows("things")] == [1.0, 1.5]


def test_columns_beyond_the_most_a_table_gets_do_not_pile_up(warehouse: Warehouse) -> None:
    """Vanished columns are kept as long as there is room for them."""
    fields = {f"field{number}": number for number in range(600)}
    _load(warehouse, fields)
    _load(warehouse, {f"new{number}": number for number in range(600)}, number=2)
    assert len(warehouse.types("things")) == 900
    assert len(warehouse.rows("things")) == 1


def test_a_change_that_is_rolled_back_is_forgotten(warehouse: Warehouse) -> None:
    """A column of a write that never counted comes again with the next one."""
    sink = warehouse.sink(run_id="base")
    load_full(sink, {"things": numbered(2)})
    saved = saved_checkpoint(mode=Mode.INCREMENTAL, watermark="w", job_id="changes")
    for _ in range(2):
        sink.load(SCOPE)
        sink.begin(SCOPE, saved)
        result = sink.write(SCOPE, [Upsert("things", "n", {"_id": "n", "late": 1})])
        assert _said(result.problems).keys() == {"late"}
    sink.commit(SCOPE, saved)
    sink.close()
    assert warehouse.types("things")["late"] == "integer"
