from __future__ import annotations

import pytest

from local.sandbox.powerbi.engine import Result, evaluate
from local.sandbox.powerbi.models import Column, Dataset, Relationship, Row, Table
from local.sandbox.powerbi.syntax import DaxError

ROWS: list[Row] = [
    (1, "b", True),
    (None, "A", None),
    (-2, "a", False),
    (0, None, True),
    (3, "c", None),
]


@pytest.fixture
def dataset() -> Dataset:
    columns = (
        Column(name="n", type="Integer", is_key=True, description="A number."),
        Column(name="the [t]", type="Text"),
        Column(name="b", type="Boolean"),
    )
    rows = Table(name="It's", columns=columns, source=ROWS)
    empty = Table(name="empty", columns=columns[1:2], source=[], is_hidden=True)
    relation = Relationship(from_=("empty", "the [t]"), to=("It's", "the [t]"))
    return Dataset(id="d", name="d", tables=[rows, empty], relationships=(relation,))


def numbers(dataset: Dataset, condition: str) -> list[object]:
    """Return the numbers of the rows that fit."""
    found = evaluate(f"EVALUATE FILTER('It''s', {condition})", dataset)
    return [row[0] for row in found.rows]


def test_a_table_by_its_name(dataset: Dataset) -> None:
    """Columns carry their table's name as the model writes it; names match in any case."""
    found = evaluate("evaluate 'IT''S'", dataset)
    assert found == Result(names=("It's[n]", "It's[the [t]]", "It's[b]"), rows=ROWS, evaluates=1)
    assert evaluate("EVALUATE empty", dataset).rows == []


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("'It''s'[n] = 0", [None, 0]),
        ("'It''s'[n] == 0", [0]),
        ("'It''s'[n] > -5", [1, None, -2, 0, 3]),
        ("'It''s'[n] <> 0 && NOT(ISBLANK('It''s'[n]))", [1, -2, 3]),
        ("'It''s'[the [t]]] = \"a\"", [None, -2]),
        ("'It''s'[the [t]]] == \"A\"", [None, -2]),
        ("'It''s'[the [t]]] >= \"b\"", [1, 3]),
        ("'It''s'[the [t]]] = \"\"", [0]),
        ("'It''s'[b] = FALSE()", [None, -2, 3]),
        ("'It''s'[b] == BLANK()", [None, 3]),
        ("([n] = 1 || [n] = 3) && [b] = TRUE()", [1]),
        ("[n] = 1 || [n] = 3 && [b] = TRUE()", [1]),
    ],
)
def test_comparisons_follow_dax(dataset: Dataset, condition: str, expected: list[object]) -> None:
    """Blanks equal 0, "" and FALSE but for `==`; case does not count; && binds more than ||."""
    assert numbers(dataset, condition) == expected


def test_topn_orders_and_keeps_ties(dataset: Dataset) -> None:
    """Blanks come first; the default is descending; rows that tie with the last come too."""

    def top(arguments: str) -> list[object]:
        found = evaluate(f"EVALUATE TOPN({arguments})", dataset)
        return [row[0] for row in found.rows]

    assert top("2, 'It''s', [n], ASC") == [None, -2]
    assert top("2, 'It''s', [n]") == [3, 1]
    assert top("2, 'It''s', [the [t]]], ASC") == [0, None, -2]
    assert top("2, 'It''s', [the [t]]], ASC, [n], DESC") == [0, -2]
    assert len(top("99, 'It''s'")) == 5


def test_columns_are_renamed_and_sorted(dataset: Dataset) -> None:
    """SELECTCOLUMNS names them without a table; ORDER BY goes by the new names."""
    query = (
        "EVALUATE SELECTCOLUMNS('It''s', \"say \"\"x\"\"\", 'It''s'[n], \"k\", 1) "
        'ORDER BY [say "x"] DESC'
    )
    found = evaluate(query, dataset)
    assert found.names == ('[say "x"]', "[k]")
    assert list(found.rows) == [(3, 1), (1, 1), (0, 1), (-2, 1), (None, 1)]


def test_rows_are_counted(dataset: Dataset) -> None:
    """COUNTROWS of nothing is a blank."""
    query = "EVALUATE ROW(\"all\", COUNTROWS('It''s'), \"none\", COUNTROWS(empty))"
    found = evaluate(query, dataset)
    assert (found.names, list(found.rows)) == (("[all]", "[none]"), [(5, None)])


def test_a_model_describes_itself(dataset: Dataset) -> None:
    """Tables, columns with the engine's own row numbers, and relationships."""
    tables = evaluate("EVALUATE INFO.VIEW.TABLES()", dataset)
    assert [row[1] for row in tables.rows] == ["It's", "empty"]
    query = (
        "EVALUATE SELECTCOLUMNS(FILTER(INFO.VIEW.COLUMNS(), [IsKey] = TRUE()), "
        '"t", [Table], "c", [Name])'
    )
    keys = [row for row in evaluate(query, dataset).rows if not row[1].startswith("RowNumber-")]
    assert keys == [("It's", "n")]
    related = evaluate("EVALUATE INFO.VIEW.RELATIONSHIPS()", dataset)
    assert related.rows == [(1, "empty", "the [t]", "Many", "It's", "the [t]", "One", True)]


@pytest.mark.parametrize(
    "query",
    [
        "",
        "SELECT * FROM T",
        "EVALUATE",
        "EVALUATE nothing",
        "EVALUATE 'It''s'[n]",
        "EVALUATE SUMMARIZE('It''s', [n])",
        "EVALUATE FILTER('It''s', SEARCH([n], 1))",
        "EVALUATE FILTER('It''s', [n] = \"1\")",
        "EVALUATE FILTER('It''s', [gone] = 1)",
        "EVALUATE FILTER('It''s', [n] = )",
        "EVALUATE TOPN(\"2\", 'It''s')",
        "EVALUATE TOPN(2, 'It''s', [n], UP)",
        "EVALUATE SELECTCOLUMNS('It''s', x, [n])",
        "EVALUATE 'It's'",
        "EVALUATE INFO.TABLES()",
        "EVALUATE 'It''s' ORDER BY",
        "EVALUATE FILTER('It''s', [n] = dt\"tomorrow\")",
        "DEFINE VAR x = 1 EVALUATE 'It''s'",
    ],
)
def test_everything_else_is_refused(dataset: Dataset, query: str) -> None:
    """The engine says what it does not know, rather than guess."""
    with pytest.raises(DaxError):
        evaluate(query, dataset)
