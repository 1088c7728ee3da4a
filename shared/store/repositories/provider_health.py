"""How each account fares with its provider: a circuit breaker, and budgets of requests."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, insert, select, update

from shared.domain.breakers import Breaker, CircuitState
from shared.domain.ids import new_id
from shared.domain.paging import ListQuery, Slice
from shared.domain.rate_budgets import Ledger
from shared.errors import NotFoundError
from shared.store.lists import fetch_slice, where_given
from shared.store.repositories.filters import member_of
from shared.store.rows import columns_of, from_row, to_row
from shared.store.session import SqlSession
from shared.store.tables import provider_health as health

_BREAKER: Final = ""
"""The budget name of the row that is no budget but the breaker."""
_COLUMNS = columns_of(health, Breaker)
_NO_BREAKER: Final = {
    "state": CircuitState.CLOSED,
    "failures": 0,
    "openings": 0,
    "probe_id": "",
    "last_error": "",
}


class SqlLedgerRepository:
    """One ledger for each provider, account and budget; nobody's is an empty one."""

    def __init__(self, session: SqlSession) -> None:
        self._session = session

    def find(self, provider: str, account: str, budget: str) -> Ledger | None:
        """Return the ledger; in a unit of work that writes, it stays ours until the end of it.

        So does the place of one that is not there.
        """
        row = self._session.first(
            _held(select(health.c.ledger).where(*_key(provider, account, budget)), self._session)
        )
        return None if row is None else Ledger.from_json(row["ledger"])

    def add(
        self, provider: str, account: str, budget: str, ledger: Ledger, *, now: datetime
    ) -> None:
        """Store the ledger of a budget that has none."""
        row: dict[str, Any] = {
            "id": new_id(),
            "provider": provider,
            "account": account,
            "budget": budget,
            "ledger": ledger.to_json(),
            **_NO_BREAKER,
        }
        self._session.run(insert(health).values(**row, created_at=now, updated_at=now))

    def save(
        self, provider: str, account: str, budget: str, ledger: Ledger, *, now: datetime
    ) -> None:
        """Store the ledger of a budget that has one."""
        self._session.run(
            update(health)
            .where(*_key(provider, account, budget))
            .values(ledger=ledger.to_json(), updated_at=now)
        )


class SqlBreakerRepository:
    """One breaker for each provider and account that has ever failed."""

    def __init__(self, session: SqlSession) -> None:
        self._session = session

    def find(self, provider: str, account: str) -> Breaker | None:
        """Return the breaker; in a unit of work that writes, it stays ours until the end of it.

        So does the place of one that is not there.
        """
        row = self._session.first(
            _held(select(*_COLUMNS).where(*_key(provider, account, _BREAKER)), self._session)
        )
        return None if row is None else from_row(Breaker, row)

    def get(self, breaker_id: str) -> Breaker:
        """Return a breaker, held as `find` holds it; NotFoundError if there is none."""
        row = self._session.first(
            _held(
                select(*_COLUMNS).where(health.c.id == breaker_id, health.c.budget == _BREAKER),
                self._session,
            )
        )
        if row is None:
            raise NotFoundError("There is no such breaker.")
        return from_row(Breaker, row)

    def add(self, breaker: Breaker) -> None:
        """Store the breaker of an account that has none."""
        self._session.run(insert(health).values(**to_row(breaker), budget=_BREAKER))

    def save(self, breaker: Breaker) -> None:
        """Store a breaker that was found in this unit of work."""
        self._session.run(
            update(health)
            .where(health.c.id == breaker.id)
            .values(**to_row(breaker, without=("id", "provider", "account", "created_at")))
        )

    def list_page(self, query: ListQuery) -> Slice[Breaker]:
        """Return breakers, newest first, narrowed by time, state (`status`) and provider."""
        statement = where_given(
            select(*_COLUMNS).where(health.c.budget == _BREAKER),
            (health.c.state, member_of(CircuitState, query.status)),
            (health.c.provider, query.provider),
        )
        return fetch_slice(
            self._session, statement, health, query, lambda row: from_row(Breaker, row)
        )


def _key(provider: str, account: str, budget: str) -> tuple[ColumnElement[bool], ...]:
    return (
        health.c.provider == provider,
        health.c.account == account,
        health.c.budget == budget,
    )


def _held(statement: Select[Any], session: SqlSession) -> Select[Any]:
    """Return a read that keeps its row, or the gap where it would be, from other writers."""
    if session.read_only:
        return statement
    return statement.with_hint(health, "WITH (UPDLOCK, HOLDLOCK)", "mssql")
