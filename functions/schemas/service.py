"""Answers of the service routes."""

from __future__ import annotations

from functions.schemas.base import Wire


class Health(Wire):
    """The process answers."""

    status: str


class Readiness(Wire):
    """Whether everything the app stands on answers; which part does not is for the log."""

    status: str
