"""HubSpot's two limits as its answers tell them: a rolling one for bursts, and one for the day."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from shared.domain.zones import find_zone, first_instant
from shared.errors import TransientError
from shared.http.rate import Rate

UNKNOWN_WAIT = 3600.0
"""Seconds until the day's quota is tried again where nobody knows when it starts anew."""

_SLACK = 60.0
_RESERVE_SHARE = 100
"""The last hundredth of the day's quota is left to the account's other apps."""


class AccountBudget:
    """Waits as `burst` does, and sends nothing more once the day's quota is used up.

    The quota starts anew at midnight of the account's time zone (usage guidelines of HubSpot,
    "daily limits"); `zone_of` asks HubSpot for it, and gives '' where it does not tell. Answers to
    OAuth apps carry no daily numbers: those have no such quota.
    """

    def __init__(
        self, burst: Rate, *, zone_of: Callable[[], str], now: Callable[[], datetime]
    ) -> None:
        self.burst = burst
        self._zone_of = zone_of
        self._now = now
        self._spent_at: datetime | None = None

    def wait(self) -> None:
        """Return when a request may be sent; raise TransientError with the time until the reset."""
        if self._spent_at is not None:
            self._spent_at = None
            raise TransientError(
                "HubSpot's daily limit of requests is used up but for the share that is left to "
                "other apps. The sync goes on when the limit starts anew.",
                retry_after=self.until_reset(),
                is_outage=False,
            )
        self.burst.wait()

    def note(self, headers: Mapping[str, str]) -> None:
        """Take in what is left of both limits."""
        self.burst.note(headers)
        limit, left = (
            headers.get(f"X-HubSpot-RateLimit-Daily{part}", "") for part in ("", "-Remaining")
        )
        if limit.isdecimal() and left.isdecimal() and int(left) <= int(limit) // _RESERVE_SHARE:
            self._spent_at = self._now()

    def until_reset(self) -> float:
        """Return the seconds until midnight of the account, an hour where its zone is unknown."""
        zone = find_zone(self._zone_of())
        if zone is None:
            return UNKNOWN_WAIT
        now = self._now().astimezone(zone)
        midnight = datetime.combine(now.date() + timedelta(days=1), datetime.min.time())
        return (first_instant(midnight, zone) - now.astimezone(UTC)).total_seconds() + _SLACK
