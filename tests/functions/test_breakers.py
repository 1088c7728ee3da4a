"""Circuit breakers: seen and reset by admins."""

from __future__ import annotations

from datetime import timedelta

from shared.domain.breakers import CircuitState
from tests.factories import NOW
from tests.functions.kit import HttpWorld
from tests.functions.records_kit import add_breaker

OPEN = {
    "account": "4711",
    "failures": 4,
    "openings": 2,
    "opened_at": NOW,
    "retry_at": NOW + timedelta(minutes=2),
    "last_error": "Fake answered 503.",
}


def test_admins_see_what_is_left_alone_and_why(world: HttpWorld) -> None:
    """A breaker names provider, account, since when, until when and the last error."""
    breaker_id = add_breaker(world.app, **OPEN)
    answer = world.admin.get("admin/breakers")
    assert answer.status == 200
    [item] = answer.json["items"]
    assert {name: item[name] for name in ("id", "provider", "account", "state", "failures")} == {
        "id": breaker_id,
        "provider": "fake",
        "account": "4711",
        "state": "open",
        "failures": 4,
    }
    assert item["lastError"] == "Fake answered 503."
    assert item["openedAt"] < item["retryAt"]
    assert "probeId" not in item


def test_the_list_is_narrowed_by_state_and_provider(world: HttpWorld) -> None:
    """As every list; a state that does not exist is told."""
    add_breaker(world.app)
    closed = add_breaker(world.app, state=CircuitState.CLOSED)
    items = world.admin.get("admin/breakers", status="closed", provider="fake").json["items"]
    assert [item["id"] for item in items] == [closed]
    assert world.admin.get("admin/breakers", provider="hubspot").json["items"] == []
    world.admin.get("admin/breakers", status="broken").problem(400, "invalid-input")


def test_budgets_are_no_breakers(world: HttpWorld) -> None:
    """The same table's budgets of requests are not listed."""
    budgets = world.app.provider_health.budgets(
        world.app.connector.find_provider("fake").spec,
        "4711",
        sleep=lambda _: None,
        interactive=False,
    )
    budgets("search", requests=5, seconds=1).wait()
    assert world.admin.get("admin/breakers").json["items"] == []


def test_a_reset_closes_it(world: HttpWorld) -> None:
    """Syncs go through again; doing it twice is no fault."""
    path = f"admin/breakers/{add_breaker(world.app, **OPEN)}/reset"
    for _ in range(2):
        answer = world.admin.post(path)
        assert answer.status == 200
        assert (answer.json["state"], answer.json["failures"]) == ("closed", 0)
        assert (answer.json["openedAt"], answer.json["retryAt"]) == (None, None)
    assert world.admin.get("admin/breakers").json["items"] == [answer.json]
