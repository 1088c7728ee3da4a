"""Structured logging: one JSON object a line where asked for, correlation ids in every line."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from urllib.parse import quote, quote_plus

_SHORTEST_SECRET = 4

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


def redacted(text: str, secrets: Iterable[str]) -> str:
    """Return `text` with every secret struck out, in the form it has in a URL too."""
    for secret in secrets:
        if len(secret) >= _SHORTEST_SECRET:
            for form in {secret, quote(secret, safe=""), quote_plus(secret)}:
                text = text.replace(form, "***")
    return text
