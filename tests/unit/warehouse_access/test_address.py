"""What the driver is told about a customer's server."""

from __future__ import annotations

import re
import sys
from typing import Any

import pytest
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from shared.errors import PermanentError
from shared.sinks.warehouse.access.address import (
    connection_string,
    engine_url,
    load_driver,
    tell_at_connect,
)
from tests.odbc_kit import MICROSOFT, FakeOdbc
from tests.warehouse_access_kit import PASSWORD, make_target

KEYWORDS = [
    *("Driver", "Server", "Encrypt", "TrustServerCertificate"),
    *("Database", "UID", "PWD", "APP"),
]
ATTACKS = [
    "x;Trusted_Connection=yes",
    "x};Trusted_Connection=yes;Z={",
    "x}};Authentication=ActiveDirectoryMsi;Z={",
    "{x};Server=evil",
    "};Driver=/tmp/evil.so;Z={",
    "x}",
    "{",
    "}}}",
    " leading and trailing ",
    "plus+percent%41&=",
    "quote'\"",
    "päss🚀",
]


def read(text: str) -> list[tuple[str, str]]:
    """Return what a driver reads, by the rules of its vendor: braces end at a single `}`."""
    found = []
    position = 0
    value = re.compile(r"\{((?:[^}]|\}\})*)\}(?:;|$)|([^;]*)(?:;|$)")
    while position < len(text):
        keyword, _, _ = text[position:].partition("=")
        match = value.match(text, position + len(keyword) + 1)
        assert match, text
        braced, plain = match.groups()
        found.append((keyword, plain if braced is None else braced.replace("}}", "}")))
        position = match.end()
    return found


def test_the_driver_is_told_the_fields_and_encryption() -> None:
    """By SQL authentication, over TCP, encrypted, with the certificate checked."""
    told = dict(read(connection_string(make_target(password="p"), driver=MICROSOFT)))
    assert told == {
        "Driver": MICROSOFT,
        "Server": "tcp:sql.example.com,1433",
        "Encrypt": "yes",
        "TrustServerCertificate": "no",
        "Database": "reports",
        "UID": "linkhub",
        "PWD": "p",
        "APP": "LinkHub Integrator",
    }


def test_trust_is_a_choice_and_encryption_is_none() -> None:
    """Who trusts the server still talks to it encrypted."""
    target = make_target(trust_server_certificate=True)
    told = dict(read(connection_string(target, driver=MICROSOFT)))
    assert (told["Encrypt"], told["TrustServerCertificate"]) == ("yes", "yes")


@pytest.mark.parametrize("text", ATTACKS)
@pytest.mark.parametrize("field", ["database", "login", "password", "host"])
def test_no_field_says_more_than_itself(field: str, text: str) -> None:
    """Whatever stands in a field, the driver reads the same keywords and the field's own text."""
    told = read(connection_string(make_target(**{field: text}), driver=MICROSOFT))
    assert [keyword for keyword, _ in told] == KEYWORDS
    expected = f"tcp:{text},1433" if field == "host" else text
    name = {"database": "Database", "login": "UID", "password": "PWD", "host": "Server"}[field]
    assert dict(told)[name] == expected


@pytest.mark.parametrize("field", ["database", "login", "password", "host"])
def test_a_nul_is_refused(field: str) -> None:
    """A driver would read up to it only."""
    with pytest.raises(PermanentError, match="NUL"):
        connection_string(make_target(**{field: "a\0b"}), driver=MICROSOFT)


def test_without_a_login_nothing_is_told() -> None:
    """A driver without a user might sign in as the machine it runs on."""
    with pytest.raises(PermanentError, match="login"):
        connection_string(make_target(login=""), driver=MICROSOFT)


def test_freetds_is_told_only_what_is_safe() -> None:
    """It checks no certificate, so trust must be chosen, and takes no closing brace."""
    with pytest.raises(PermanentError, match="certificates"):
        connection_string(make_target(password="p"), driver="FreeTDS")
    with pytest.raises(PermanentError, match="brace"):
        connection_string(make_target(trust_server_certificate=True), driver="FreeTDS")
    target = make_target(password="p;", trust_server_certificate=True)
    told = dict(read(connection_string(target, driver="FreeTDS")))
    assert (told["Encryption"], told["PWD"], told["Port"]) == ("require", "p;", "1433")


def test_sqlalchemy_passes_it_on_unchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    """What arrives at the driver is what was told, to the letter, at every connection."""
    odbc = FakeOdbc()
    monkeypatch.setitem(sys.modules, "pyodbc", odbc)
    target = make_target(password="a+b%41};Server=evil;X={")
    engine = create_engine(engine_url(target, driver=MICROSOFT), poolclass=NullPool)
    tell_at_connect(engine, lambda: connection_string(target, driver=MICROSOFT))
    for _ in range(2):
        engine.connect().close()
    told = connection_string(target, driver=MICROSOFT)
    assert [text for text, _ in odbc.connects] == [told, told]
    engine.dispose()


def test_no_repr_shows_the_password() -> None:
    """Neither the target's nor the URL's, which an engine shows too."""
    target = make_target()
    url = engine_url(target, driver=MICROSOFT)
    assert PASSWORD not in f"{target!r}{url!r}{url}"
    assert "canary" not in f"{target!r}{url!r}{url}"


def test_what_is_told_may_be_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    """An address that is no longer open keeps the driver from being asked at all."""
    odbc = FakeOdbc()
    monkeypatch.setitem(sys.modules, "pyodbc", odbc)
    engine = create_engine(engine_url(make_target(), driver=MICROSOFT), poolclass=NullPool)

    def refuse() -> str:
        raise PermanentError("not open")

    tell_at_connect(engine, refuse)
    with pytest.raises(PermanentError, match="not open"):
        engine.connect()
    assert odbc.connects == []
    engine.dispose()


def test_the_driver_manager_keeps_no_connections() -> None:
    """A session of one profile is never handed to another."""
    odbc: Any = FakeOdbc()
    assert load_driver(odbc) == (odbc, MICROSOFT)
    assert odbc.pooling is False
    with pytest.raises(PermanentError, match="no ODBC driver"):
        load_driver(FakeOdbc(drivers=()))
