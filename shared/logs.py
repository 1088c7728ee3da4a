"""Logging: correlation ids in every line, secrets in none."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from urllib.parse import quote, quote_plus

_SHORTEST_SECRET = 4
_OURS = {"adapters", "functions", "ops", "shared"}

_context: ContextVar[dict[str, str]] = ContextVar("log_context", default={})  # noqa: B039


def set_up_logging() -> None:
    """Make every line of ours carry the bound ids, and libraries keep requests to themselves.

    httpx and the Azure SDKs log whole URLs, with whatever stands in their queries. Calling this
    again changes nothing.
    """
    for name in ("httpx", "httpcore", "azure"):
        logging.getLogger(name).setLevel(logging.WARNING)
    if logging.getLogRecordFactory() is not _make_record:
        logging.setLogRecordFactory(_make_record)


def _make_record(*args: Any, **kwargs: Any) -> logging.LogRecord:
    record = logging.LogRecord(*args, **kwargs)
    ids = _context.get()
    if ids and record.name.partition(".")[0] in _OURS:
        record.msg = f"[{' '.join(f'{key}={value}' for key, value in ids.items())}] {record.msg}"
    return record


@contextmanager
def bind(**ids: str) -> Iterator[None]:
    """Give every log line written inside these ids (job, run, instance, request).

    Ids are letters, digits and dashes: they become part of a format string.
    """
    token = _context.set({**_context.get(), **ids})
    try:
        yield
    finally:
        _context.reset(token)


def redacted(text: str, secrets: Iterable[str]) -> str:
    """Return `text` with every secret struck out, in the form it has in a URL too."""
    for secret in secrets:
        if len(secret) >= _SHORTEST_SECRET:
            for form in {secret, quote(secret, safe=""), quote_plus(secret)}:
                text = text.replace(form, "***")
    return text
