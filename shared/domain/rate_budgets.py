"""A provider's request limit, shared by all who call one account: a ledger, as pure arithmetic.

The limit is a rolling one: at most so many requests in any window of so many seconds. The other
side counts a request somewhere between its sending and its answer, so each occupies the ledger
until a window after its answer, or, while nothing is known of that, until a window after the last
moment it can have arrived. Times are seconds of the epoch.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

from shared.errors import PermanentError

_USE_SECONDS: Final = 1.0
_TRAVEL_SECONDS: Final = 2.0
_SLOTS: Final = 200
"""Answers are rounded up to this part of a window: what is kept stays small."""
_SPREAD_SECONDS: Final = 1.0
"""One lease reaches this far ahead: who asks next is not kept waiting for what nobody sends yet."""
_URGENT_SHARE: Final = 25
"""Of so many requests one is left to whoever has a person waiting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RollingLimit:
    """At most `requests` in any `seconds`."""

    requests: int
    seconds: float

    def __post_init__(self) -> None:
        if self.requests < 1 or self.seconds <= 0:
            raise PermanentError("A limit is at least one request in more than no time.")

    @property
    def batch(self) -> int:
        """How many requests one lease holds at most: a tenth, or a second's worth."""
        return max(1, self.requests // 10, math.ceil(self.requests / self.seconds))

    @property
    def urgent(self) -> int:
        """How many of the requests only urgent ones may use; they may use all others too."""
        return self.requests // _URGENT_SHARE

    @property
    def use_seconds(self) -> float:
        """How long after its start a leased request may still be sent."""
        return min(_USE_SECONDS, self.seconds / 2)

    @property
    def unanswered_seconds(self) -> float:
        """How long after its start a request occupies the window if nothing is heard of it.

        It may be sent late, and is a while on its way before the other side counts it.
        """
        return self.use_seconds + min(_TRAVEL_SECONDS, self.seconds) + self.seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """The requests one holder leased and has not reported: when each may be sent, ascending."""

    holder: str
    starts: tuple[float, ...]
    granted_at: float
    urgent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """When requests may be sent, ascending; none where the first would have to `wait` too long."""

    starts: tuple[float, ...]
    wait: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """What occupies the window: answered requests as (until, urgent, how many), and open grants.

    A holder has one grant. Leasing again replaces it: what was answered is reported, the rest of it
    is free again. The grant of a holder that died ends by itself.

    No window ever holds more than the limit. Whoever leases counts all who leased before, even
    those who start later; so of the requests in a window, the one leased last has counted all
    others. Urgent ones may also go by a share that no other uses: then they count each other only.
    """

    spent: tuple[tuple[float, bool, int], ...] = ()
    grants: tuple[Grant, ...] = ()

    def lease(
        self,
        holder: str,
        limit: RollingLimit,
        *,
        wanted: int,
        answered: Sequence[float],
        now: float,
        longest: float = math.inf,
        urgent: bool = False,
    ) -> tuple[Lease, Ledger]:
        """Return what is leased and the ledger after it.

        `answered` are the times the holder's requests since its last lease were answered. At least
        one is leased, unless the first could not be sent within `longest` seconds; then nothing is.
        Whoever asks first is served first, but for the urgent.
        """
        kept = self._settled(holder, limit, answered, now, urgent)
        # Nobody holds so much that one who comes later would find nothing.
        count = min(max(1, wanted), max(1, limit.requests // (2 * (1 + len(kept.grants)))))
        room = limit.requests if urgent else limit.requests - limit.urgent
        starts = _starts(kept.occupied(limit), room, count, now)
        if urgent and limit.urgent:
            lane = kept.occupied(limit, urgent_only=True)
            starts = min(starts, _starts(lane, limit.urgent, min(count, limit.urgent), now))
        wait = starts[0] - now
        if wait > longest:
            starts = ()
        grant = Grant(holder=holder, starts=starts, granted_at=now, urgent=urgent)
        ledger = Ledger(spent=kept.spent, grants=(*kept.grants, grant))
        return Lease(starts=starts, wait=wait), ledger

    def occupied(self, limit: RollingLimit, *, urgent_only: bool = False) -> Sequence[float]:
        """Return until when each request occupies the window, ascending."""
        answered = (
            until
            for until, urgent, count in self.spent
            if urgent or not urgent_only
            for _ in range(count)
        )
        leased = (
            start + limit.unanswered_seconds
            for grant in self.grants
            if grant.urgent or not urgent_only
            for start in grant.starts
        )
        return sorted((*answered, *leased))

    def _settled(
        self,
        holder: str,
        limit: RollingLimit,
        answered: Sequence[float],
        now: float,
        urgent: bool,  # noqa: FBT001  it is private
    ) -> Ledger:
        """Return what still counts, with what the holder reports and without its grant."""
        slot = limit.seconds / _SLOTS
        latest = now + limit.seconds + slot
        # What ends beyond `latest` was written by a clock that was wrong.
        spent = Counter({(min(at, latest), kind): n for at, kind, n in self.spent if at > now})
        for at in answered:
            until = round(math.ceil((min(at, now) + limit.seconds) / slot) * slot, 6)
            if until > now:
                spent[until, urgent] += 1
        grants = (
            one
            for one in self.grants
            if one.holder != holder
            and one.granted_at <= latest
            and max((one.granted_at, *one.starts)) + limit.unanswered_seconds > now
        )
        return Ledger(
            spent=tuple(sorted((at, kind, n) for (at, kind), n in spent.items())),
            grants=tuple(grants),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the ledger as it is kept."""
        return {
            "spent": [list(one) for one in self.spent],
            "grants": [
                [one.holder, list(one.starts), one.granted_at, one.urgent] for one in self.grants
            ],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any] | None) -> Self:
        """Return the ledger that `to_json` gave; an empty one for None."""
        data = data or {}
        return cls(
            spent=tuple((until, urgent, count) for until, urgent, count in data.get("spent", ())),
            grants=tuple(
                Grant(holder=holder, starts=tuple(starts), granted_at=at, urgent=urgent)
                for holder, starts, at, urgent in data.get("grants", ())
            ),
        )


def _starts(occupied: Sequence[float], room: int, count: int, now: float) -> tuple[float, ...]:
    """Return when each of `count` further requests finds fewer than `room` others there.

    What would be later than a second after the first is left out.
    """
    starts: list[float] = []
    for taken in range(count):
        leaving = len(occupied) - room + taken  # which of the occupants must have left before
        start = now if leaving < 0 else max(now, occupied[leaving])
        if starts and start > starts[0] + _SPREAD_SECONDS:
            break
        starts.append(start)
    return tuple(starts)
