"""Looking at the way to a SQL Server hop by hop; the first that fails ends it.

Nothing of the driver's own text is told: it may quote what a person typed, and names nothing that
helps more than the hop and the server's error number do.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any, Final

from shared.domain.warehouses import Hop, HopResult, HopState, WarehouseCheck, WarehouseTarget
from shared.errors import PermanentError, TransientError
from shared.sinks.warehouse.access import words
from shared.sinks.warehouse.access.address import connection_string, load_driver
from shared.sinks.warehouse.access.guard import Guard
from shared.sinks.warehouse.access.prelogin import (
    NoEncryptionError,
    NotSqlServerError,
    TdsSocket,
    shake_hands,
)
from shared.sinks.warehouse.access.trial import RefusedError, told_by, try_out

SECONDS: Final = 5.0
"""The most one hop may take: all seven together stay far below what an HTTP answer may."""


class HopError(Exception):
    """A hop does not work; the text says what is wrong and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlServerProbe:
    """See `WarehouseProbe`. `context` makes what certificates are checked with."""

    guard: Guard
    context: Callable[[], ssl.SSLContext] = ssl.create_default_context
    driver_module: Any = None
    seconds: float = SECONDS

    def __call__(self, target: WarehouseTarget) -> WarehouseCheck:
        """Try every hop up to the first that fails."""
        with ExitStack() as opened:
            return _Look(self, target, opened).check()


class _Look:
    """One look; what a hop opened is there for the next ones."""

    def __init__(self, probe: SqlServerProbe, target: WarehouseTarget, opened: ExitStack) -> None:
        self._probe = probe
        self._target = target
        self._opened = opened
        self._addresses: Sequence[str] = ()
        self._socket: socket.socket | None = None
        self._connection: Any = None
        self._refusal: BaseException | None = None

    def check(self) -> WarehouseCheck:
        hops: dict[Hop, Callable[[], str]] = {
            Hop.NAME: self._name,
            Hop.ADDRESS: self._address,
            Hop.PORT: self._port,
            Hop.TLS: self._tls,
            Hop.LOGIN: self._login,
            Hop.DATABASE: self._database,
            Hop.PERMISSION: self._permission,
        }
        results: list[HopResult] = []
        failed = False
        for hop, look in hops.items():
            state, message = HopState.NOT_TRIED, ""
            if not failed:
                state, message = self._try(look)
                failed = state is HopState.FAILED
            results.append(HopResult(hop=hop, state=state, message=message))
        return WarehouseCheck(hops=tuple(results))

    def _try(self, look: Callable[[], str]) -> tuple[HopState, str]:
        try:
            return HopState.OK, look()
        except (HopError, PermanentError, TransientError) as error:
            return HopState.FAILED, str(error)

    def _name(self) -> str:
        found = _bounded(
            lambda: self._probe.guard.find(self._target),
            seconds=self._probe.seconds,
            late=f"No name server answers for {self._target.host}: try again, or check the name.",
        )
        if not found:
            raise HopError(f"{self._target.host} has no address: check the name.")
        self._addresses = found
        return f"{self._target.host} is known."

    def _address(self) -> str:
        _bounded(
            lambda: self._probe.guard.check(self._target, self._addresses),
            seconds=self._probe.seconds,
            late="No name server answers: try again.",
        )
        return "The address may be called from here."

    def _port(self) -> str:
        target = self._target
        problem = ""
        each = self._probe.seconds / len(self._addresses)
        for address in self._addresses:
            try:
                self._socket = socket.create_connection((address, target.port), timeout=each)
            except TimeoutError:
                problem = words.port_silent(target)
            except OSError as error:
                problem = problem or words.port_closed(target, error)
            else:
                self._opened.callback(self._socket.close)
                return f"Something listens at port {target.port}."
        raise HopError(problem)

    def _tls(self) -> str:
        assert self._socket is not None  # noqa: S101  the hop before opened it
        target = self._target
        context = self._probe.context()
        if target.trust_server_certificate:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        tds = TdsSocket(self._socket, seconds=self._probe.seconds)
        try:
            shake_hands(tds, host=target.host, context=context)
        except NoEncryptionError:
            raise HopError(words.NO_ENCRYPTION) from None
        except NotSqlServerError:
            raise HopError(words.not_sql_server(target)) from None
        except ssl.SSLCertVerificationError as error:
            raise HopError(words.certificate(error)) from None
        except TimeoutError:
            raise HopError(words.not_sql_server(target)) from None
        except OSError as error:  # SSLError too
            raise HopError(words.no_handshake(error)) from None
        finally:
            self._socket.close()
        if target.trust_server_certificate:
            return "The connection is encrypted; whose server it is was not checked, as you chose."
        return "The connection is encrypted and the certificate is valid."

    def _login(self) -> str:
        """Sign in; a database that does not open proves that the login does."""
        try:
            module, driver = load_driver(self._probe.driver_module)
            text = connection_string(self._target, driver=driver)
        except PermanentError:
            raise HopError(words.NO_DRIVER) from None
        whole_seconds = max(1, round(self._probe.seconds))
        try:
            self._connection = module.connect(text, timeout=whole_seconds, autocommit=False)
        except module.Error as error:
            state, numbers = told_by(error)
            if not numbers & words.DATABASE_NUMBERS:
                raise HopError(words.login(self._target, state, numbers)) from None
            self._refusal = error
        else:
            self._opened.callback(_closed, self._connection)
            with suppress(AttributeError):
                self._connection.timeout = whole_seconds
        return f"{self._target.login} is known and its password is right."

    def _database(self) -> str:
        if self._refusal is not None:
            raise HopError(words.database(self._target, told_by(self._refusal)[1]))
        return f"The database {self._target.database} is open to it."

    def _permission(self) -> str:
        try:
            try_out(self._connection, self._target.schema)
        except RefusedError as error:
            raise HopError(words.permission(self._target, error)) from None
        return f"It may do all that loading takes in the schema {self._target.schema}."


def _closed(connection: Any) -> None:
    with suppress(Exception):  # a broken connection is as good as closed
        connection.close()


def _bounded(look: Callable[[], Any], *, seconds: float, late: str) -> Any:
    """Return what `look` returns or raise what it raises; HopError where it takes too long.

    The system's resolver cannot be told a time limit. One that hangs keeps its thread till it ends.
    """
    outcome: list[tuple[Any, BaseException | None]] = []

    def work() -> None:
        try:
            outcome.append((look(), None))
        except BaseException as error:  # noqa: BLE001  raised again below
            outcome.append((None, error))

    thread = threading.Thread(target=work, name="warehouse-name", daemon=True)
    thread.start()
    thread.join(seconds)
    if not outcome:
        raise HopError(late)
    value, error = outcome[0]
    if error is not None:
        raise error
    return value
