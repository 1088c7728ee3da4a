"""What the wizard is told: all that is wrong is named at once, and any text is survived."""

from __future__ import annotations

from typing import Any

import pytest

from tests.functions.kit import GOOD_KEY, HttpWorld
from tests.functions.test_wizard import CONFIG, RULES

RTL = "\u202eקבוצת מכירות\u202c 👨‍👩‍👧‍👦"  # noqa: RUF001 - the letters are meant
HUGE = "x" * 1_000_000


def where(found: dict[str, Any]) -> list[str]:
    return [error["where"] for error in found["errors"]]


def test_everything_wrong_with_a_mapping_is_told_at_once(world: HttpWorld) -> None:
    """Each rule at fault is named by its place, what is missing by the whole."""
    instance_id = world.at_connection(world.ada)
    rules = [
        {**RULES[0], "externalField": "gone", "field": "budget"},
        {**RULES[0], "field": "no_such"},
        {**RULES[0], "field": "status"},
        {**RULES[0], "field": "url", "transform": {"type": "magic"}},
        {**RULES[0], "stream": "contacts"},
    ]
    answer = world.ada.put(f"instances/{instance_id}/mappings", {"mappings": rules})
    found = answer.problem(400, "invalid-input")
    assert where(found)[:4] == ["mappings.0", "mappings.1", "mappings.2", "mappings.3"]
    assert "mappings.4" in where(found)
    assert any("requires name" in error["what"] for error in found["errors"])
    assert world.ada.get(f"instances/{instance_id}").json["setupStep"] == "connection"


def test_a_field_cannot_be_filled_twice(world: HttpWorld) -> None:
    """The second rule is the one at fault."""
    instance_id = world.at_connection(world.ada)
    body = {"mappings": [*RULES, RULES[0]]}
    found = world.ada.put(f"instances/{instance_id}/mappings", body).problem(400, "invalid-input")
    assert where(found) == ["mappings.2"]


def test_no_rule_at_all_is_refused(world: HttpWorld) -> None:
    """There would be nothing to sync."""
    instance_id = world.at_connection(world.ada)
    answer = world.ada.put(f"instances/{instance_id}/mappings", {"mappings": []})
    assert where(answer.problem(400, "invalid-input")) == ["mappings"]


@pytest.mark.parametrize("text", [RTL, "\0", "a ", "' OR 1=1 --", "🚀" * 64, "x" * 128])
@pytest.mark.parametrize("key", ["stream", "externalField", "entity", "field"])
def test_names_of_any_form_are_unknown_fields(world: HttpWorld, key: str, text: str) -> None:
    """Whatever a rule calls something, it is a bad request, never an error of ours."""
    instance_id = world.at_connection(world.ada)
    body = {"mappings": [{**RULES[0], key: text}, RULES[1]]}
    answer = world.ada.put(f"instances/{instance_id}/mappings", body)
    assert where(answer.problem(400, "invalid-input"))[0].startswith("mappings")


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("mappings", {"mappings": [{**RULES[0], "stream": HUGE}]}),
        ("mappings", {"mappings": [{**RULES[0], "transform": {"type": HUGE}}]}),
        ("mappings", {"mappings": RULES * 300}),
        ("sync-config", {"frequency": HUGE}),
        ("sync-config", {"frequencyDetails": {"time": HUGE}}),
        ("connection", {"apiKey": HUGE}),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_megabyte_of_name_is_refused(world: HttpWorld, name: str, body: Any) -> None:
    """A name as large as a body may be is refused without being repeated or stored."""
    instance_id = world.at_connection(world.ada)
    before = world.ada.get(f"instances/{instance_id}").json
    answer = world.ada.put(f"instances/{instance_id}/{name}", body)
    assert answer.status in {400, 413}
    assert len(answer.body) < 5000
    assert world.ada.get(f"instances/{instance_id}").json == before


def test_a_megabyte_of_instance_name_is_refused(world: HttpWorld) -> None:
    """Nothing is made."""
    answer = world.ada.post("instances", {"provider": "fake", "name": HUGE})
    assert answer.status in {400, 413}
    assert len(answer.body) < 5000
    assert world.ada.get("instances").json["items"] == []


def test_right_to_left_and_emoji_go_the_whole_way(world: HttpWorld) -> None:
    """A name in any script is the same on every step, and in what the steps say of it."""
    made = world.ada.post("instances", {"provider": "fake", "name": RTL}).json
    path = f"instances/{made['id']}"
    world.ada.put(f"{path}/connection", {"apiKey": GOOD_KEY})
    world.ada.put(f"{path}/mappings", {"mappings": RULES})
    world.ada.put(f"{path}/sync-config", CONFIG)
    assert world.ada.post(f"{path}/activate").json["instance"]["name"] == RTL
    world.ada.post(f"{path}/pause")
    assert RTL in world.ada.post(f"{path}/jobs").problem(409, "conflict")["detail"]


def test_constants_in_any_script_are_kept(world: HttpWorld) -> None:
    """A transform's own text reads back equal."""
    instance_id = world.at_connection(world.ada)
    constant = {"type": "constant", "value": RTL}
    rules = [{**RULES[0], "transform": constant}, RULES[1]]
    answer = world.ada.put(f"instances/{instance_id}/mappings", {"mappings": rules})
    assert answer.status == 200, answer.body
    read = world.ada.get(f"instances/{instance_id}/mappings").json["mappings"]
    assert read[0]["transform"] == constant


def test_a_sync_config_answers_the_next_five_runs(world: HttpWorld) -> None:
    """In UTC, by the clocks of the zone, from now on; the profile's zone where none is named."""
    instance_id = world.at_connection(world.ada)
    world.ada.put("me", {"name": "Ada", "timeZone": "America/New_York"})
    world.ada.put(f"instances/{instance_id}/mappings", {"mappings": RULES})
    path = f"instances/{instance_id}/sync-config"
    assert world.ada.put(path, CONFIG).json["nextRuns"] == [
        f"2026-11-{day}T05:30:00Z" for day in range(22, 27)
    ]
    found = world.ada.put(path, {**CONFIG, "timeZone": None}).json
    assert found["nextRuns"][0] == "2026-11-21T11:30:00Z"
    assert found["instance"]["timeZone"] == "America/New_York"
    assert found["instance"]["frequencyDetails"] == {"time": "06:30"}
    assert world.ada.put(path, {}).json["nextRuns"] == []


@pytest.mark.parametrize(
    ("body", "places"),
    [
        ({"direction": "export"}, ["direction"]),
        ({"direction": RTL}, ["direction"]),
        ({"frequency": "yearly"}, ["frequency"]),
        ({"frequency": "daily"}, ["frequencyDetails.time"]),
        ({"frequency": "hourly", "frequencyDetails": {"minute": 61}}, ["frequencyDetails.minute"]),
        ({"timeZone": "Mars/Olympus"}, ["timeZone"]),
        ({"policies": {"deleteApprovalPercent": 101}}, ["policies.deleteApprovalPercent"]),
        ({"policies": {"onConflict": "coin"}}, ["policies.onConflict"]),
        ({"policies": {"other": 1}}, ["policies.other"]),
        (
            {"direction": "export", "frequency": "cron", "timeZone": "X"},
            ["direction", "frequencyDetails.expression", "timeZone"],
        ),
    ],
    ids=lambda value: str(value)[:50],
)
def test_what_is_wrong_with_a_sync_config_is_named(
    world: HttpWorld, body: dict[str, Any], places: list[str]
) -> None:
    """All of it at once, by its name on the wire; nothing is stored."""
    instance_id = world.at_connection(world.ada)
    world.ada.put(f"instances/{instance_id}/mappings", {"mappings": RULES})
    before = world.ada.get(f"instances/{instance_id}").json
    answer = world.ada.put(f"instances/{instance_id}/sync-config", body)
    assert where(answer.problem(400, "invalid-input")) == places
    assert world.ada.get(f"instances/{instance_id}").json == before


def test_policies_read_back_with_their_defaults(world: HttpWorld) -> None:
    """What was not said stands in the answer all the same."""
    instance_id = world.at_connection(world.ada)
    world.ada.put(f"instances/{instance_id}/mappings", {"mappings": RULES})
    body = {"policies": {"onConflict": "newest", "recordErrorLimit": 7}}
    answer = world.ada.put(f"instances/{instance_id}/sync-config", body)
    assert answer.json["instance"]["policies"] == {
        "onConflict": "newest",
        "deleteApprovalPercent": 10,
        "recordErrorLimit": 7,
    }
