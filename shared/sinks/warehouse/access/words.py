"""What a person is told about a hop that does not work, and what to do about it.

The numbers are SQL Server's ("Database Engine events and errors") and Azure SQL's ("Troubleshoot
connectivity issues").
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Final

from shared.domain.warehouses import WarehouseTarget
from shared.sinks.warehouse.access.trial import RefusedError

GRANTS: Final = "run the grant script as the database's owner"
NO_ENCRYPTION: Final = (
    "The server offers no encryption, and nothing is sent in clear. Let it encrypt: SQL Server "
    "does so by itself unless it was switched off."
)
NO_DRIVER: Final = (
    "This app cannot sign in at such a server: its ODBC driver for SQL Server is missing or too "
    "limited. Tell the app's operator (Microsoft's ODBC Driver 18 is needed)."
)

DATABASE_NUMBERS: Final = frozenset({911, 916, 4060, 4063, 4064, 40613, 42108, 42109})
"""Errors of a connection whose login was accepted."""
_ASLEEP: Final = frozenset({40613, 42108, 42109})

_LOGIN: Final[Mapping[int, str]] = {
    18470: "The login is disabled: ask the server's administrator to enable it.",
    18486: "The login is locked after wrong passwords: ask the server's administrator to unlock "
    "it, or wait.",
    18487: "The password has expired: set a new one at the server, then here.",
    18488: "The server wants a new password first: set one there, then here.",
    18452: "The server takes Windows sign-ins only: switch it to SQL Server and Windows "
    "authentication (mixed mode).",
    18456: "The login or its password is wrong, or the server takes Windows or Entra sign-ins "
    "only. Logins of SQL Server authentication are needed.",
    40532: "There is no Azure SQL server of this name: check the host.",
    40615: "The Azure SQL server's firewall keeps us out: add this app's outbound address to it.",
    40914: "The Azure SQL server's firewall keeps this app's virtual network out: add a rule.",
    17892: "A logon trigger of the server keeps the login out: ask its administrator.",
}
_TRIAL: Final[Mapping[int, str]] = {
    3906: "The database is read-only: name the primary one.",
    1205: "The server was too busy: try again.",
    1222: "Something holds the database's catalogue locked: try again.",
    9002: "The database's log is full: make room for it.",
    1105: "The database is full: make room in it.",
    40544: "The database has reached its size: make it larger.",
}
_NO_SCHEMA: Final = 2760


def port_closed(target: WarehouseTarget, error: OSError) -> str:
    """Return what is said where a connection is refused at once, or has no way."""
    if isinstance(error, ConnectionRefusedError):
        return (
            f"Nothing listens at {target.host}, port {target.port}. Check the port (a named "
            "instance has one of its own) and that the server has TCP/IP enabled."
        )
    return f"There is no way to {target.host} from here: check the network or the VPN behind it."


def port_silent(target: WarehouseTarget) -> str:
    """Return what is said where nobody answers at all."""
    return (
        f"{target.host} does not answer at port {target.port}: most often a firewall. Let this "
        "app's outbound address in, or check that the server and its VPN are up."
    )


def not_sql_server(target: WarehouseTarget) -> str:
    """Return what is said where something answers that is not what we look for."""
    return (
        f"Whatever listens at {target.host}, port {target.port} does not speak as SQL Server "
        "does: check the port. A server that insists on TDS 8 (strict encryption) cannot be used."
    )


def certificate(error: ssl.SSLCertVerificationError) -> str:
    """Return what is said of a certificate that does not prove who the server is."""
    return (
        f"The server's certificate is not accepted: {error.verify_message}. Give the server a "
        "certificate for this name from a known authority. For a server of your own, in a network "
        "you trust, you can choose trustServerCertificate instead."
    )


def no_handshake(error: OSError) -> str:
    """Return what is said where encryption fails for another reason."""
    if isinstance(error, ssl.SSLError):
        return (
            "The server and this app find no common encryption: let the server use TLS 1.2 or "
            "later."
        )
    return "The server broke the connection off before it was encrypted: look at its error log."


def login(target: WarehouseTarget, state: str, numbers: frozenset[int]) -> str:
    """Return what is said where the login is not let in."""
    for number, text in _LOGIN.items():
        if number in numbers:
            return f"{text} (error {number})"
    if state == "28000":
        return _LOGIN[18456]
    if state.startswith("HYT"):
        return f"{target.host} takes too long to sign in: try again, or look at its load."
    return f"The server refuses the connection ({_code(state, numbers)}): look at its error log."


def database(target: WarehouseTarget, numbers: frozenset[int]) -> str:
    """Return what is said where the login is right and the database does not open."""
    if numbers & _ASLEEP:
        return f"{target.database} is not available at the moment: try again in a minute."
    return (
        f"There is no database {target.database} on this server, or {target.login} has no user in "
        f"it: check the name, or {GRANTS}."
    )


def permission(target: WarehouseTarget, refused: RefusedError) -> str:
    """Return what is said where the login may not do what loading takes."""
    numbers = refused.numbers
    for number, text in _TRIAL.items():
        if number in numbers:
            return f"{text} (error {number})"
    if _NO_SCHEMA in numbers:
        return (
            f"There is no schema {target.schema}, or {target.login} may not use it: {GRANTS}. "
            f"(error {_NO_SCHEMA})"
        )
    if refused.state.startswith("HYT"):
        return "The server takes too long to answer: try again, or look at its load."
    if refused.state.startswith("08"):
        return "The server broke the connection off: try again, or look at its error log."
    return (
        f"{target.login} may not {refused.step} in the schema {target.schema}: {GRANTS}. "
        f"({_code(refused.state, numbers)})"
    )


def _code(state: str, numbers: frozenset[int]) -> str:
    return f"error {min(numbers)}" if numbers else f"SQLSTATE {state or 'unknown'}"
