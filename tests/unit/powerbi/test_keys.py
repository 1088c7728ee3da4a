from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.powerbi.keys import (
    chosen_key,
    content_key,
    from_text,
    parse_key_columns,
    to_text,
    to_values,
    usable_key,
)
from adapters.powerbi.schema import Table
from adapters.powerbi.streams import DatasetRef, dataset_of, is_stream, stream_name
from shared.domain.fields import Field, FieldType
from shared.errors import PermanentError

TEXT, WHOLE, MOMENT = FieldType.STRING, FieldType.INTEGER, FieldType.DATETIME


def make_table(**types: FieldType) -> Table:
    columns = tuple(Field(name=name, label=name, type=type_) for name, type_ in types.items())
    return Table(name="T", columns=columns)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        (" ; ", {}),
        ("Sales[Order ID]", {"Sales": ("Order ID",)}),
        ("Sales[Order ID]; weather[origin][time_hour];", None),
        ("'It''s; [odd]'[a]]b]\n;Product", {"It's; [odd]": ("a]b",), "Product": ()}),
        ("Order Details[Id]", {"Order Details": ("Id",)}),
    ],
)
def test_key_columns_are_written_as_in_dax(
    text: str, expected: dict[str, tuple[str, ...]] | None
) -> None:
    """Tables may be quoted, names may hold anything, several columns make one key."""
    if expected is None:
        expected = {"Sales": ("Order ID",), "weather": ("origin", "time_hour")}
    assert parse_key_columns(text) == expected


@pytest.mark.parametrize(
    "text", ["[Id]", "Sales[Id", "Sales[]", "'Sales[Id]", "Sales[a] Orders[b]"]
)
def test_other_text_is_refused_with_its_place(text: str) -> None:
    """A person sees how key columns are written."""
    with pytest.raises(PermanentError, match="cannot be read at"):
        parse_key_columns(text)


@given(
    st.lists(
        st.text(st.characters(exclude_categories=["Cs"])) | st.integers(-(2**63), 2**63 - 1),
        min_size=1,
        max_size=3,
    )
)
def test_a_key_survives_its_text(key: list[str | int]) -> None:
    """The key of a record leads back to the values it was made of, and has no outer spaces."""
    types = [WHOLE if isinstance(value, int) else TEXT for value in key]
    text = to_text(key)
    assert text == text.strip() != ""
    assert from_text(text, types) == to_values(key, types) == key


@pytest.mark.parametrize(
    ("text", "types"),
    [
        ("007", [WHOLE]),
        ("1e3", [WHOLE]),
        ("١٢", [WHOLE]),
        ("true", [WHOLE]),
        ("[true]", [WHOLE]),
        ("[1", [WHOLE]),
        ('["a"]', [TEXT]),
        ('["a","b"]', [TEXT]),
        ("no date", [MOMENT]),
        ("[1]", [TEXT]),
    ],
)
def test_what_is_no_key_leads_nowhere(text: str, types: list[FieldType]) -> None:
    """A text no record could have as its key is not asked for."""
    assert from_text(text, types) is None


def test_a_chosen_key_must_exist_and_survive_json() -> None:
    """Doubles and truth values name nothing reliably; a missing column is said by name."""
    table = make_table(id=WHOLE, ratio=FieldType.FLOAT)
    assert chosen_key(table, ["id"]) == ("id",)
    with pytest.raises(PermanentError, match=r"T\[gone\]"):
        chosen_key(table, ["gone"])
    with pytest.raises(PermanentError, match="do not survive"):
        chosen_key(table, ["id", "ratio"])
    assert usable_key(table, ["gone", "ratio", "id"]) == ("id",)
    assert usable_key(table, ["ratio"]) == ()


def test_content_keys_tell_rows_apart() -> None:
    """Equal rows have equal keys; a blank, a text and a number that look alike have not."""
    rows: list[list[object]] = [[None], [""], ["1"], [1], [1.5], [True], ["1", None]]
    keys = [content_key(row) for row in rows]
    assert len(set(keys)) == len(keys)
    assert content_key(json.loads('["a", 1]')) == content_key(["a", 1])


@given(st.text(min_size=1, max_size=120))
def test_streams_fit_and_are_told_apart(table: str) -> None:
    """Every table's name makes a name the product can keep, from which its dataset is known."""
    ref = DatasetRef(workspace="w" * 36, id="d" * 36)
    name = stream_name(ref, table)
    assert len(name.encode("utf-16-le", "surrogatepass")) // 2 <= 128
    assert not name.endswith(" ")
    assert is_stream(name)
    assert dataset_of(name) == ref
    assert name != stream_name(ref, f"{table}x")


@pytest.mark.parametrize("name", ["", "deals", "a/b", "../x/y", "w/d/", "w d/d/t"])
def test_what_is_no_stream_is_refused(name: str) -> None:
    """Nothing that could leave its part of a URL passes."""
    with pytest.raises(PermanentError, match="no stream"):
        dataset_of(name)
