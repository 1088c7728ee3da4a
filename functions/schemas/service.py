"""Answers of the service routes."""

from __future__ import annotations

from dataclasses import dataclass

from functions.schemas.base import Wire


@dataclass(frozen=True, slots=True, kw_only=True)
class Health(Wire):
    """The process answers."""

    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness(Wire):
    """Whether everything the app stands on answers; which part does not is for the log."""

    status: str
