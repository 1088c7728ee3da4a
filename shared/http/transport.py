"""The transport every adapter's calls go through."""

from __future__ import annotations

import functools
import ssl
from collections.abc import Sequence

import httpx

from shared.http.egress import Resolve, resolve_allowed

_DEFAULT_PORTS = {"https": 443, "http": 80}


class GuardedTransport(httpx.BaseTransport):
    """Connects only to allowed addresses, and to the very address that was checked.

    The host is resolved once and its address put in place of the name, so that a name server
    cannot answer differently between check and connection; `Host`, SNI and the certificate check
    keep the name. After a failed connection the next request resolves again and starts with
    the next address. Proxies of the environment are not used: they would resolve by themselves.
    """

    def __init__(
        self,
        *,
        allow_private_hosts: bool,
        resolve: Resolve | None = None,
        inner: httpx.BaseTransport | None = None,
    ) -> None:
        self._allow_private_hosts = allow_private_hosts
        self._resolve = resolve
        self._inner = inner or httpx.HTTPTransport(verify=_tls_context())
        self._pinned: dict[tuple[str, int], Sequence[str]] = {}
        self._failures = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request to a checked address of its host."""
        host = request.url.raw_host.decode("ascii")
        port = request.url.port or _DEFAULT_PORTS[request.url.scheme]
        if (host, port) not in self._pinned:
            self._pinned[host, port] = resolve_allowed(
                host, port, allow_private_hosts=self._allow_private_hosts, resolve=self._resolve
            )
        addresses = self._pinned[host, port]
        address = addresses[self._failures % len(addresses)]
        pinned = httpx.Request(
            request.method,
            request.url.copy_with(host=address),
            headers=request.headers.raw,
            stream=request.stream,
            extensions={**request.extensions, "sni_hostname": host},
        )
        try:
            return self._inner.handle_request(pinned)
        except (httpx.ConnectError, httpx.ConnectTimeout):
            self._failures += 1
            del self._pinned[host, port]
            raise

    def close(self) -> None:
        """Close all connections."""
        self._inner.close()


@functools.cache
def _tls_context() -> ssl.SSLContext:
    """Return the process's TLS context; loading the certificates takes tens of milliseconds."""
    return httpx.create_ssl_context()
