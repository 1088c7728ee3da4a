"""How long text columns are where they have a length, which is on SQL Server."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.selections import DriftPolicy
from shared.sinks.warehouse import mssql_ddl
from shared.sinks.warehouse.drift import Shape, fits, notes, units
from shared.sinks.warehouse.mssql import MssqlDialect
from shared.sinks.warehouse.packing import Packed, pack
from shared.sinks.warehouse.sqlite import SqliteDialect
from shared.sinks.warehouse.types import Column, ColumnType


def _text(length: int) -> Column:
    return Column(field="a", name="a", type=ColumnType.TEXT, length=length)


def _pack(*texts: Any, storage: Any = None, **shape: Any) -> Packed:
    return pack(
        "things",
        [f"k{number}" for number in range(len(texts))],
        [{"a": text} for text in texts],
        shape=Shape(**{"columns": [], **shape}),
        storage=storage or MssqlDialect(),
    )


@pytest.mark.parametrize(
    ("longest", "length"),
    [
        (0, 50),
        (25, 50),
        (26, 100),
        (32, 100),
        (425, 850),
        (426, 2_000),
        (2_000, 4_000),
        (2_001, 4_000),
        (4_000, 4_000),
        (4_001, 0),
        (100_000, 0),
    ],
)
def test_a_column_has_room_for_twice_its_first_texts(longest: int, length: int) -> None:
    """In steps; what SQL Server cannot bound has no bound."""
    assert [c.length for c in _pack("x", "x" * longest, None).added] == [length]


def test_sqlite_bounds_no_text() -> None:
    """There a length would say nothing."""
    assert [column.length for column in _pack("x", storage=SqliteDialect()).added] == [0]


@pytest.mark.parametrize(
    ("text", "length"), [("x" * 51, 200), ("😀" * 26, 200), ("x" * 4_001, 0), ("é" * 51, 200)]
)
def test_a_longer_text_widens_its_column(text: str, length: int) -> None:
    """By what its UTF-16 code units need; the value goes to the column, not beside it."""
    packed = _pack("short", text, columns=[_text(50)])
    assert packed.widened == [(_text(50), _text(length))]
    assert packed.columns == [_text(length)]
    assert (packed.extras, packed.warned) == (None, 0)


@pytest.mark.parametrize("text", ["x" * 50, "😀" * 25, "é" * 50, "日" * 50])
def test_a_text_that_fits_to_the_last_unit_widens_nothing(text: str) -> None:
    """The length counts code units: 25 emoji are 50."""
    packed = _pack(text, columns=[_text(50)])
    assert (packed.widened, packed.extras) == ([], None)


@pytest.mark.parametrize(
    "shape",
    [{"policy": DriftPolicy.FREEZE}, {"may_become": lambda _old, _new: False}],
)
def test_a_text_its_column_cannot_take_is_kept_beside_it(shape: dict[str, Any]) -> None:
    """Where the column may not grow, SQL Server must never see the text: it would refuse it."""
    packed = _pack("short", "😀" * 26, columns=[_text(50)], **shape)
    assert list(packed.values[0]) == ["short", None]
    assert packed.extras is not None
    assert "😀" * 26 in str(packed.extras[1])
    assert packed.warned == 1


def test_columns_of_ids_are_compared_like_keys() -> None:
    """SQL Server joins no two columns of different collations; a longer text changes none."""
    one, other = "k57c2n1t9p5wv3dr8g4m6hsy0x7bzq1e", "jd7" + "0" * 28
    (column,) = _pack(one, None, other).added
    assert (
        mssql_ddl.definitions([column]) == "[a] NVARCHAR(100) COLLATE Latin1_General_100_BIN2 NULL"
    )
    ((_, wider),) = _pack("x" * 101, columns=[column]).widened
    assert mssql_ddl.alter_column("[t]", wider).endswith(
        "NVARCHAR(400) COLLATE Latin1_General_100_BIN2"
    )
    assert Column.from_json(wider.to_json()) == wider
    for text in ("x", one.upper(), one[:-2], one + "abcdef", one.replace("k", "i"), ""):
        assert not _pack(one, text).added[0].is_id


def test_a_full_load_keeps_a_length_that_suffices() -> None:
    """A table does not shrink its columns, and grows them where the new texts ask for it."""
    former = {"a": _text(400)}
    assert _pack("short", former=former).added == [_text(400)]
    assert _pack("x" * 401, former=former).added == [_text(850)]
    assert _pack("short", former={"a": _text(0)}).added == [_text(0)]


@given(st.lists(st.one_of(st.none(), st.integers(), st.text(st.characters())), max_size=6))
def test_the_quick_look_at_lengths_is_right(values: list[Any]) -> None:
    """Whether texts fit is what counting their code units one by one says."""
    for length in (0, 1, 2, 5, 10):
        texts = [value for value in values if isinstance(value, str)]
        assert fits(values, length) == all(units(text) <= length for text in texts)


def test_what_the_log_says_of_lengths() -> None:
    """A text that grew is told as such, and is nothing to warn of."""
    (note,) = notes("things", [_text(50)], [_text(0)])
    told = "Column a was text of at most 50 characters and is text now."
    assert (note.field, note.message, note.severity) == ("a", told, "info")
