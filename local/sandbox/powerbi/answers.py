"""Renders results as executeQueries does, with its limits and its loss of types."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import orjson

from local.sandbox.powerbi.access import Limits
from local.sandbox.powerbi.engine import Result, evaluate
from local.sandbox.powerbi.models import Dataset, Row

PLACES = ("top", "result", "table")
"""Where the error of an answer with status 200 may stand."""

_KEPT_BYTES = 64 * 1024 * 1024
_CODE = "DatasetExecuteQueriesError"


class Answers:
    """Renders each result once, until its dataset changes."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Any, bytes] = OrderedDict()
        self._size = 0

    def give(self, dataset: Dataset, query: str, *, nulls: bool, limits: Limits) -> bytes:
        """Return the body of a query's answer; raise DaxError for one the engine refuses."""
        caps = (limits.rows, limits.values, limits.bytes)
        key = (dataset.id, dataset.version, query, nulls, caps)
        body = self._kept.get(key)
        if body is None:
            body = self._kept[key] = render(evaluate(query, dataset), nulls=nulls, limits=limits)
            self._size += len(body)
            while self._size > _KEPT_BYTES and len(self._kept) > 1:
                self._size -= len(self._kept.popitem(last=False)[1])
        self._kept.move_to_end(key)
        return body


def render(result: Result, *, nulls: bool, limits: Limits) -> bytes:
    """Return a result as JSON: too many rows or tables are cut and said, too many bytes only cut.

    Without `nulls` blanks are left out of their rows.
    """
    most = min(limits.rows, limits.values // max(len(result.names), 1))
    rows = [_named(result.names, row, nulls=nulls) for row in result.rows[:most]]
    if len(result.rows) > most:
        return with_error(rows, "table", f"More than {most} rows in a query result.")
    if result.evaluates > 1:
        return with_error(rows, "result", "More than one result table in a query.")
    body = with_rows(rows)
    return body if len(body) <= limits.bytes else with_rows(_within(rows, limits.bytes))


def with_error(rows: Sequence[Mapping[str, Any]], place: str, message: str) -> bytes:
    """Return an answer with status 200 that has rows, and an error at one of `PLACES`."""
    error = {"error": {"code": _CODE, "message": message}}
    extra = [error if place == name else {} for name in PLACES]
    table = {"rows": rows, **extra[2]}
    return orjson.dumps({"results": [{"tables": [table], **extra[1]}], **extra[0]})


def rows_of(body: bytes) -> list[dict[str, Any]]:
    """Return the rows of a rendered answer."""
    rows: list[dict[str, Any]] = orjson.loads(body)["results"][0]["tables"][0]["rows"]
    return rows


def with_rows(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Return an answer that has these rows."""
    return orjson.dumps({"results": [{"tables": [{"rows": rows}]}]})


def _within(rows: Sequence[Mapping[str, Any]], most: int) -> Sequence[Mapping[str, Any]]:
    """Return the rows up to the one that crosses the limit, which is completed."""
    size = 0
    for count, row in enumerate(rows, start=1):
        size += len(orjson.dumps(row)) + 1
        if size > most:
            return rows[:count]
    return rows


def _named(names: Sequence[str], row: Row, *, nulls: bool) -> dict[str, Any]:
    return {
        name: _plain(value)
        for name, value in zip(names, row, strict=True)
        if nulls or value is not None
    }


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds" if value.microsecond else "seconds")
    return value
