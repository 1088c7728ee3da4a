"""Power BI's own view of an error answer, and of what a query's answer says is missing.

A refusal may have an empty body and its reason in the header `x-powerbi-error-info`. A query that
fails says why in `error.pbi.error.details`, often with no `error.message` at all.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator, Mapping
from http import HTTPStatus
from typing import Any

import httpx

from shared.errors import AuthError, PermanentError, SyncError
from shared.http.auth import BearerAuth
from shared.http.errors import Failure

REASON_HEADER = "x-powerbi-error-info"
EXPIRED = "TokenExpired"
QUERY_FAILED = "DatasetExecuteQueriesError"

_REASON = re.compile(r"[A-Za-z0-9_.-]{1,80}")
_LONGEST = 500
_RIGHTS = (
    "The account needs Read and Build permission on the dataset, and the tenant setting 'Dataset "
    "Execute Queries REST API' must be on; service principals cannot query datasets with row-level "
    "security or single sign-on."
)


class RightsError(AuthError):
    """The account is known, but may not do this."""


class UnknownDatasetError(PermanentError):
    """There is no such dataset, or the account may not see it: Power BI does not tell which."""


class QueryError(PermanentError):
    """A query was refused as it stands, or failed inside the dataset."""


class CutOffError(PermanentError):
    """An answer with status 200 says itself that it is not all of the result."""


class TokenAuth(BearerAuth):
    """Bearer tokens; a 403 for a token that has expired is answered like a 401, once."""

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Sign the request, and sign and send it again where a newer token can be had."""
        flow = super().auth_flow(request)
        response = yield next(flow)
        if response.headers.get(REASON_HEADER) == EXPIRED:
            response = httpx.Response(HTTPStatus.UNAUTHORIZED)
        try:
            yield flow.send(response)
        except StopIteration:
            return


def classify(failure: Failure, text: str) -> SyncError | None:
    """Return the error where Power BI says more than the status."""
    reason = failure.headers.get(REASON_HEADER, "")
    reason = reason if _REASON.fullmatch(reason) else ""
    if failure.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        said = f"{text} The reason given is {reason}." if reason else text
        if EXPIRED in {reason, failure.code} or failure.status == HTTPStatus.UNAUTHORIZED:
            return AuthError(f"{said} Connect the instance again.")
        return RightsError(f"{said} {_RIGHTS}")
    if failure.status == HTTPStatus.NOT_FOUND:
        return UnknownDatasetError(f"{text} It does not exist or is not shared. {_RIGHTS}")
    if failure.status == HTTPStatus.BAD_REQUEST and failure.code == QUERY_FAILED:
        details = " ".join(_details(failure.body))[:_LONGEST]
        return QueryError(f"{text} {details}" if details else text)
    return None


def require_complete(answer: Any) -> list[Mapping[str, Any]]:
    """Return the rows of a query's only table.

    Raise CutOffError where the answer, its result or its table says that something is missing, and
    PermanentError for what is no answer to a query.
    """
    results = _list_of(answer, "results")
    for result in results:
        tables = _list_of(result, "tables")
        for part in (answer, result, *tables):
            _require_no_error(part)
        if len(tables) == 1:
            return _list_of(tables[0], "rows")
    _require_no_error(answer)
    raise _strange()


def _require_no_error(part: Mapping[str, Any]) -> None:
    error = part.get("error")
    if not error:
        return
    named = error if isinstance(error, Mapping) else {"message": error}
    said = [str(named.get(name) or "") for name in ("code", "message")]
    text = ": ".join(filter(None, [*said, *_details(part)])) or "no reason given"
    raise CutOffError(f"Power BI did not give the whole result of a query ({text[:_LONGEST]}).")


def _details(body: Mapping[str, Any]) -> Iterator[str]:
    """Yield what the engine says, wherever the answer keeps it."""
    error = body.get("error")
    inner = error.get("pbi.error") if isinstance(error, Mapping) else None
    details = inner.get("details") if isinstance(inner, Mapping) else None
    for item in details if isinstance(details, list) else ():
        detail = item.get("detail") if isinstance(item, Mapping) else None
        value = detail.get("value") if isinstance(detail, Mapping) else None
        if value:
            code = str(item.get("code", ""))
            yield str(value) if code == "DetailsMessage" else f"({code} {value})"


def _list_of(part: Any, name: str) -> list[Any]:
    """Return a list of objects; an absent one is empty where an error stands in its place."""
    if not isinstance(part, Mapping):
        raise _strange()
    found = part.get(name, [] if part.get("error") else None)
    if not isinstance(found, list) or not all(isinstance(item, Mapping) for item in found):
        raise _strange()
    return found


def _strange() -> PermanentError:
    return PermanentError(
        "Power BI's answer to a query holds no table. Check the base URL of the connection."
    )
