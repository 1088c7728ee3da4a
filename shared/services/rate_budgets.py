"""An account's request limits, kept in SQL for all processes and leased from there in batches."""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from shared.domain.ids import new_id
from shared.domain.rate_budgets import Ledger, RollingLimit
from shared.errors import TransientError
from shared.services.deps import Now, OpenUow

_log = logging.getLogger(__name__)

INTERACTIVE_SECONDS: Final = 5.0
"""Nobody who looks at a page waits longer for one request."""
_LONGEST_SECONDS: Final = 60.0
_LONGEST_WINDOWS: Final = 2
"""A run that would wait longer, and for more windows, gives its worker back meanwhile."""
_TOLD_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountBudgets:
    """The limits of one account at one provider; a `Budgets` of `shared.ports.provider`.

    `label` is the provider's name for people.
    """

    provider: str
    label: str
    account: str
    open_uow: OpenUow
    now: Now
    sleep: Callable[[float], None]
    interactive: bool = False

    def __call__(self, name: str, *, requests: int, seconds: float) -> SharedPace:
        """Return this connection's way to the limit of this name."""
        return SharedPace(name, RollingLimit(requests=requests, seconds=seconds), self)


class SharedPace:
    """At most so many requests of the account in any window, whoever sends them.

    A `Rate` of one connection, used by one thread at a time. Requests are leased: one at first,
    then batches that double while they are used up. A transaction costs one statement that reads
    and one that writes; the wait itself holds none. What is leased and not sent soon after its time
    is given back.
    """

    def __init__(self, name: str, limit: RollingLimit, account: AccountBudgets) -> None:
        self._name = name
        self._limit = limit
        self._account = account
        self._holder = new_id()
        self._starts: deque[float] = deque()
        self._size = 0
        self._used = 0
        self._answered: list[float] = []
        self._is_sent = False

    def wait(self) -> None:
        """Return when the next request may be sent.

        Raise TransientError, with the time it takes, where that is too long to wait for; and where
        SQL does not answer.
        """
        if self._is_sent:  # without an answer; it counts from now at the latest
            self.note({})
        while True:
            start = self._next_start()
            wait = start - self._seconds()
            if wait > 0:
                if wait > _TOLD_SECONDS:
                    _log.info("Waiting %.1f s for %s.", wait, self._what)
                self._account.sleep(wait)
            if self._seconds() <= start + self._limit.use_seconds:
                break
        self._used += 1
        self._is_sent = True

    def note(self, headers: Mapping[str, str]) -> None:
        """Count the last request from now; such answers carry no budget."""
        del headers
        if self._is_sent:
            self._answered.append(self._seconds())
            self._is_sent = False

    def _next_start(self) -> float:
        """Return when the next request in hand may be sent; lease some where none is."""
        now = self._seconds()
        while self._starts and self._starts[0] + self._limit.use_seconds < now:
            self._starts.popleft()
        if not self._starts:
            self._lease()
        return self._starts.popleft()

    def _lease(self) -> None:
        account, limit = self._account, self._limit
        is_used_up = self._used >= self._size
        wanted = min(self._size * 2, limit.batch) if is_used_up else self._used
        longest = max(_LONGEST_SECONDS, _LONGEST_WINDOWS * limit.seconds)
        key = (account.provider, account.account, self._name)
        try:
            with account.open_uow() as uow:
                found = uow.ledgers.find(*key)
                moment = account.now()  # taken with the row in hand: whoever waited for it is later
                lease, ledger = (found or Ledger()).lease(
                    self._holder,
                    limit,
                    wanted=wanted,
                    answered=self._answered,
                    now=_epoch(moment),
                    longest=INTERACTIVE_SECONDS if account.interactive else longest,
                    urgent=account.interactive,
                )
                store = uow.ledgers.add if found is None else uow.ledgers.save
                store(*key, ledger, now=moment)
                uow.commit()
        except TransientError as error:
            raise TransientError(str(error), is_outage=False) from error
        self._answered.clear()
        self._starts.extend(lease.starts)
        self._size, self._used = len(lease.starts), 0
        if not lease.starts:
            raise TransientError(
                f"Other syncs of this account use up {self._what}. "
                f"Try again in {math.ceil(lease.wait)} seconds.",
                retry_after=lease.wait,
                is_outage=False,
            )

    def _seconds(self) -> float:
        return _epoch(self._account.now())

    @property
    def _what(self) -> str:
        limit, account = self._limit, self._account
        return (
            f"the {limit.requests} requests ({self._name}) that {account.label} takes in "
            f"{limit.seconds:g} s"
        )


def _epoch(moment: datetime) -> float:
    return moment.timestamp()
