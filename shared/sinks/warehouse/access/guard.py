"""Which servers a warehouse may be at: the egress guard's, and never the app's own database."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

from shared.domain.warehouses import WarehouseTarget
from shared.errors import PermanentError
from shared.http.egress import Network, Resolve, is_allowed, system_resolve
from shared.sinks.warehouse.access.address import connection_string, load_driver

_SHARED_GATEWAYS: Final = re.compile(r"\.database\.(windows\.net|usgovcloudapi\.net|\w+\.cn)$")
"""Azure SQL: many servers answer at one address, told apart by their names."""
_PART: Final = re.compile(r"(?i)(?:^|;)\s*(server|database)\s*=\s*\{?([^;}]*)")
_DEFAULT_PORT: Final = 1433


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnDatabase:
    """The app's own database, in which no warehouse may be."""

    host: str
    port: int
    database: str

    @classmethod
    def of(cls, database_url: str) -> Self | None:
        """Return what the URL names; None for no URL, or one of no server."""
        from sqlalchemy import make_url

        if not database_url.startswith("mssql"):
            return None
        url = make_url(database_url)
        given = dict(_PART.findall(str(url.query.get("odbc_connect", ""))))
        parts = {name.lower(): value.strip() for name, value in given.items()}
        server = parts.get("server", url.host or "").lower().removeprefix("tcp:")
        host, _, port = server.partition(",")
        return cls(
            host=_plain(host),
            port=int(port) if port.strip().isdigit() else url.port or _DEFAULT_PORT,
            database=_folded(parts.get("database", url.database or "")),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """Says where warehouses may be.

    `networks` are the private ones an operator opened for them, such as an office behind a VPN.
    """

    allow_private_hosts: bool = False
    networks: Sequence[Network] = ()
    own: OwnDatabase | None = None
    resolve: Resolve = system_resolve

    def find(self, target: WarehouseTarget) -> Sequence[str]:
        """Return the addresses the host's name stands for; TransientError where it has none."""
        return self.resolve(target.host, target.port)

    def check(self, target: WarehouseTarget, addresses: Sequence[str]) -> None:
        """Raise PermanentError where any of the addresses is not open, or it is our own place."""
        if self._is_own(target, addresses):
            raise PermanentError(
                "This is the database LinkHub Integrator itself works in. Name one of your own."
            )
        for address in addresses:
            if not is_allowed(
                address, allow_private_hosts=self.allow_private_hosts, networks=self.networks
            ):
                raise PermanentError(
                    f"{target.host} is at an address that is not open to calls from here. Private "
                    "networks are refused unless the operator has opened them for warehouses "
                    "(WAREHOUSE_NETWORKS); the platform's own addresses always are."
                )

    def _is_own(self, target: WarehouseTarget, addresses: Sequence[str]) -> bool:
        own, host = self.own, _plain(target.host)
        if own is None or (target.port, _folded(target.database)) != (own.port, own.database):
            return False
        if host == own.host or (_SHARED_GATEWAYS.search(own.host) and _names(target.login, own)):
            return True
        if _SHARED_GATEWAYS.search(host) and _SHARED_GATEWAYS.search(own.host):
            return False
        try:
            theirs = self.resolve(own.host, own.port)
        except Exception:  # noqa: BLE001  our own server's name is known, or nothing works anyway
            return False
        return not set(theirs).isdisjoint(addresses)


def opener(
    target: WarehouseTarget, guard: Guard, *, driver_module: Any = None
) -> Callable[[], str]:
    """Return what tells the connection string just before each connection, if it may be opened.

    It raises what `Guard` raises: a name may stand for another address by then.
    """

    def tell() -> str:
        guard.check(target, guard.find(target))
        _, driver = load_driver(driver_module)
        return connection_string(target, driver=driver)

    return tell


def _names(login: str, own: OwnDatabase) -> bool:
    """Whether the login names our own server, as in `me@server`: a gateway goes by that."""
    _, mark, server = login.rpartition("@")
    return bool(mark) and _plain(server).split(".")[0] == own.host.split(".")[0]


def _folded(database: str) -> str:
    """Return a name as SQL Server may compare it: without case, width and blanks at its end."""
    return unicodedata.normalize("NFKC", database).casefold().rstrip()


def _plain(host: str) -> str:
    return host.strip().strip("[]").rstrip(".").lower()
