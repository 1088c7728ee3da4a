"""Answers of the service routes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from functions.schemas.base import Wire
from shared.domain import breakers as domain_breakers


@dataclass(frozen=True, slots=True, kw_only=True)
class Health(Wire):
    """The process answers."""

    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness(Wire):
    """Whether everything the app stands on answers; which part does not is for the log."""

    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker(Wire):
    """How syncs of one account have fared with its provider.

    Open, nothing is asked of it before `retryAt`; half open, one sync is trying.
    """

    id: str
    provider: str
    account: str
    state: domain_breakers.CircuitState
    failures: int
    opened_at: datetime | None
    retry_at: datetime | None
    last_error: str
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, breaker: domain_breakers.Breaker) -> Self:
        """Return the breaker as an admin sees it."""
        return cls.like(breaker)
