"""Who may ask, and how often: private app tokens, their scopes, and the account's limits."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from local.sandbox.hubspot.errors import HubSpotError, error_body, rate_limit_body
from local.sandbox.hubspot.kinds import KINDS

SCOPES = frozenset(
    {
        "crm.objects.owners.read",
        *(
            f"crm.{part}.{kind.name}.{right}"
            for part in ("objects", "schemas")
            for kind in KINDS
            for right in ("read", "write")
        ),
    }
)
"""All there are here."""


@dataclass(slots=True, kw_only=True)
class Token:
    """A private app's token or an OAuth access token; `state` is active, expired or revoked.

    Tokens of one `bucket` share the burst limit, as those of one installing account do; '' is a
    private app's token, which has its own and is told of the daily limit, and whose `account` is 0.
    """

    scopes: frozenset[str] = SCOPES
    state: str = "active"
    bucket: str = ""
    account: int = 0


@dataclass(slots=True, kw_only=True)
class Limits:
    """The account's limits; 0 switches one off.

    The burst limit is far above HubSpot's own (100 for a private app of a free account, 190 and 250
    for the paid ones), so that nobody waits who does not want to.
    """

    burst: int = 100_000
    burst_interval_ms: int = 10_000
    search_per_second: int = 5
    daily: int = 250_000
    is_daily_enforced: bool = False
    """Otherwise the daily limit is only told in headers."""


class Window:
    """A rolling window of requests."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._times: deque[float] = deque()

    def take(self, limit: int, seconds: float) -> int | None:
        """Return how many more the window allows after this one, None where it is full."""
        now = self._clock()
        while self._times and self._times[0] <= now - seconds:
            self._times.popleft()
        if len(self._times) >= limit:
            return None
        self._times.append(now)
        return limit - len(self._times)


@dataclass(slots=True, kw_only=True)
class Access:
    """Checks a request's token, scopes and rate; `issued` finds the tokens OAuth gave out."""

    tokens: dict[str, Token]
    issued: Callable[[str], Token | None] = lambda _: None
    limits: Limits = field(default_factory=Limits)
    clock: Callable[[], float] = time.monotonic
    _bursts: dict[str, Window] = field(default_factory=dict)
    _searches: Window | None = None
    _served_today: int = 0

    def set_limits(self, limits: Limits) -> None:
        """Put other limits in place; every window begins anew."""
        self.limits = limits
        self._bursts.clear()
        self._searches = None
        self._served_today = 0

    def check_token(self, text: str) -> None:
        """Raise the 401 HubSpot would answer."""
        token = self._find(text)
        if token is None or token.state == "revoked":
            raise HubSpotError(401, error_body(401))
        if token.state == "expired":
            body = error_body(401, "The OAuth token used to make this call expired.")
            raise HubSpotError(401, body | {"category": "EXPIRED_AUTHENTICATION"})

    def check_scopes(self, text: str, scopes: Sequence[str]) -> None:
        """Raise the 403 HubSpot would answer; any one of `scopes` is enough."""
        token = self._find(text)
        if token is None or not token.scopes.intersection(scopes):
            body = error_body(
                403,
                "This app hasn't been granted all required scopes to make this call.",
                errors=[
                    {
                        "message": "One or more of the following scopes are required.",
                        "context": {"requiredGranularScopes": list(scopes)},
                    }
                ],
            )
            raise HubSpotError(403, body)

    def account_of(self, text: str) -> int:
        """Return the account that gave the token out to an app, 0 for a private app's."""
        token = self._find(text)
        return token.account if token else 0

    def _find(self, text: str) -> Token | None:
        return self.tokens.get(text) or self.issued(text)

    def check_burst(self, text: str) -> dict[str, str]:
        """Return the rate headers of this request; raise the 429 of a full window or day."""
        limits = self.limits
        token = self._find(text)
        bucket = token.bucket if token else ""
        is_used_up = limits.is_daily_enforced and 0 < limits.daily <= self._served_today
        left: int | None = None if is_used_up else 0
        if limits.burst and not is_used_up:
            window = self._bursts.setdefault(bucket or text, Window(self.clock))
            left = window.take(limits.burst, limits.burst_interval_ms / 1000)
        self._served_today += left is not None
        headers: dict[str, str] = {}
        if limits.burst:
            headers |= {
                "X-HubSpot-RateLimit-Max": str(limits.burst),
                "X-HubSpot-RateLimit-Remaining": str(left or 0),
                "X-HubSpot-RateLimit-Interval-Milliseconds": str(limits.burst_interval_ms),
            }
        if limits.daily and not bucket:
            daily_left = max(0, limits.daily - self._served_today)
            headers["X-HubSpot-RateLimit-Daily"] = str(limits.daily)
            headers["X-HubSpot-RateLimit-Daily-Remaining"] = str(daily_left)
        if left is None:
            policy = "DAILY" if is_used_up else "TEN_SECONDLY_ROLLING"
            raise HubSpotError(429, rate_limit_body(policy), headers)
        return headers

    def check_search(self) -> None:
        """Raise the 429 of the search limit, which is one for the whole account."""
        if not self.limits.search_per_second:
            return
        if self._searches is None:
            self._searches = Window(self.clock)
        if self._searches.take(self.limits.search_per_second, 1.0) is None:
            raise HubSpotError(429, rate_limit_body("SECONDLY"))
