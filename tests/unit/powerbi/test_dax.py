from __future__ import annotations

from datetime import datetime

from hypothesis import given
from hypothesis import strategies as st

from adapters.powerbi import dax
from local.sandbox.powerbi.engine import evaluate
from local.sandbox.powerbi.models import Column, Dataset, Table

NAMES = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=20
)
HOSTILE = st.sampled_from(['"', "'", "]", "[", '"" || 1 = 1 --', "'] || [", "x]], ", "\n", "é"])


def dataset(table: str, column: str, values: list[str]) -> Dataset:
    columns = (Column(name=column, type="Text"),)
    made = Table(name=table, columns=columns, source=[(value,) for value in values])
    return Dataset(id="d", name="d", tables=[made])


def test_names_and_values_are_quoted() -> None:
    """Quotes and closing brackets are doubled; nothing else of a name or value is changed."""
    query = dax.find("O'Neill", ["a]b"], key=["a]b"], values=[['say "x"'], ["y"]])
    assert query == (
        "EVALUATE SELECTCOLUMNS(FILTER('O''Neill', NOT(ISBLANK('O''Neill'[a]]b])) && "
        "(('O''Neill'[a]]b] == \"say \"\"x\"\"\") || ('O''Neill'[a]]b] == \"y\"))), "
        "\"c0\", 'O''Neill'[a]]b])"
    )


def test_a_page_follows_a_key_of_several_columns() -> None:
    """The order is that of the columns together; dates and numbers are literals of their type."""
    after: list[dax.KeyValue] = [datetime.fromisoformat("2026-01-31T08:00:00"), -7]
    query = dax.page("T", ["d", "n", "x"], key=["d", "n"], after=after, rows=50)
    assert query == (
        "EVALUATE SELECTCOLUMNS(TOPN(50, FILTER('T', NOT(ISBLANK('T'[d])) && "
        "NOT(ISBLANK('T'[n])) && (('T'[d] > dt\"2026-01-31T08:00:00.000\") || "
        "('T'[d] == dt\"2026-01-31T08:00:00.000\" && 'T'[n] > -7))), 'T'[d], ASC, 'T'[n], ASC), "
        "\"c0\", 'T'[d], \"c1\", 'T'[n], \"c2\", 'T'[x]) ORDER BY [c0] ASC, [c1] ASC"
    )


@given(table=NAMES | HOSTILE, column=NAMES | HOSTILE, value=NAMES | HOSTILE)
def test_nothing_gets_out_of_its_quotes(table: str, column: str, value: str) -> None:
    """Whatever a table, a column and a key are called, exactly that one row is found."""
    other = value + "!"
    found = evaluate(
        dax.find(table, [column], key=[column], values=[[value]]),
        dataset(table, column, [value, other]),
    )
    assert list(found.rows) == [(value,)]
    page = dax.page(table, [column], key=[column], after=[value], rows=9)
    after = evaluate(page, dataset(table, column, [value, other]))
    assert list(after.rows) == [(other,)]
