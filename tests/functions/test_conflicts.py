"""Conflicts over HTTP: listed with their record, settled once."""

from __future__ import annotations

from typing import Any

import pytest

from tests.functions.kit import HttpWorld
from tests.functions.records_kit import add_conflict


@pytest.fixture
def instance_id(world: HttpWorld) -> str:
    return world.connected(world.ada)


def test_a_conflict_shows_both_values_and_its_record(world: HttpWorld, instance_id: str) -> None:
    """A person needs the field, the record on both sides, and what each side says."""
    conflict_id = add_conflict(world.app, instance_id, base_value=None)
    [found] = world.ada.get("conflicts").json["items"]
    assert found["id"] == conflict_id
    assert (found["instanceId"], found["provider"], found["status"]) == (
        instance_id,
        "fake",
        "open",
    )
    assert (found["stream"], found["entity"], found["field"]) == ("deals", "indicators", "budget")
    assert (found["externalValue"], found["linkhubValue"], found["baseValue"]) == (
        "12.50",
        "13.00",
        None,
    )
    assert found["externalId"]
    assert found["linkhubId"].startswith("lh-")


@pytest.mark.parametrize("choice", ["external", "linkhub"])
def test_a_person_settles_it_once(world: HttpWorld, instance_id: str, choice: str) -> None:
    """The answer says what was chosen, by whom and when; there is no second choice."""
    conflict_id = add_conflict(world.app, instance_id)
    settled = world.ada.post(f"conflicts/{conflict_id}", {"choice": choice}).json
    assert settled["status"] == f"settled_{choice}"
    assert settled["settledBy"].endswith("|ada")
    assert settled["settledAt"] is not None
    world.ada.post(f"conflicts/{conflict_id}", {"choice": "external"}).problem(409, "conflict")
    assert world.ada.get("conflicts").json["items"] == [settled]


@pytest.mark.parametrize("body", [None, {"choice": "newest"}, {"choice": "external", "x": 1}])
def test_a_wrong_choice_is_refused(world: HttpWorld, instance_id: str, body: Any) -> None:
    """The conflict stays open."""
    conflict_id = add_conflict(world.app, instance_id)
    world.ada.post(f"conflicts/{conflict_id}", body).problem(400, "invalid-input")
    [found] = world.ada.get("conflicts", status="open").json["items"]
    assert found["id"] == conflict_id


def test_conflicts_are_listed_by_instance_and_status(world: HttpWorld, instance_id: str) -> None:
    """Each filter narrows the list; another profile's list is empty."""
    other = world.connected(world.ada, "depot")
    first, second = (add_conflict(world.app, one) for one in (instance_id, other))
    world.ada.post(f"conflicts/{first}", {"choice": "linkhub"})

    def listed(**params: str) -> list[str]:
        return [one["id"] for one in world.ada.get("conflicts", **params).json["items"]]

    assert set(listed()) == {first, second}
    assert listed(instanceId=other) == [second]
    assert listed(provider="fake") == [first]
    assert listed(status="settled_linkhub") == [first]
    world.ada.get("conflicts", status="lost").problem(400, "invalid-input")
    assert world.bob.get("conflicts").json["items"] == []
