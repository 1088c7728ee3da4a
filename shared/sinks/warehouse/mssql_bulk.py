"""Bulk copy into SQL Server by Microsoft's `mssql-python`, where it is there and works.

It logs in by itself, so what it sends is committed by itself: it goes only into staging tables that
are committed too, and each row carries the number of its batch, by which an unfinished one is found
and removed. Whether it is used is tried out with one row of each type before a load, not guessed
from versions: a log-in that is slow costs more than the copy saves, and some servers and accounts
refuse it (mssql-python issues 662, 750).
"""

from __future__ import annotations

import importlib
import logging
import re
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from shared.sinks.warehouse.errors import BulkRefusedError
from shared.sinks.warehouse.feeds import AbandonedError
from shared.sinks.warehouse.mssql_ddl import quote
from shared.sinks.warehouse.types import BATCH, COMPANION, HASH, KEY, Column, ColumnType

if TYPE_CHECKING:
    from sqlalchemy import Connection

_log = logging.getLogger(__name__)

SLOWEST_CALL: Final = 10.0
"""Seconds for a call with one row, log-in included, beyond which something is wrong."""
LONGEST_COPY: Final = 1_200
"""Seconds after which a copy hangs: feeds end far sooner unless their source is slow."""
PACKET: Final = 8_000
"""Bytes. Left to itself the driver dies of servers that would have 4,096 (mssql-python 1.16.0)."""
_PART = re.compile(r"\s*([^=;]+?)\s*=\s*(\{(?:[^}]|\}\})*\}|[^;]*)\s*(?:;|$)")
_KEPT: Final = {
    "database": "Database",
    "uid": "UID",
    "pwd": "PWD",
    "encrypt": "Encrypt",
    "trustservercertificate": "TrustServerCertificate",
}


_TRIAL_KEY: Final = "_linkhub trial €😀"
_TRIAL: Final = {
    ColumnType.TEXT: "a€😀",
    ColumnType.INTEGER: -(2**63),
    ColumnType.FLOAT: 0.1,
    ColumnType.BOOLEAN: True,
    ColumnType.BINARY: b"\x00\xff",
    ColumnType.JSON: '{"a":"€😀"}',
}


class BulkRoute:
    """Bulk copies to one server. `text` is asked for the ODBC connection string before each."""

    def __init__(
        self,
        text: Callable[[], str],
        *,
        load: Callable[[str], Any] = importlib.import_module,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._text = text
        self._load = load
        self._clock = clock
        self.is_chosen: bool | None = None
        """None until it was tried."""
        self.opening = 0.0
        """Seconds that a copy took of one row: what each costs beside its rows."""

    def copy(self, table: str, names: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> int:
        """Append the rows; return how many; raise BulkRefusedError, some may be there then.

        An error of `rows` itself is lost on the way: the driver takes it for their end.
        """
        try:
            module = self._load("mssql_python")
            connection = module.connect(plain_text(self._text()))
            try:
                result = connection.cursor().bulkcopy(
                    table,
                    rows,
                    timeout=LONGEST_COPY,
                    column_mappings=list(names),
                    keep_nulls=True,
                )
            finally:
                connection.close()
        except (KeyboardInterrupt, SystemExit, GeneratorExit, AbandonedError):
            raise
        except BaseException as error:  # noqa: BLE001  its panics are no Exception
            raise BulkRefusedError(type(error).__name__) from None
        return int(result["rows_copied"])

    def try_with(self, connection: Connection, table: str, columns: Sequence[Column]) -> bool:
        """Send one row of every type to a (quoted) table and look whether it is there.

        Its BATCH, one of `columns`, is 0, which no other row has.
        """
        names = [KEY, HASH, *(column.name for column in columns), COMPANION]
        values = (0 if column.name == BATCH else _TRIAL[column.type] for column in columns)
        row = (_TRIAL_KEY, 2**63 - 1, *values, None)

        def attempt() -> bool:
            # By its batch: its key may have come through changed too.
            where = f"FROM {table} WHERE {quote(BATCH)} = 0"
            shown = ", ".join(map(quote, names))
            try:
                self.copy(table, names, [row])
                found = connection.exec_driver_sql(f"SELECT {shown} {where}").first()
            finally:
                connection.exec_driver_sql(f"DELETE {where}")
            return found is not None and tuple(found) == row

        return self.try_out(attempt)

    def try_out(self, attempt: Callable[[], bool]) -> bool:
        """Choose by one attempt, which tells whether the row came through as it was."""
        started = self._clock()
        try:
            is_right = attempt()
        except BulkRefusedError as error:
            return self._choose(f"{error}", is_right=False)
        self.opening = self._clock() - started
        if self.opening > SLOWEST_CALL:
            return self._choose(f"a call takes {self.opening:.1f} s", is_right=False)
        return self._choose("" if is_right else "a row came through changed", is_right=is_right)

    def give_up(self, error: BulkRefusedError) -> None:
        """Use it no more, whatever it did before."""
        self._choose(f"{error}", is_right=False)

    def _choose(self, why: str, *, is_right: bool) -> bool:
        self.is_chosen = is_right
        if is_right:
            _log.info("Full loads go by bulk copy, which takes %.2f s to begin.", self.opening)
        else:
            _log.info("Full loads go row by row: bulk copy cannot be used: %s.", why)
        return is_right


def plain_text(text: str) -> str:
    """Return an ODBC connection string in the words `mssql-python` takes.

    Raise BulkRefusedError where it says more than server, database, login and encryption.
    """
    parts = {name.lower(): value for name, value in _PART.findall(text)}
    server = parts.pop("server", "")
    port = parts.pop("port", "")
    for name in ("driver", "app", "tds_version", "clientcharset"):
        parts.pop(name, None)
    if parts.pop("encryption", "") == "require":
        parts["encrypt"] = "yes"
    if not server or not parts.keys() <= _KEPT.keys():
        raise BulkRefusedError("the connection needs more than a login")
    if port:
        server = server.strip("{}") + f",{port}"
    kept = (f"{_KEPT[name]}={parts[name]}" for name in parts)
    return ";".join([f"Server={server}", *kept, f"PacketSize={PACKET}"])
