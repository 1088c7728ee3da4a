"""Keeping within a provider's request limits, waiting before a call rather than after a 429."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Protocol


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


class HeaderBudget:
    """A rolling budget that every answer reports: what is left, and how long the window is.

    Once no more than `reserve` requests are left, the next one waits a window; the reserve is for
    other apps and people who share the account.
    """

    def __init__(
        self,
        *,
        remaining_header: str,
        interval_header: str,
        sleep: Callable[[float], None],
        reserve: int = 5,
        longest: float = 60,
    ) -> None:
        self._remaining_header = remaining_header
        self._interval_header = interval_header
        self._sleep = sleep
        self._reserve = reserve
        self._longest = longest
        self._due = 0.0

    def wait(self) -> None:
        """Sleep for one window where the last answer said that the budget is used up."""
        due, self._due = self._due, 0.0
        if due > 0:
            self._sleep(due)

    def note(self, headers: Mapping[str, str]) -> None:
        """Remember whether the next request must wait; headers that do not tell change nothing."""
        remaining = headers.get(self._remaining_header, "")
        interval = headers.get(self._interval_header, "")
        if not (remaining.isascii() and remaining.isdigit()):
            return
        if not (interval.isascii() and interval.isdigit()):
            return
        spent = int(remaining) <= self._reserve
        self._due = min(int(interval) / 1000, self._longest) if spent else 0.0
