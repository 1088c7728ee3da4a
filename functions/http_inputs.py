"""What a request brings, read and checked: body, ids in the path, lists' parameters."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from math import isfinite
from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import parse_qsl, urlsplit

import azure.functions as func

from shared.domain.paging import DEFAULT_LIMIT, MAX_LIMIT, Keyset, ListQuery
from shared.errors import InvalidInputError, NotFoundError

if TYPE_CHECKING:
    from pydantic import BaseModel

Body = TypeVar("Body", bound="BaseModel")

ID_FORM: Final = r"[0-9A-Za-z-]{1,36}"
_ID: Final = re.compile(ID_FORM)
_WHOLE: Final = re.compile(r"[0-9]{1,9}")
_MOMENT: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})?)?"
)
"""A date, or a date-time of RFC 3339, which may lack its zone."""
_CAPITAL: Final = re.compile(r"[A-Z]")
_ERRORS_TOLD: Final = 20
_LONGEST_NAME_TOLD: Final = 64


def body_of(req: func.HttpRequest, model: type[Body]) -> Body:
    """Return the request's JSON body, {} where there is none.

    Raise InvalidInputError naming what is wrong with it.
    """
    from pydantic import ValidationError

    text = req.get_body() or b"{}"
    try:
        body = model.model_validate_json(text)
        # Where a model takes any value, the parser takes NaN and makes infinity of 1e400.
        json.loads(text, parse_constant=_number, parse_float=_number)
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False, include_context=False)
        errors = [
            (".".join(str(part)[:_LONGEST_NAME_TOLD] for part in item["loc"]), item["msg"])
            for item in found[:_ERRORS_TOLD]
        ]
        told = "; ".join(f"{where}: {what}" if where else what for where, what in errors)
        raise InvalidInputError(f"The body is not right: {told}.", errors=errors) from None
    return body


def _number(text: str) -> float:
    """Return the number; refuse what JSON has no form for and could not be answered again."""
    number = float(text)
    if not isfinite(number):
        raise InvalidInputError(f"The body is not right: {text[:20]} is no number we can keep.")
    return number


def route_id(req: func.HttpRequest, name: str) -> str:
    """Return the id in the path; raise NotFoundError for a text that cannot be one."""
    found = str(req.route_params[name])
    if not _ID.fullmatch(found):
        raise NotFoundError("There is nothing with this id.")
    return found


def from_camel(name: str) -> str:
    """Return the snake_case name the domain has for a name on the wire."""
    return _CAPITAL.sub(lambda match: "_" + match[0].lower(), name)


def list_query(req: func.HttpRequest) -> ListQuery:
    """Return `?limit&cursor&from&to&status&provider`; raise InvalidInputError for a wrong one."""
    params = req.params
    given = params.get("limit", str(DEFAULT_LIMIT))
    limit = int(given) if _WHOLE.fullmatch(given) and not _is_sent_empty(req, "limit") else 0
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidInputError(f"`limit` is a whole number from 1 to {MAX_LIMIT}.")
    cursor = params.get("cursor")
    return ListQuery(
        limit=limit,
        after=Keyset.decode(cursor) if cursor else None,
        since=_moment(params.get("from"), "from"),
        until=_moment(params.get("to"), "to"),
        status=params.get("status") or None,
        provider=params.get("provider") or None,
    )


def _is_sent_empty(req: func.HttpRequest, name: str) -> bool:
    """Return whether the query has the parameter without a value: the host leaves such ones out."""
    pairs = parse_qsl(urlsplit(req.url).query, keep_blank_values=True)
    return (name, "") in pairs


def _moment(text: str | None, name: str) -> datetime | None:
    if not text:
        return None
    # A `+` of an offset arrives as a space where the caller did not escape it.
    given = _MOMENT.fullmatch(text.upper().replace(" ", "+"))
    try:
        moment = datetime.fromisoformat(given[0] if given else "")
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidInputError(
            f"`{name}` is a date or an ISO 8601 time such as 2026-11-21T08:00:00Z."
        ) from None
