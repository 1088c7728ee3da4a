"""Structured logging: one JSON object a line where asked for, correlation ids in every line."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_context: ContextVar[dict[str, str]] = ContextVar("log_context", default={})  # noqa: B039


class ContextFilter(logging.Filter):
    """Puts the bound ids in front of every message of a handler."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Add `context` to the record; let it pass."""
        bound = _context.get()
        record.context = " ".join(f"{key}={value}" for key, value in bound.items())
        return True


@contextmanager
def bind(**ids: str) -> Iterator[None]:
    """Give every log line written inside these ids (job, run, instance, request)."""
    token = _context.set({**_context.get(), **ids})
    try:
        yield
    finally:
        _context.reset(token)


def bound() -> dict[str, str]:
    """Return the ids bound here, so that another thread can bind them too."""
    return dict(_context.get())
