"""Who may refresh an instance's tokens: one at a time, over all processes, by a lease in SQL.

Every change locks the instance's row of `instance_state`, so of two that find the lease free, one
gets it. A holder that dies loses it by time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from shared.domain.ids import new_id
from shared.domain.instances import InstanceState, SetupStep, StatusReason
from shared.errors import NotFoundError
from shared.services.deps import Now, OpenUow
from shared.services.notifications import mark_broken

LEASE: Final = timedelta(seconds=60)
"""Longer than a token request and the writing of its answer can take."""

COOLDOWN: Final = timedelta(seconds=30)
LONGEST_COOLDOWN: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to refresh, until `expires_at`.

    `is_doubtful`: an earlier refresh was begun whose answer nobody saw, so the stored refresh
    token may have been replaced already. `secret_ref`: where the tokens are kept.
    """

    id: str
    instance_id: str
    secret_ref: str
    expires_at: datetime
    is_doubtful: bool


class RefreshLeases:
    """Takes and ends leases; each call is a unit of work of its own."""

    def __init__(self, *, open_uow: OpenUow, now: Now, length: timedelta = LEASE) -> None:
        self._open_uow = open_uow
        self._now = now
        self._length = length

    def look(self, instance_id: str) -> InstanceState:
        """Return what is known of the instance; nothing is locked."""
        with self._open_uow(read_only=True) as uow:
            return uow.instances.get_state(instance_id)

    def take(self, instance_id: str) -> Lease | None:
        """Return the lease, None where somebody has it or a refresh may not begin now."""
        now = self._now()
        with self._open_uow() as uow:
            state = uow.instances.get_state(instance_id)
            if is_held(state, now) or is_cooling(state, now) or state.refresh_problem:
                return None
            lease = Lease(
                id=new_id(),
                instance_id=instance_id,
                secret_ref=state.secret_ref,
                expires_at=now + self._length,
                is_doubtful=state.refresh_sent_at is not None,
            )
            uow.instances.save_state(
                replace(
                    state,
                    refresh_lease_id=lease.id,
                    refresh_lease_expires_at=lease.expires_at,
                    refresh_sent_at=state.refresh_sent_at or now,
                    refresh_awaited_at=None,
                ),
                now=now,
            )
            uow.commit()
        return lease

    def ask(self, instance_id: str) -> None:
        """Let the holder know that somebody waits for what it brings."""
        now = self._now()
        with self._open_uow() as uow:
            state = uow.instances.get_state(instance_id)
            if is_held(state, now) and state.refresh_awaited_at is None:
                uow.instances.save_state(replace(state, refresh_awaited_at=now), now=now)
                uow.commit()

    def end(self, lease: Lease, *, is_stored: bool, ends_at: datetime | None) -> bool:
        """End the lease of a refresh whose answer is in hand; the sign-in lasts until `ends_at`.

        Return False, the lease still held, where somebody waits and the token is not stored yet.
        """
        now = self._now()
        with self._open_uow() as uow:
            state = uow.instances.get_state(lease.instance_id)
            if state.refresh_lease_id != lease.id:
                return True
            if state.refresh_awaited_at is not None and not is_stored:
                return False
            ended = replace(
                _freed(state),
                refresh_sent_at=None,
                refresh_not_before=None,
                token_expires_at=ends_at,
            )
            uow.instances.save_state(ended, now=now)
            uow.commit()
        return True

    def end_unused(self, lease: Lease) -> None:
        """End the lease of a refresh that was not sent."""
        self._end(lease, is_answered=True)

    def end_failed(self, lease: Lease, *, is_answered: bool, retry_after: float | None) -> float:
        """End the lease of a refresh that failed; return the seconds before the next may begin.

        `is_answered` False: the server may have replaced the refresh token all the same.
        """
        wished = timedelta(seconds=retry_after or 0)
        wait = min(max(wished, COOLDOWN), LONGEST_COOLDOWN)
        self._end(lease, is_answered=is_answered, not_before=self._now() + wait)
        return wait.total_seconds()

    def end_refused(self, lease: Lease, problem: str) -> None:
        """End the lease of a refresh that was refused for good: a person must reconnect."""
        now = self._now()
        with self._open_uow() as uow:
            state = uow.instances.get_state(lease.instance_id)
            if state.refresh_lease_id != lease.id:
                return
            ended = replace(
                _freed(state),
                refresh_sent_at=None,
                refresh_problem=problem,
                token_expires_at=None,
                last_error=problem,
            )
            uow.instances.save_state(ended, now=now)
            try:
                instance = uow.instances.get(lease.instance_id, profile_id=None)
            except NotFoundError:
                pass
            else:
                if instance.setup_step is SetupStep.COMPLETED:
                    reason = StatusReason.NEEDS_RECONNECT
                    mark_broken(uow, instance.id, reason, detail=problem, now=now)
            uow.commit()

    def _end(self, lease: Lease, *, is_answered: bool, not_before: datetime | None = None) -> None:
        with self._open_uow() as uow:
            state = uow.instances.get_state(lease.instance_id)
            if state.refresh_lease_id != lease.id:
                return
            is_settled = is_answered and not lease.is_doubtful
            ended = replace(
                _freed(state),
                refresh_sent_at=None if is_settled else state.refresh_sent_at,
                refresh_not_before=not_before or state.refresh_not_before,
            )
            uow.instances.save_state(ended, now=self._now())
            uow.commit()


def is_held(state: InstanceState, now: datetime) -> bool:
    """Return whether somebody refreshes the tokens now."""
    until = state.refresh_lease_expires_at
    return bool(state.refresh_lease_id) and until is not None and until > now


def is_cooling(state: InstanceState, now: datetime) -> bool:
    """Return whether a refresh failed so shortly ago that none may begin."""
    return state.refresh_not_before is not None and state.refresh_not_before > now


def _freed(state: InstanceState) -> InstanceState:
    return replace(
        state, refresh_lease_id="", refresh_lease_expires_at=None, refresh_awaited_at=None
    )
