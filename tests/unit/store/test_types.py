from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from types import MappingProxyType
from typing import Any

import pytest
from sqlalchemy import Column, MetaData, Table, insert, select
from sqlalchemy.dialects import mssql
from sqlalchemy.exc import StatementError
from sqlalchemy.types import TypeEngine

from shared.errors import InvalidInputError
from shared.store.database import Database
from shared.store.types import Json, Key, Label, LongText, Name, UtcDateTime, dump_json

AT = datetime(2026, 3, 4, 5, 6, 7, 123999, tzinfo=UTC)


def round_trip(column_type: TypeEngine[Any], value: Any) -> Any:
    table = Table("t", MetaData(), Column("value", column_type))
    database = Database("sqlite://")
    try:
        with database.engine.begin() as connection:
            table.create(connection)
            connection.execute(insert(table).values(value=value))
            return connection.execute(select(table.c.value)).scalar_one()
    finally:
        database.dispose()


def bound_for_sql_server(column_type: TypeEngine[Any], value: Any) -> Any:
    dialect = mssql.dialect()  # type: ignore[no-untyped-call]
    processor = column_type.dialect_impl(dialect).bind_processor(dialect)
    return value if processor is None else processor(value)


def test_a_time_comes_back_in_utc_cut_to_milliseconds() -> None:
    """Both databases keep milliseconds, so what one stores the other would too."""
    berlin = AT.astimezone(timezone(timedelta(hours=2)))
    expected = AT.replace(microsecond=123000)
    assert round_trip(UtcDateTime(), berlin) == expected
    assert bound_for_sql_server(UtcDateTime(), berlin) == expected.replace(tzinfo=None)


def test_times_sort_as_text_on_sqlite() -> None:
    """The text has a fixed width, years before 1000 and round seconds included."""
    type_ = UtcDateTime()
    dialect = Database("sqlite://").engine.dialect
    moments = [datetime(999, 1, 1, tzinfo=UTC), AT.replace(microsecond=0), AT]
    texts = [type_.process_bind_param(moment, dialect) for moment in moments]
    assert texts == sorted(texts)
    assert {len(text) for text in texts} == {24}


def test_a_naive_time_is_refused() -> None:
    """A time without a zone is a bug, never guessed at."""
    with pytest.raises(StatementError, match="no time zone"):
        round_trip(UtcDateTime(), datetime(2026, 1, 1))  # noqa: DTZ001 - naive on purpose


@pytest.mark.parametrize("type_", [UtcDateTime(), Json(), LongText(), Label(), Name(), Key()])
def test_none_stays_none(type_: TypeEngine[Any]) -> None:
    """NULL goes in and out of every type."""
    assert round_trip(type_, None) is None


def test_json_keeps_integers_of_any_size_and_all_text() -> None:
    """A checkpoint or a base snapshot is what it was, whatever it holds."""
    value = {"n": 2**70, "name": "Größe 😀", "list": [1, None, True], "lone": "\ud800"}
    assert round_trip(Json(), value) == value


def test_json_takes_read_only_mappings() -> None:
    """Frozen dataclasses may hold mapping proxies."""
    assert round_trip(Json(), MappingProxyType({"a": MappingProxyType({})})) == {"a": {}}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object()])
def test_what_is_not_json_is_refused(value: object) -> None:
    """Nothing is silently stored as null."""
    with pytest.raises((ValueError, TypeError)):
        dump_json({"value": value})


def test_names_keep_case_and_refuse_what_sql_server_would_not_tell_apart() -> None:
    """SQL Server ignores trailing spaces when it compares."""
    assert round_trip(Name(), " Größe") == " Größe"
    with pytest.raises(StatementError) as caught:
        round_trip(Name(), "deal ")
    assert isinstance(caught.value.orig, InvalidInputError)


def test_a_name_is_measured_as_sql_server_measures() -> None:
    """A character beyond the basic plane takes two places."""
    assert round_trip(Name(4), "😀😀") == "😀😀"
    with pytest.raises(StatementError, match="too long"):
        round_trip(Name(4), "😀😀a")


@pytest.mark.parametrize("value", ["é", "a" * 37])
def test_a_key_is_short_and_ascii(value: str) -> None:
    """VARCHAR would turn other letters into question marks."""
    with pytest.raises(StatementError, match="cannot be a key"):
        round_trip(Key(), value)


def test_a_long_label_is_cut_with_a_mark() -> None:
    """A long error message must not lose the row that carries it, nor split a character."""
    assert round_trip(Label(5), "abcdef") == "abcd…"
    assert round_trip(Label(4), "ab😀😀") == "ab…"
    assert round_trip(Label(5), "abcde") == "abcde"


def test_text_without_an_encoding_does_not_lose_the_row() -> None:
    """A lone surrogate from a provider becomes a question mark."""
    assert round_trip(Label(9), "a\ud800b") == "a?b"
    assert round_trip(LongText(), "a\ud800b") == "a?b"
