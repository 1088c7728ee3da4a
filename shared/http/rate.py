"""Keeping within a provider's request limits, waiting before a call rather than after a 429."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from shared.ports.provider import ConnectRequest


class Rate(Protocol):
    """Consulted around every attempt of a call."""

    def wait(self) -> None:
        """Return when the next request may be sent."""

    def note(self, headers: Mapping[str, str]) -> None:
        """Take in what an answer's headers say about the budget."""


class Pace:
    """At most `requests` in any `seconds`, for limits the answers say nothing about.

    A request counts from when it was answered: by then the other side has counted it too, so that
    what it sees keeps the limit however long each request was on its way.
    """

    def __init__(
        self,
        *,
        requests: int,
        seconds: float,
        sleep: Callable[[float], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._seconds = seconds
        self._sleep = sleep
        self._clock = clock
        self._sent: deque[float] = deque(maxlen=requests)

    def wait(self) -> None:
        """Sleep until the oldest of the last `requests` is `seconds` ago."""
        now = self._clock()
        if len(self._sent) == self._sent.maxlen:
            free_at = self._sent[0] + self._seconds
            if free_at > now:
                self._sleep(free_at - now)
                now = max(self._clock(), free_at)
        self._sent.append(now)

    def note(self, headers: Mapping[str, str]) -> None:
        """Count the last request from now; such answers carry no budget."""
        del headers
        if self._sent:
            self._sent[-1] = self._clock()


def paced(request: ConnectRequest, name: str, *, requests: int, seconds: float) -> Rate:
    """Return an account's limit of at most `requests` in any `seconds`, for what answers never
    tell: the one all processes share where there is one, else this connection's own.
    """
    if request.budgets is not None:
        return request.budgets(name, requests=requests, seconds=seconds)
    return Pace(requests=requests, seconds=seconds, sleep=request.sleep)


class HeaderBudget:
    """A rolling budget that every answer reports: how large, how long, and what is left of it.

    Requests of this process count from their answers, as a `Pace`'s do; what else the other side
    counted is somebody else's share of the window, and stays free. Nothing is known, and nobody
    waits, before the first answer that tells. No single wait is longer than `longest` seconds.
    """

    def __init__(
        self,
        *,
        limit_header: str,
        remaining_header: str,
        interval_header: str,
        sleep: Callable[[float], None],
        clock: Callable[[], float] = time.monotonic,
        longest: float = 60,
    ) -> None:
        self._headers = (limit_header, remaining_header, interval_header)
        self._sleep = sleep
        self._clock = clock
        self._longest = longest
        self._answered: deque[float] = deque()
        self._seconds = 0.0
        self._share: int | None = None

    def wait(self) -> None:
        """Sleep until the window has room for one more, where the last answers left none."""
        if self._share is None:
            return
        now = self._now()
        if len(self._answered) < self._share:
            return
        # The oldest requests over the share leave the window first; with no share at all, somebody
        # else has used it up, and a whole window must pass.
        over = len(self._answered) - self._share
        free_at = self._answered[over] if over < len(self._answered) else now
        self._sleep(min(max(free_at + self._seconds - now, 0.0), self._longest))

    def note(self, headers: Mapping[str, str]) -> None:
        """Count the last request, and take in the share that is left to this process."""
        self._answered.append(self._now())
        limit, remaining, interval = (_number(headers.get(name)) for name in self._headers)
        if remaining is None or interval is None:
            return
        self._seconds = interval / 1000
        if limit is not None:
            others = max(0, limit - remaining - len(self._answered))
            self._share = max(0, limit - others)
        elif remaining == 0:
            self._share = 0

    def _now(self) -> float:
        """Return the time, with the requests forgotten that have left the window."""
        now = self._clock()
        while self._answered and self._answered[0] + self._seconds <= now:
            self._answered.popleft()
        return now


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() else None
