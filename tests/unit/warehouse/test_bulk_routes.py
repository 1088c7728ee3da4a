"""Full loads go by a bulk route where it works; nothing is lost or doubled where it does not."""

from __future__ import annotations

from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import pytest

from shared.sinks.warehouse.errors import BulkRefusedError
from shared.sinks.warehouse.mssql_bulk import BulkRoute, plain_text
from shared.sinks.warehouse.types import BATCH_COLUMN, Column, ColumnType
from tests.warehouse_kit import Warehouse, load_full, numbered

_TEXT = "Driver={ODBC Driver 18 for SQL Server};Server=db,1433;Database=d;UID={a;b};PWD={p}}q}"
_COLUMNS = [
    *(Column(field=kind.value, name=kind.value, type=kind) for kind in ColumnType),
    BATCH_COLUMN,
]


class _Server:
    """Stands for `mssql-python` and the server behind it."""

    def __init__(self, *, error: BaseException | None = None) -> None:
        self.error = error
        self.rows: list[tuple[Any, ...]] = []
        self.names: list[str] = []
        self.text = ""
        self.is_closed = False

    def load(self, name: str) -> Any:
        assert name == "mssql_python"
        return self

    def connect(self, text: str) -> Any:
        self.text = text
        return self

    def cursor(self) -> Any:
        return self

    def close(self) -> None:
        self.is_closed = True

    def bulkcopy(self, table: str, rows: Iterable[Any], **options: Any) -> dict[str, int]:
        del table
        self.names = options["column_mappings"]
        before = len(self.rows)
        self.rows += rows
        if self.error is not None:
            raise self.error
        return {"rows_copied": len(self.rows) - before}


class _Connection:
    """Stands for SQLAlchemy's; answers a SELECT with the last row the server was sent."""

    def __init__(self, server: _Server, *, changed: bool = False) -> None:
        self._server = server
        self._changed = changed
        self.heard: list[str] = []

    @property
    def connection(self) -> Any:
        return SimpleNamespace(driver_connection=self)

    def cursor(self) -> Any:
        return SimpleNamespace(
            execute=lambda sql, _values: self.heard.append(sql),
            nextset=lambda: False,
            close=lambda: None,
        )

    def exec_driver_sql(self, sql: str, _values: Any = ()) -> Any:
        self.heard.append(sql)
        row = self._server.rows[-1] if self._server.rows else None
        return SimpleNamespace(first=lambda: row[::-1] if row and self._changed else row)


def _route(server: _Server, *, seconds: float = 0.0) -> BulkRoute:
    ticks = iter([0.0, seconds])
    return BulkRoute(lambda: _TEXT, load=server.load, clock=lambda: next(ticks))


def test_it_is_chosen_where_a_row_comes_through() -> None:
    """One row with every type goes to the server, is read back by the other driver, and goes."""
    server = _Server()
    connection: Any = _Connection(server)
    route = _route(server)
    assert route.try_with(connection, "[t]", _COLUMNS)
    assert route.is_chosen
    assert dict(zip(server.names, server.rows[0], strict=True))["_linkhub_batch"] == 0
    assert connection.heard[-1].startswith("DELETE FROM [t]")
    assert server.text == "Server=db,1433;Database=d;UID={a;b};PWD={p}}q};PacketSize=8000"
    assert server.is_closed


class _PanicError(BaseException):
    pass


def _absent(name: str) -> Any:
    raise ImportError(name)


@pytest.mark.parametrize(
    ("error", "changed", "seconds"),
    [
        (RuntimeError("login"), False, 0.0),
        (_PanicError(), False, 0.0),
        (None, True, 0.0),
        (None, False, 11.0),
    ],
    ids=["refused", "panic", "changed", "slow"],
)
def test_it_is_passed_over_where_it_does_not_work(
    error: BaseException | None, changed: bool, seconds: float, caplog: pytest.LogCaptureFixture
) -> None:
    """An error, a panic, a row that comes through changed, a slow log-in: the log says which.

    Whatever came of the row is gone, by its batch: the key may be what was changed.
    """
    caplog.set_level("INFO")
    server = _Server(error=error)
    connection: Any = _Connection(server, changed=changed)
    route = _route(server, seconds=seconds)
    assert not route.try_with(connection, "[t]", _COLUMNS)
    assert route.is_chosen is False
    assert connection.heard[-1] == "DELETE FROM [t] WHERE [_linkhub_batch] = 0"
    assert "row by row" in caplog.text
    assert "p}}q" not in caplog.text


def test_a_machine_without_the_driver_goes_without_it() -> None:
    """`mssql-python` is optional."""
    connection: Any = _Connection(_Server())
    route = BulkRoute(lambda: _TEXT, load=_absent)
    assert not route.try_with(connection, "[t]", _COLUMNS)


@pytest.mark.parametrize(
    "text", ["DSN=x;UID=a", "Server=x;Authentication=ActiveDirectoryMsi", "Server=x;Trusted=yes"]
)
def test_connections_of_other_kinds_are_refused(text: str) -> None:
    """Whatever the other driver may take otherwise is not tried."""
    with pytest.raises(BulkRefusedError):
        plain_text(text)


def test_free_tds_words_are_put_in_the_others() -> None:
    """Host and port are one word, and encryption is said by Microsoft's."""
    text = "Driver={FreeTDS};Server={db};Port=1444;TDS_Version=7.4;Encryption=require;UID={a}"
    assert plain_text(text) == "Server=db,1444;UID={a};Encrypt=yes;PacketSize=8000"


@pytest.mark.parametrize("is_offered", [True, False], ids=["bulk", "openjson"])
def test_every_value_comes_through_either_route(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, is_offered: bool
) -> None:
    """Text of any kind, the ends of 64 bits, bytes and nested values, and the same hashes."""
    monkeypatch.setattr("shared.sinks.warehouse.mssql_feeds.MssqlFeeds.fewest_rows", 1)
    monkeypatch.setattr("shared.sinks.warehouse.mssql_feeds.MssqlFeeds._speed", 0)
    if not is_offered:
        monkeypatch.setattr(BulkRoute, "copy", _refuse)
    odd = {
        "text": "a'b\"c\\d\n\t€😀 ",
        "long": "x" * 9_000,
        "big": 2**63 - 1,
        "small": -(2**63),
        "tiny": 5e-324,
        "flag": False,
        "bytes": bytes(range(256)),
        "nested": {"a": [1, 2.5, None, "€"]},
    }
    records = [*numbered(3), *numbered(3, start=3, **odd)]
    sink = warehouse.sink()
    _, finished = load_full(sink, {"flights": records, "empty": []}, page_size=2)
    sink.close()
    assert all(check.is_equal for check in finished.checks)
    found = [{"_id": key, **record} for key, record in warehouse.records("flights").items()]
    assert found == records


def _refuse(*_: Any) -> None:
    raise BulkRefusedError("refused")
