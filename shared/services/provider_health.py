"""What syncs of one account know of its provider together: its request limits, and its outages."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from shared.domain.breakers import Breaker, CircuitState
from shared.domain.ids import new_id
from shared.errors import TransientError
from shared.logs import redacted
from shared.services.deps import Now, OpenUow
from shared.services.rate_budgets import AccountBudgets
from shared.services.watched import WatchedConnection

if TYPE_CHECKING:
    from shared.domain.providers import ProviderSpec
    from shared.ports.provider import Connection

_log = logging.getLogger(__name__)

_LEAST_SECONDS: Final = 45.0
"""A wait shorter than the host's own redelivery would cost an attempt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderHealth:
    """Kept in SQL, by provider and account, for all processes."""

    open_uow: OpenUow
    now: Now

    def budgets(
        self,
        spec: ProviderSpec,
        account: str,
        *,
        sleep: Callable[[float], None],
        interactive: bool,
    ) -> AccountBudgets:
        """Return the account's request limits."""
        return AccountBudgets(
            provider=spec.slug,
            label=spec.name,
            account=account,
            open_uow=self.open_uow,
            now=self.now,
            sleep=sleep,
            interactive=interactive,
        )

    def watched(
        self,
        spec: ProviderSpec,
        account: str,
        connect: Callable[[], Connection],
        *,
        secrets: Collection[str],
    ) -> Connection:
        """Return the opened connection; what becomes of its calls moves the account's breaker.

        Raises TransientError with the time to wait where the breaker lets nobody through now.
        """
        passage = Passage(self, spec, account, secrets)
        passage.enter()
        try:
            with passage.watching():
                connection = connect()
        except BaseException:
            passage.leave()
            raise
        return WatchedConnection(connection, passage)


class Passage:
    """One sync's way through its account's breaker. `secrets` are struck out of what is kept."""

    def __init__(
        self, health: ProviderHealth, spec: ProviderSpec, account: str, secrets: Collection[str]
    ) -> None:
        self._open_uow = health.open_uow
        self._now = health.now
        self._label = spec.name
        self._key = (spec.slug, account)
        self._secrets = secrets
        self._id = new_id()
        self._is_doubtful = False
        self._is_probe = False

    def enter(self) -> None:
        """Go through, as the probe where one is due; raise TransientError where nobody may.

        Of those who find one due at the same time, the row lets exactly one be it.
        """
        with self._open_uow(read_only=True) as uow:
            breaker = uow.breakers.find(*self._key)
        if breaker is not None and breaker.state is not CircuitState.CLOSED:
            breaker = self._try_to_probe()
        self._is_doubtful = breaker is not None and breaker.failures > 0

    def _try_to_probe(self) -> Breaker | None:
        now = self._now()
        with self._open_uow() as uow:
            breaker = uow.breakers.find(*self._key)
            if breaker is None or breaker.state is CircuitState.CLOSED:
                return breaker
            if breaker.blocks(now):
                raise self._refusal(breaker, now)
            breaker = breaker.probed(self._id, now=now)
            uow.breakers.save(breaker)
            uow.commit()
        self._is_probe = True
        _log.info("Trying whether %s answers account %s again.", *self._names)
        return breaker

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Count an outage that ends the block; what opens the breaker says so and until when."""
        try:
            yield
        except TransientError as error:
            told = self._failed(error) if error.is_outage else error
            if told is error:
                raise
            raise told from error

    def worked(self) -> None:
        """Close the breaker: the provider answered with what it was asked for."""
        if self._is_doubtful:
            self._is_doubtful = self._is_probe = False
            self._change(lambda breaker, now: breaker.closed(now=now))

    def leave(self) -> None:
        """Make room for another probe where this one has learnt nothing."""
        if self._is_probe:
            self._is_probe = False
            self._change(lambda breaker, now: breaker.abandoned(self._id, now=now))

    def _failed(self, error: TransientError) -> TransientError:
        text = redacted(str(error), self._secrets)
        wish = error.retry_after or 0
        after = self._change(
            lambda breaker, now: breaker.failed(self._id, text, now=now, at_least=wish)
        )
        self._is_probe = False
        self._is_doubtful = True
        if after is None or after.state is CircuitState.CLOSED:
            return error
        return self._refusal(after, self._now(), f"{error} ", least=wish)

    def _change(self, change: Callable[[Breaker, datetime], Breaker]) -> Breaker | None:
        """Return the changed breaker; None where SQL is away, which the run meets itself."""
        now = self._now()
        provider, account = self._key
        try:
            with self._open_uow() as uow:
                found = uow.breakers.find(provider, account)
                before = found or Breaker(
                    id=new_id(),
                    provider=provider,
                    account=account,
                    created_at=now,
                    updated_at=now,
                )
                after = change(before, now)
                if after is not before:
                    (uow.breakers.add if found is None else uow.breakers.save)(after)
                    uow.commit()
        except TransientError as error:
            _log.warning("How %s does for account %s is not kept: %s", *self._names, error)
            return None
        if after.state is not before.state:
            self._tell(after)
        return after

    def _tell(self, breaker: Breaker) -> None:
        if breaker.state is CircuitState.CLOSED:
            _log.info("The breaker of %s, account %s, has closed.", *self._names)
        elif breaker.openings:
            _log.warning(
                "The breaker of %s, account %s, is open until %s after %d failures in a row: %s",
                *self._names,
                breaker.retry_at,
                breaker.failures,
                breaker.last_error,
            )

    def _refusal(
        self, breaker: Breaker, now: datetime, first: str = "", *, least: float = 0
    ) -> TransientError:
        until = breaker.retry_at or now
        wait = max(_LEAST_SECONDS, least)
        text = f"{first}{self._label} has failed {breaker.failures} syncs of this account in a row."
        if breaker.state is CircuitState.HALF_OPEN:
            text += " One sync is trying whether it answers again; the others wait for that."
        else:
            text += f" Nothing is asked of it before {until:%H:%M:%S} UTC; then one sync tries."
            wait = max(wait, (until - now).total_seconds())
        # Without a known wait the job takes the usual way of what fails, to people in the end.
        hopeless = breaker.is_hopeless(now)
        return TransientError(text, retry_after=None if hopeless else wait, is_outage=False)

    @property
    def _names(self) -> tuple[str, str]:
        return self._label, self._key[1]
