from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.sinks.warehouse import names

_SAFE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@pytest.mark.parametrize(
    ("stream", "wanted"),
    [
        ("flights", "flights"),
        ("_storage", "_storage"),
        ("select", "select"),
        ("chat/messages", "chat__messages"),
        ("x]; DROP TABLE y--", "x_DROP_TABLE_y_"),
        ("_linkhub_state", "linkhub_state_"),
        ("_stg_x", "stg_x_"),
        ("flights__prev", "flights__prev_"),
        ("flights_view", "flights_view_"),
        ("sqlite_master", "t_sqlite_master_"),
        ("9lives", "t_9lives_"),
        ("Größe", "Gr_e_"),
        ("😀", "table_"),
        ("", "table_"),
    ],
)
def test_tables_keep_plain_names_and_others_get_a_hash(stream: str, wanted: str) -> None:
    """A plain name stays; any other becomes plain ASCII with a hash of what it was."""
    name = names.table_name(stream, prefix="", taken=())
    expected = wanted if wanted[-1] != "_" else wanted + names.digest(stream)
    assert name == expected


@given(st.lists(st.text(st.characters(), max_size=140), unique=True, max_size=8))
def test_table_names_are_safe_short_and_apart(streams: list[str]) -> None:
    """Whatever the streams are called, names are plain, fit with their suffixes and differ."""
    taken: set[str] = set()
    for stream in streams:
        name = names.table_name(stream, prefix="p_", taken=taken)
        assert name == names.table_name(stream, prefix="p_", taken=set(taken))
        assert _SAFE.fullmatch(name)
        assert len(names.previous_name(name)) <= names.MAX_LENGTH
        assert len(names.staging_name(name, "owner")) <= names.MAX_LENGTH
        assert name.lower() not in taken
        taken.add(name.lower())


@given(st.lists(st.text(st.characters(), max_size=140), unique=True, max_size=8))
def test_column_names_are_short_and_apart(fields: list[str]) -> None:
    """Names never clash by case or by blanks, nor with ours, and hold no parameter marker."""
    taken = {"_id", "_linkhub_extra"}
    for field in fields:
        name = names.column_name(field, taken=taken)
        assert 0 < len(name) <= names.MAX_LENGTH
        assert name == name.strip()
        assert name.isascii()
        assert name.isprintable()
        assert not set(name) & set("?{}")
        assert name.lower() not in taken
        taken.add(name.lower())


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", ""),
        ("sales", "sales_"),
        ("sales_", "sales_"),
        ("my-app", "my_app_"),
        ("x]; --", "x_"),
        ("😀", f"_{names.digest('😀')}_"),
        ("a" * 64, f"{'a' * 29}_{names.digest('a' * 64)}_"),
    ],
)
def test_any_text_makes_a_prefix(text: str, wanted: str) -> None:
    """A prefix is plain, ends with an underscore and leaves room for the name."""
    assert names.plain_prefix(text) == wanted
    assert len(wanted) <= 42


def test_columns_keep_every_name_convex_allows() -> None:
    """Odd but printable names stay as they are; case clashes and ours get a hash."""
    for field in ("dep_time", "a b", 'quote"d', "x]; DROP TABLE y--", "select", "a.b"):
        assert names.column_name(field, taken=()) == field
    assert names.column_name("Name", taken={"name"}) == f"Name_{names.digest('Name')}"
    assert names.column_name("_linkhub_x", taken=()).startswith("f_linkhub_x_")
    clashing = f"Name_{names.digest('Name')}".lower()
    assert names.column_name("Name", taken={"name", clashing}).lower() != clashing


@given(st.text(st.characters(), max_size=200), st.text(st.characters(), max_size=200))
def test_bounded_keys_are_short_and_apart(one: str, other: str) -> None:
    """Different texts have different keys of at most 128 ASCII characters."""
    key = names.bounded_key(one)
    assert 0 < len(key) <= 128
    assert key.isascii()
    assert not key.endswith(" ")
    assert (key == names.bounded_key(other)) == (one == other)
    assert names.bounded_key(key) == key or key.startswith("sha256:")
