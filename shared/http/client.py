"""The HTTP client adapters use: retries, rate, limits and errors in one place.

Every call ends in an answer the caller hoped for or in a TransientError, AuthError or
PermanentError; nothing of httpx's own error tree gets out.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypedDict, TypeVar, Unpack

import httpx

from shared.errors import PermanentError, SyncError, TransientError
from shared.http.egress import check_url
from shared.http.errors import (
    UNPROCESSED_STATUSES,
    Classify,
    connection_error,
    error_of,
)
from shared.http.rate import Rate
from shared.http.retries import BACKGROUND, INTERACTIVE, Ladder
from shared.http.transport import GuardedTransport

_log = logging.getLogger(__name__)

USER_AGENT = "LinkHub-Integrator/1.0"
MAX_BODY = 64 * 1024 * 1024
"""Bytes of a decoded answer read into memory; longer ones are for `stream`."""
MAX_SECONDS = 120.0
"""How long one answer's body may take, however steadily it drips."""

_ERROR_BODY = 64 * 1024
_REPEATABLE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
_NOTHING_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_OK = range(200, 300)
_BODY_HEADERS = frozenset({"content-encoding", "content-length", "transfer-encoding"})

T = TypeVar("T")


class RequestOptions(TypedDict, total=False):
    """What a request can have beside its method and path.

    `ok`: the statuses hoped for (200 to 299). `repeatable`: whether sending it twice is the same
    as once (so for GET, PUT and DELETE, not for POST and PATCH); only then is it retried after
    it may have been processed. `rate`: its request limit, where it is not the client's. `timeout`
    in seconds without a byte. `decode`: how the body of a JSON answer is read (`json.loads`); its
    ValueError says that the body was garbled on its way.
    """

    params: Mapping[str, str | int | bool]
    json: Any
    content: bytes
    headers: Mapping[str, str]
    timeout: float
    ok: Collection[int]
    repeatable: bool
    rate: Rate
    decode: Callable[[bytes], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    request: httpx.Request
    ok: Collection[int]
    repeatable: bool
    rate: Rate | None
    decode: Callable[[bytes], Any]


class _AttemptFailedError(Exception):
    """One attempt ended in `error`; `unprocessed`: the server did nothing because of it."""

    def __init__(self, error: TransientError, *, unprocessed: bool) -> None:
        super().__init__(str(error))
        self.error = error
        self.unprocessed = unprocessed


class HttpClient:
    """Calls one provider at one base URL. Used by one thread at a time; close it when done.

    `base_url` must pass the egress guard, and so must the address its host resolves to. A
    `transport` given by a test replaces the guarded one. `secrets` are cut out of every message.
    `classify` is the provider's own view of an error answer, `rate` its usual request limit.
    """

    def __init__(
        self,
        *,
        name: str,
        base_url: str,
        sleep: Callable[[float], None],
        auth: httpx.Auth | None = None,
        interactive: bool = False,
        allow_private_hosts: bool = False,
        transport: httpx.BaseTransport | None = None,
        user_agent: str = USER_AGENT,
        headers: Mapping[str, str] | None = None,
        secrets: Collection[str] = (),
        classify: Classify | None = None,
        rate: Rate | None = None,
        ladder: Ladder | None = None,
        max_body: int = MAX_BODY,
    ) -> None:
        check_url(base_url, allow_private_hosts=allow_private_hosts)
        self._name = name
        self._sleep = sleep
        self._secrets = tuple(secrets)
        self._classify = classify
        self._rate = rate
        self._ladder = ladder or (INTERACTIVE if interactive else BACKGROUND)
        self._max_body = max_body
        self._date = ""
        self._client = httpx.Client(
            base_url=base_url,
            auth=auth,
            headers={"User-Agent": user_agent, "Accept": "application/json", **(headers or {})},
            timeout=httpx.Timeout(10 if interactive else 30, connect=5 if interactive else 10),
            transport=transport or GuardedTransport(allow_private_hosts=allow_private_hosts),
            trust_env=False,
            follow_redirects=False,
        )
        self._base = str(self._client.base_url).rstrip("/")

    @property
    def server_time(self) -> datetime | None:
        """The provider's clock as its last answer gave it (`Date`, whole seconds), None if not."""
        try:
            at = parsedate_to_datetime(self._date)
        except ValueError:
            return None
        return at if at.tzinfo is not None else at.replace(tzinfo=UTC)

    def request(self, method: str, path: str, **options: Unpack[RequestOptions]) -> httpx.Response:
        """Return a hoped-for answer, read to its end.

        `path` is below the base URL, or a whole URL of the same origin (else PermanentError).
        """
        call = self._call(method, path, options)
        return self._retry(call, lambda: self._fetch(call))

    def request_json(self, method: str, path: str, **options: Unpack[RequestOptions]) -> Any:
        """Return the JSON of a hoped-for answer.

        One that was cut off or garbled on its way is retried like one that never came.
        """
        call = self._call(method, path, options)
        return self._retry(call, lambda: self._decode(call, self._open(call)))

    def get_json(self, path: str, **options: Unpack[RequestOptions]) -> Any:
        """Return the JSON of the answer to a GET."""
        return self.request_json("GET", path, **options)

    @contextmanager
    def stream(
        self, method: str, path: str, **options: Unpack[RequestOptions]
    ) -> Iterator[httpx.Response]:
        """Give a hoped-for answer whose body is still to be read.

        Getting it is retried, reading it is not: a connection lost inside the block raises
        TransientError, and the caller knows whether it can go on from where it was.
        """
        call = self._call(method, path, options)
        response = self._retry(call, lambda: self._open(call))
        try:
            yield response
        except (httpx.TransportError, httpx.DecodingError) as error:
            raise self._lost(call, error) from None
        finally:
            response.close()

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def _call(self, method: str, path: str, options: RequestOptions) -> _Call:
        timeout = options.get("timeout")
        request = self._client.build_request(
            method,
            self._url(path, options.get("params")),
            json=options.get("json"),
            content=options.get("content"),
            headers=options.get("headers"),
            timeout=httpx.USE_CLIENT_DEFAULT if timeout is None else timeout,
        )
        base = self._client.base_url
        if (request.url.scheme, request.url.netloc) != (base.scheme, base.netloc):
            raise PermanentError(
                f"{self._name} sent us on to {request.url.host}; credentials are sent to "
                f"{base.host} only. Check the base URL of the connection."
            )
        return _Call(
            request=request,
            ok=options.get("ok", _OK),
            repeatable=options.get("repeatable", method.upper() in _REPEATABLE_METHODS),
            rate=options.get("rate", self._rate),
            decode=options.get("decode", json.loads),
        )

    def _url(self, path: str, params: Mapping[str, str | int | bool] | None) -> str:
        """Return the whole URL of a path; httpx would read and check it once more at each step."""
        url = f"{self._base}{path}" if path.startswith("/") else path
        return f"{url.partition('?')[0]}?{httpx.QueryParams(params)}" if params else url

    def _retry(self, call: _Call, attempt_once: Callable[[], T]) -> T:
        attempt, waited, began = 1, 0.0, time.monotonic()
        while True:
            try:
                return attempt_once()
            except _AttemptFailedError as failed:
                error = failed.error
                may_repeat = call.repeatable or failed.unprocessed
            spent = max(waited, time.monotonic() - began)  # time-outs are waits too
            wait = self._ladder.next_wait(
                attempt=attempt, waited=spent, retry_after=error.retry_after
            )
            if wait is None or not may_repeat:
                raise error
            _log.warning("%s Attempt %d; the next in %.1f s.", error, attempt, wait)
            self._sleep(wait)
            attempt, waited = attempt + 1, waited + wait

    def _open(self, call: _Call) -> httpx.Response:
        """Send the call once; return an answer with a hoped-for status, its body not read."""
        if call.rate is not None:
            call.rate.wait()
        try:
            response = self._client.send(call.request, stream=True)
        except TransientError as cause:  # from the egress guard or a token source
            raise _AttemptFailedError(cause, unprocessed=True) from None
        except (httpx.TransportError, httpx.DecodingError) as cause:
            raise self._failed(call, cause) from None
        self._date = response.headers.get("date", "")
        if call.rate is not None:
            call.rate.note(response.headers)
        if response.status_code in call.ok:
            return response
        try:
            answer = _with_body(response, self._read(call, response, limit=_ERROR_BODY, cut=True))
        except _AttemptFailedError:
            answer = _with_body(response, b"")
        # A token may have been refreshed since the client was made: what was sent is cut out too.
        sent = answer.request.headers.get("authorization", "").partition(" ")[2]
        secrets = (*self._secrets, sent)
        error = error_of(answer, provider=self._name, secrets=secrets, classify=self._classify)
        if isinstance(error, TransientError):
            unprocessed = response.status_code in UNPROCESSED_STATUSES
            raise _AttemptFailedError(error, unprocessed=unprocessed)
        raise error

    def _fetch(self, call: _Call) -> httpx.Response:
        response = self._open(call)
        return _with_body(response, self._read(call, response, limit=self._max_body, cut=False))

    def _read(self, call: _Call, response: httpx.Response, *, limit: int, cut: bool) -> bytes:
        """Return the answer's decoded body; beyond `limit` bytes it is cut, or refused."""
        until = time.monotonic() + MAX_SECONDS
        body = bytearray()
        try:
            for chunk in response.iter_bytes():
                body += chunk
                if len(body) > limit:
                    if cut:
                        break
                    raise PermanentError(
                        f"{self._name} sent more than {limit} bytes in answer to "
                        f"{call.request.method} {call.request.url.path}; that is not an answer "
                        "this call can have. Check the base URL of the connection."
                    )
                if time.monotonic() > until:
                    raise httpx.ReadTimeout("body too slow")
        except (httpx.TransportError, httpx.DecodingError) as cause:
            raise self._failed(call, cause) from None
        finally:
            response.close()
        return bytes(body[:limit])

    def _decode(self, call: _Call, response: httpx.Response) -> Any:
        body = self._read(call, response, limit=self._max_body, cut=False)
        try:
            return call.decode(body)
        except (ValueError, RecursionError):
            error = TransientError(
                f"{self._name} answered {call.request.method} {call.request.url.path} with "
                f"{response.status_code} and something that is not JSON. Check the base URL of the "
                "connection, or try again later."
            )
            raise _AttemptFailedError(error, unprocessed=False) from None

    def _failed(self, call: _Call, cause: Exception) -> Exception:
        error = self._lost(call, cause)
        if isinstance(error, TransientError):
            return _AttemptFailedError(error, unprocessed=isinstance(cause, _NOTHING_SENT))
        return error

    def _lost(self, call: _Call, cause: Exception) -> SyncError:
        return connection_error(cause, request=call.request, provider=self._name)


def _with_body(response: httpx.Response, body: bytes) -> httpx.Response:
    """Return the same answer with a decoded body."""
    headers = [
        (name, value)
        for name, value in response.headers.raw
        if name.lower().decode("ascii") not in _BODY_HEADERS
    ]
    return httpx.Response(
        response.status_code, headers=headers, content=body, request=response.request
    )
