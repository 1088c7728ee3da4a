"""HTTP requests and answers as the worker's protocol carries them.

Follows GrpcMessageConversionExtensions.cs and RawScriptResult of azure-functions-host.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from urllib.parse import parse_qsl, quote

from local.host.protos import PROTOS, Message, TypedData, payload

_OWN = frozenset({"connection", "content-length", "transfer-encoding"})
_SAME_SITE = {1: "lax", 2: "strict", 3: "none"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What goes back over the wire; a header may stand more than once."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


def request_headers(pairs: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return headers by lower-case name, repeated ones joined by commas."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in pairs:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    return headers


def to_rpc(
    *,
    method: str,
    url: str,
    query: str,
    headers: Mapping[str, str],
    params: Mapping[str, str],
    body: bytes,
) -> TypedData:
    """Return the request as the trigger's value.

    Query parameters with an empty value are dropped and repeated ones joined by commas; an empty
    body is no body.
    """
    values: dict[str, str] = {}
    for name, value in parse_qsl(query):
        values[name] = f"{values[name]},{value}" if name in values else value
    return TypedData(
        http=PROTOS.RpcHttp(
            method=method,
            url=url,
            headers=dict(headers),
            params=dict(params),
            query=values,
            body=TypedData(bytes=body) if body else TypedData(),
        )
    )


def to_answer(returned: Message | None) -> Answer:
    """Return what a function that succeeded answers; nothing returned is a 204."""
    kind = returned.WhichOneof("data") if returned is not None else None
    if returned is None or kind is None:
        return Answer(status=204)
    if kind != "http":
        mime = "application/json" if kind == "json" else "text/plain"
        return Answer(
            status=200,
            headers=(("content-type", f"{mime}; charset=utf-8"),),
            body=_bytes(payload(returned)),
        )
    http = returned.http
    headers = [(name, value) for name, value in http.headers.items() if name.lower() not in _OWN]
    headers += [("set-cookie", cookie_header(cookie)) for cookie in http.cookies or ()]
    body = payload(http.body) if http.body is not None else b""
    return Answer(status=int(http.status_code), headers=tuple(headers), body=_bytes(body))


def cookie_header(cookie: Message) -> str:
    """Return a `Set-Cookie` value in ASP.NET Core's form, its value percent-encoded."""
    parts = [f"{cookie.name}={quote(cookie.value, safe='')}"]
    if cookie.expires is not None:
        moment = datetime.fromtimestamp(cookie.expires.value.seconds, UTC)
        parts.append(f"expires={format_datetime(moment, usegmt=True)}")
    if cookie.max_age is not None:
        parts.append(f"max-age={int(cookie.max_age.value)}")
    if cookie.domain is not None and cookie.domain.value:
        parts.append(f"domain={cookie.domain.value}")
    if cookie.path is not None and cookie.path.value:
        parts.append(f"path={cookie.path.value}")
    if cookie.secure is not None and cookie.secure.value:
        parts.append("secure")
    if cookie.same_site in _SAME_SITE:
        parts.append(f"samesite={_SAME_SITE[cookie.same_site]}")
    if cookie.http_only is not None and cookie.http_only.value:
        parts.append("httponly")
    return "; ".join(parts)


def _bytes(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value
