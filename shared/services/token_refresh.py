"""Access tokens of instances that signed in, refreshed so that nothing is lost.

What a refresh does, and what a crash after each step leaves behind:

    take the lease       nobody refreshes until it ends by time; the old tokens stand
    read the vault       the same; a token that another brought meanwhile ends it here
    ask the provider     the old refresh token is used again: it works, or where the server has
                         replaced it, it is refused and the person is told to reconnect
    store the answer     the new tokens stand; who comes next finds them and refreshes nothing
    end the lease        done

A refresh that is not answered is never taken for one that is refused.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from typing import Final

from shared.domain.instances import InstanceState
from shared.domain.oauth import AccessToken, TokenSet
from shared.errors import AuthError, ConflictError, NotFoundError, TransientError
from shared.http.oauth import GrantRefusedError
from shared.ports.provider import Credentials
from shared.ports.vault import Vault
from shared.services.deps import Now, OpenUow
from shared.services.oauth_servers import OAuthServers
from shared.services.refresh_leases import LEASE, Lease, RefreshLeases, is_cooling, is_held

_log = logging.getLogger(__name__)

PATIENCE: Final = 90.0
"""Seconds a run waits for another's refresh: longer than a lease, so a dead holder is outlived."""

INTERACTIVE_PATIENCE: Final = 10.0
_SAME_REFUSAL: Final = timedelta(seconds=60)
_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 1.0
_STORE_PAUSES: Final = (0.2, 0.5, 1.0, 2.0, 4.0, 8.0, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenKeeper:
    """Keeps the tokens of every instance; makes the sources that connections draw from.

    `pause` is the wait between attempts to store what a refresh brought.
    """

    open_uow: OpenUow
    vault: Vault
    servers: OAuthServers
    now: Now
    lease: timedelta = LEASE
    pause: Callable[[float], None] = time.sleep

    @property
    def leases(self) -> RefreshLeases:
        """Return who may refresh."""
        return RefreshLeases(open_uow=self.open_uow, now=self.now, length=self.lease)

    def sources(
        self,
        provider: str,
        credentials: Credentials,
        *,
        sleep: Callable[[float], None],
        interactive: bool = False,
    ) -> Callable[[str], InstanceTokens]:
        """Return what gives the token source of a resource, for one connection.

        `credentials` are those the vault had a moment ago: they serve while they are fresh.
        """
        known = TokenSet.from_secret(credentials.values)

        def source(resource: str) -> InstanceTokens:
            return InstanceTokens(
                self,
                provider=provider,
                instance_id=credentials.instance_id,
                resource=resource,
                known=known,
                sleep=sleep,
                patience=INTERACTIVE_PATIENCE if interactive else PATIENCE,
            )

        return source


class InstanceTokens:
    """The access tokens of one instance for one resource; a `TokenSource`, safe for threads."""

    def __init__(
        self,
        keeper: TokenKeeper,
        *,
        provider: str,
        instance_id: str,
        resource: str = "",
        known: TokenSet | None = None,
        sleep: Callable[[float], None],
        patience: float,
    ) -> None:
        self._keeper = keeper
        self._leases = keeper.leases
        self._now = keeper.now
        self._provider = provider
        self._instance_id = instance_id
        self._resource = resource
        self._known = known or TokenSet()
        self._sleep = sleep
        self._patience = patience
        self._lock = Lock()
        self._forced: tuple[str, datetime] | None = None

    def token(self) -> str:
        """Return a token that lasts for the call about to be made."""
        with self._lock:
            return self._get(refused="")

    def refreshed(self, *, after_401_of: str) -> str | None:
        """Return another token than the one refused, None where it was refused as brand-new.

        A token got by this very call that is refused too is not stale: the provider means no.
        """
        with self._lock:
            now = self._now()
            if self._forced is not None:
                text, until = self._forced
                if text == after_401_of and now < until:
                    return None
            token = self._get(refused=after_401_of)
            self._forced = (token, now + _SAME_REFUSAL)
            return token

    def renew(self) -> None:
        """Refresh now, however fresh the token is: the refresh token must not die unused."""
        with self._lock:
            current = self._known.access.get(self._resource)
            self._get(refused=current.text if current is not None else "")

    def _get(self, *, refused: str) -> str:
        if (token := self._usable(self._known, refused)) is not None:
            return token.text
        waited, has_asked = 0.0, False
        for pause in _pauses():
            state = self._leases.look(self._instance_id)
            if state.refresh_problem:
                raise AuthError(state.refresh_problem)
            now = self._now()
            if not is_held(state, now):
                found = self._without_waiting(state, refused)
                if found is not None:
                    return found
            elif (token := self._usable(self._known, refused, is_last_resort=True)) is not None:
                return token.text
            elif not has_asked:
                self._leases.ask(self._instance_id)
                has_asked = True
            if waited >= self._patience:
                raise TransientError(
                    "The sign-in is being refreshed elsewhere and that takes long. Try again later."
                )
            self._sleep(pause)
            waited += pause
        raise AssertionError

    def _without_waiting(self, state: InstanceState, refused: str) -> str | None:
        """Return the token the vault has or a refresh brings; None where another was faster."""
        self._known = self._load(state.secret_ref)
        if (token := self._usable(self._known, refused)) is not None:
            return token.text
        last_resort = self._usable(self._known, refused, is_last_resort=True)
        if not self._known.refresh_token:
            if last_resort is None:
                raise AuthError("The sign-in has ended. Connect the instance again.")
            return last_resort.text
        now = self._now()
        if is_cooling(state, now):
            if last_resort is not None:
                return last_resort.text
            raise TransientError(
                "The sign-in could not be refreshed a moment ago. Try again in half a minute.",
                retry_after=_seconds_until(state.refresh_not_before, now),
            )
        lease = self._leases.take(self._instance_id)
        return None if lease is None else self._refresh(lease, refused)

    def _refresh(self, lease: Lease, refused: str) -> str | None:
        """Return the new token; None where what was read before the lease is not true any more."""
        try:
            server = self._keeper.servers.get(self._provider, sleep=self._sleep)
            tokens = self._load(lease.secret_ref)
        except Exception:
            self._leases.end_unused(lease)
            raise
        if (token := self._usable(tokens, refused)) is not None:  # another brought it meanwhile
            self._known = tokens
            self._leases.end(lease, is_stored=True, ends_at=self._ends_at())
            return token.text
        asked_at = self._now()
        try:
            grant = server.refresh(tokens.refresh_token, resource=self._resource)
        except GrantRefusedError as error:
            self._settle_refusal(lease, tokens, error)
            return None
        except Exception as error:
            is_answered = not isinstance(error, TransientError)
            after = error.retry_after if isinstance(error, TransientError) else None
            self._leases.end_failed(lease, is_answered=is_answered, retry_after=after)
            token = self._usable(tokens, refused, is_last_resort=True)
            if token is None:
                raise
            _log.warning("The old access token serves for a while: %s", error)
            self._known = tokens
            return token.text
        fresh = tokens.with_grant(grant, resource=self._resource, asked_at=asked_at)
        return self._settle(lease, tokens, fresh)

    def _settle(self, lease: Lease, used: TokenSet, fresh: TokenSet) -> str | None:
        """Keep what a refresh brought, before anybody uses it."""
        must_store = fresh.refresh_token != used.refresh_token
        if must_store and not self._store(lease, used, fresh):
            return None
        if not self._leases.end(lease, is_stored=must_store, ends_at=self._ends_at()):
            if not self._store(lease, used, fresh):
                return None
            self._leases.end(lease, is_stored=True, ends_at=self._ends_at())
        self._known = fresh
        return fresh.access[self._resource].text

    def _store(self, lease: Lease, used: TokenSet, fresh: TokenSet) -> bool:
        """Put the new tokens into the vault; False where they must not count any more.

        They do not where the person connected anew or disconnected meanwhile, or where the answer
        came so late that another refresh has begun and stored its own. Nothing else may come in
        between: neither SQL that is away nor a job that is over keeps the tokens from the vault.
        """
        if self._now() >= lease.expires_at:
            current = self._load(lease.secret_ref)
            if current.refresh_token != used.refresh_token:
                return False
        for pause in _STORE_PAUSES:
            try:
                self._keeper.vault.put(lease.secret_ref, fresh.to_secret())
            except ConflictError:  # a name that is gone for good
                return False
            except TransientError:
                if pause is None:
                    self._leases.end_failed(lease, is_answered=False, retry_after=None)
                    raise
                self._keeper.pause(pause)
            else:
                return True
        raise AssertionError

    def _settle_refusal(self, lease: Lease, used: TokenSet, error: AuthError) -> None:
        """Note that only a person can help, unless the vault has a newer refresh token by now."""
        if self._load(lease.secret_ref).refresh_token != used.refresh_token:
            self._leases.end(lease, is_stored=True, ends_at=self._ends_at())
            return
        problem = f"{error} Connect the instance again."
        if lease.is_doubtful:
            problem += (
                " The answer to an earlier refresh never arrived, so the provider may have replaced"
                " the token it refuses now."
            )
        self._leases.end_refused(lease, problem)
        raise AuthError(problem) from None

    def _load(self, secret_ref: str) -> TokenSet:
        if not secret_ref:
            raise AuthError("The instance is not connected any more. Connect it again.")
        try:
            return TokenSet.from_secret(self._keeper.vault.get(secret_ref))
        except NotFoundError:
            raise AuthError("The stored sign-in is gone. Connect the instance again.") from None

    def _usable(
        self, tokens: TokenSet, refused: str, *, is_last_resort: bool = False
    ) -> AccessToken | None:
        token = tokens.access.get(self._resource)
        if token is None or token.text == refused:
            return None
        now = self._now()
        is_good = token.is_alive(now) if is_last_resort else token.is_fresh(now)
        return token if is_good else None

    def _ends_at(self) -> datetime | None:
        spec = self._keeper.servers.definition(self._provider).oauth
        life = spec.idle_life if spec is not None else None
        return None if life is None else self._now() + life


def _seconds_until(moment: datetime | None, now: datetime) -> float:
    return 0.0 if moment is None else max((moment - now).total_seconds(), 0.0)


def _pauses() -> Iterator[float]:
    """Yield growing waits, each varied by a quarter so that waiting callers spread."""
    pause = _FIRST_PAUSE
    while True:
        yield pause * (0.75 + random.random() / 2)  # noqa: S311  no secret
        pause = min(pause * 1.6, _LONGEST_PAUSE)
