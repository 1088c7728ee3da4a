"""Which way rows travel to SQL Server, and how they do where JSON is not to be trusted."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError

from shared.errors import TransientError
from shared.sinks.warehouse.errors import translated
from shared.sinks.warehouse.mssql import MssqlDialect
from shared.sinks.warehouse.mssql_rows import (
    _TRIED,
    JsonRows,
    ParameterRows,
    _types,
    choose,
)
from shared.sinks.warehouse.types import Column, ColumnType
from tests.odbc_kit import odbc_error
from tests.warehouse_kit import Warehouse, load_full

_COLUMNS = [Column(field=kind.value, name=kind.value, type=kind) for kind in ColumnType]
Answer = Callable[[str], Any]


def _faithful(text: str) -> Iterator[tuple[Any, ...]]:
    """Take the JSON apart as SQL Server does."""
    decode: dict[ColumnType, Callable[[Any], Any]] = {
        ColumnType.BINARY: lambda value: None if value is None else bytes.fromhex(value),
        ColumnType.BOOLEAN: lambda value: None if value is None else bool(value),
    }
    for record in json.loads(text):
        values = [record.get(f"c{position}") for position in range(len(_types(_TRIED)))]
        yield tuple(
            decode[kind](value) if kind in decode else value
            for kind, value in zip(_types(_TRIED), values, strict=True)
        )


def _escaped(text: str) -> Iterator[tuple[Any, ...]]:
    """Take it apart as Babelfish does, which leaves escapes in texts."""
    for row in _faithful(text):
        yield tuple(
            json.dumps(value, ensure_ascii=False)[1:-1] if isinstance(value, str) else value
            for value in row
        )


def _without_missing(text: str) -> Iterator[tuple[Any, ...]]:
    """Forget the row with nothing in it."""
    return (row for row in _faithful(text) if row[2] is not None)


class _Server:
    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    def exec_driver_sql(self, sql: str, values: tuple[str]) -> Any:
        assert sql.startswith("SELECT")
        return self._answer(*values)


def _refusing(number: int, state: str = "42000") -> Answer:
    def answer(_text: str) -> Any:
        raise DBAPIError("SELECT", {}, odbc_error(state, number))

    return answer


@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        (_faithful, JsonRows),
        (_escaped, ParameterRows),
        (_without_missing, ParameterRows),
        (_refusing(208), ParameterRows),
    ],
)
def test_json_is_used_where_it_gives_back_what_it_was_sent(answer: Answer, wanted: type) -> None:
    """Escapes left in texts, rows that are lost and a refusal are reasons against it."""
    server: Any = _Server(answer)
    assert type(choose(server)) is wanted


def test_a_server_that_cannot_answer_now_is_not_judged() -> None:
    """A dead connection says nothing of its JSON: the run tries again later."""
    server: Any = _Server(_refusing(0, "08S01"))
    with pytest.raises(DBAPIError) as caught:
        choose(server)
    assert isinstance(translated(caught.value), TransientError)


def test_every_value_is_a_parameter_of_its_type_and_null_a_word() -> None:
    """A parameter that is NULL would have no type, and no way into binary columns."""
    rows = [("k", 7, "t", 1, 0.5, True, b"\x00", "{}", None), ("l", 8, *(None,) * 7)]
    ((sql, values),) = ParameterRows().insertions("[t]", _COLUMNS, rows, with_companion=True)
    assert sql == (
        "INSERT INTO [t] ([_id], [_linkhub_hash], [text], [integer], [float], [boolean], [binary], "
        "[json], [_linkhub_extra]) VALUES (CAST(? AS NVARCHAR(MAX)), CAST(? AS BIGINT), "
        "CAST(? AS NVARCHAR(MAX)), CAST(? AS BIGINT), CAST(? AS FLOAT(53)), CAST(? AS BIT), "
        "CAST(? AS VARBINARY(MAX)), CAST(? AS NVARCHAR(MAX)), NULL), (CAST(? AS NVARCHAR(MAX)), "
        "CAST(? AS BIGINT), NULL, NULL, NULL, NULL, NULL, NULL, NULL)"
    )
    assert values == ("k", 7, "t", 1, 0.5, True, b"\x00", "{}", "l", 8)


@pytest.mark.parametrize(("columns", "most"), [(0, 1_000), (6, 250), (900, 2), (2_000, 1)])
def test_no_statement_is_longer_than_the_server_takes(columns: int, most: int) -> None:
    """At most 1,000 rows and, but for a single row, 2,000 parameters; no row is lost."""
    wide = [Column(field=f"f{n}", name=f"f{n}", type=ColumnType.INTEGER) for n in range(columns)]
    rows = [(f"k{n}", *range(columns + 1)) for n in range(2_500 if columns < 900 else 5)]
    calls = list(ParameterRows().insertions("[t]", wide, rows, with_companion=False))
    assert max(len(values) // (columns + 2) for _, values in calls) == most
    assert all(sql.count("?") == len(values) for sql, values in calls)
    assert [value for _, values in calls for value in values] == [v for row in rows for v in row]


def test_keys_are_looked_for_in_bounded_statements() -> None:
    """No more than 2,000 at once."""
    keys = [f"k{number}" for number in range(4_500)]
    calls = list(ParameterRows().of_keys(keys))
    assert [len(values) for _, values in calls] == [2_000, 2_000, 500]
    assert [key for _, values in calls for key in values] == keys
    assert list(ParameterRows().of_keys([])) == []


@pytest.mark.parametrize("route", [JsonRows, ParameterRows])
def test_either_way_gives_the_same_table(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, route: type
) -> None:
    """Where a server's JSON is to be trusted both are right; elsewhere the parameters are."""
    if warehouse.schema and route is ParameterRows:
        monkeypatch.setattr("shared.sinks.warehouse.mssql.choose", lambda _: ParameterRows())
    text = '"q" \\ \n\t€😀\x01'
    records: list[dict[str, Any]] = [
        {"_id": "1", "text": text, "nested": {"a": [text]}, "bytes": b"\x00\xff", "flag": True},
        {"_id": "2", "number": -(2**63), "float": 0.1, "long": "x\n" * 5_000},
        {"_id": "3"},
    ]
    sink = warehouse.sink()
    _, finished = load_full(sink, {"things": records})
    sink.close()
    assert all(check.is_equal for check in finished.checks)
    found = [{"_id": key, **record} for key, record in warehouse.records("things").items()]
    assert found == records


class _Hearing(_Server):
    def __init__(self) -> None:
        self.asked: list[str] = []

    def exec_driver_sql(self, sql: str, values: tuple[str]) -> Any:
        assert "COUNT_BIG" in sql
        self.asked += [record["c0"] for record in json.loads(values[0])]
        return SimpleNamespace(one=lambda: (0, None))


def test_a_key_no_row_can_have_deletes_none() -> None:
    """SQL Server ignores blanks at the end and cuts what is too long: others' rows would go."""
    server = _Hearing()
    connection: Any = server
    odd = ["k ", "x" * 129, "😀" * 65, "a\0b", "half \ud800"]
    assert MssqlDialect().delete(connection, "t", ["k1", *odd, "😀" * 64]) == (0, 0)
    assert server.asked == ["k1", "😀" * 64]
