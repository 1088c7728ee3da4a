"""The day's quota: kept by what the answers tell, and waited for until it starts anew."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from adapters.hubspot.budget import AccountBudget
from shared.errors import TransientError
from tests.http_kit import Sleeps
from tests.hubspot_kit import FakeHubSpot, connect, make_deals

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


class NoBurst:
    """Lets everything through."""

    def wait(self) -> None:
        """Return at once."""

    def note(self, headers: Any) -> None:
        """Take in nothing."""


def budget(zone: str = "US/Eastern", now: datetime = NOW) -> AccountBudget:
    return AccountBudget(NoBurst(), zone_of=lambda: zone, now=lambda: now)


def daily(left: int, limit: int = 1000) -> dict[str, str]:
    return {
        "X-HubSpot-RateLimit-Daily": str(limit),
        "X-HubSpot-RateLimit-Daily-Remaining": str(left),
    }


@pytest.mark.parametrize(
    ("zone", "now", "seconds"),
    [
        ("UTC", NOW, 12 * 3600),
        ("US/Eastern", NOW, 17 * 3600),
        ("Asia/Tokyo", NOW, 3 * 3600),
        ("Europe/Rome", datetime(2026, 10, 24, 22, 30, tzinfo=UTC), 24.5 * 3600),
        ("", NOW, 3600 - 60),
        ("Not/A_Zone", NOW, 3600 - 60),
    ],
)
def test_the_quota_starts_anew_at_midnight_of_the_account(
    zone: str, now: datetime, seconds: float
) -> None:
    """A minute after it, also on the day with 25 hours; an hour on where nobody knows the zone."""
    assert budget(zone, now).until_reset() == seconds + 60


def test_the_last_hundredth_is_left_to_others() -> None:
    """Above it requests go out; at it nothing more is sent, and the wait is told."""
    spent = budget()
    spent.note(daily(left=11))
    spent.wait()
    spent.note(daily(left=10))
    with pytest.raises(TransientError, match="daily limit") as caught:
        spent.wait()
    assert caught.value.retry_after == 17 * 3600 + 60
    spent.wait()  # a later attempt asks HubSpot again, whose answer tells


@pytest.mark.parametrize("headers", [{}, {"X-HubSpot-RateLimit-Daily-Remaining": "0"}])
def test_answers_to_oauth_apps_tell_nothing_of_the_day(headers: dict[str, str]) -> None:
    """Without both numbers there is no such limit."""
    open_ended = budget()
    open_ended.note(headers)
    open_ended.wait()


def test_a_read_stops_before_it_takes_the_last_requests() -> None:
    """The job is told when to go on; a page that was read is not lost."""
    server = FakeHubSpot(*make_deals(500))
    left = iter(range(13, 0, -1))

    def counted(request: httpx.Request) -> httpx.Response:
        answer = server.handle_request(request)
        answer.headers.update(daily(next(left)))
        return answer

    sleep = Sleeps()
    connection = connect(
        httpx.MockTransport(counted), sleep=sleep, selection={"deals": ["dealname"]}
    )
    pages = connection.read("deals", None)
    assert [len(next(pages).changes) for _ in range(3)] == [100, 100, 100]
    with pytest.raises(TransientError, match="daily limit") as caught:
        next(pages)
    assert caught.value.retry_after == 17 * 3600 + 60
    assert sleep.waits == []
    assert server.requests[-1].url.path.startswith("/account-info")


def test_a_refusal_for_the_day_names_the_midnight_too() -> None:
    """A 429 with the policy DAILY waits until then, where the account may still be asked."""
    server = FakeHubSpot()

    def refused(request: httpx.Request) -> httpx.Response:
        if request.url.path.startswith("/account-info"):
            return server.handle_request(request)
        date = NOW.strftime("%a, %d %b %Y %H:%M:%S GMT")
        return httpx.Response(429, headers={"Date": date}, json={"policyName": "DAILY"})

    with pytest.raises(TransientError) as caught:
        connect(httpx.MockTransport(refused)).check()
    assert caught.value.retry_after == 17 * 3600 + 60
