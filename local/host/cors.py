"""CORS as `func start` does it for the origins of local.settings.json (`Host.CORS`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Headers = list[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cors:
    """Which origins may read answers; with none, nothing is added and OPTIONS is routed."""

    origins: tuple[str, ...] = ()
    credentials: bool = False

    def preflight(self, method: str, headers: Mapping[str, str]) -> Headers | None:
        """Return the headers that answer a preflight (204), None where this is none."""
        wanted = headers.get("access-control-request-method")
        if not self.origins or method != "OPTIONS" or wanted is None or "origin" not in headers:
            return None
        answer = self.headers(headers)
        if answer:
            answer.append(("access-control-allow-methods", wanted))
            asked = headers.get("access-control-request-headers")
            if asked is not None:
                answer.append(("access-control-allow-headers", asked))
        return answer

    def headers(self, headers: Mapping[str, str]) -> Headers:
        """Return what the answer to a request with these headers carries besides its own."""
        origin = headers.get("origin")
        if origin is None or not self.origins:
            return []
        if "*" in self.origins and not self.credentials:
            return [("access-control-allow-origin", "*")]
        allowed = {known.rstrip("/").lower() for known in self.origins}
        if origin.lower() not in allowed:
            return []
        answer = [("access-control-allow-origin", origin), ("vary", "Origin")]
        if self.credentials:
            answer.append(("access-control-allow-credentials", "true"))
        return answer
