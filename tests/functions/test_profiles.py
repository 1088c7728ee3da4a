"""The caller's profile, and how bodies are read."""

from __future__ import annotations

from typing import Any

import pytest

from tests.functions.kit import HttpWorld

NAMES = [
    "Ada Lovelace",
    "شركة النور",
    "\u202bשלום 123\u202c",  # noqa: RUF001  real Hebrew
    "東京 オフィス",
    "Zoë 👩🏽‍🚀 & Söhne",
    "e\u0301 is not \u00e9",
    "'; DROP TABLE integrator_profiles; --",
    "👩🏽‍🚀" * 28,
    "x" * 200,
]
BROKEN = [b"{", b"[1", b"\xff\xfe{}", b"nonsense", b"{'name': 'x'}", b'{"name": "\\ud800"}']
NOT_OBJECTS = [b"[]", b'"text"', b"7", b"null", b"true"]
WRONG: list[tuple[dict[str, Any], str]] = [
    ({}, "name"),
    ({"name": ""}, "name"),
    ({"name": "   "}, "name"),
    ({"name": 7}, "name"),
    ({"name": None}, "name"),
    ({"name": ["Ada"]}, "name"),
    ({"name": "x" * 201}, "name"),
    ({"name": "🚀" * 101}, "name"),
    ({"name": "x", "email": "x" * 321}, "email"),
    ({"name": "x", "locale": "english"}, "locale"),
    ({"name": "x", "timeZone": "Mars/Olympus"}, "timeZone"),
    ({"name": "x", "timeZone": ""}, "timeZone"),
    ({"name": "x", "timeZone": "../../etc/passwd"}, "timeZone"),
    ({"name": "x", "isAdmin": True}, "isAdmin"),
    ({"name": "x", "id": "mine"}, "id"),
]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_of_any_script_is_kept_as_it_is(world: HttpWorld, name: str) -> None:
    """What is stored reads back equal, character by character."""
    ada = world.caller("ada")
    assert ada.put("me", {"name": name}).json["name"] == name
    assert ada.get("me").json["name"] == name


def test_put_makes_the_profile_and_then_changes_it(world: HttpWorld) -> None:
    """The second PUT keeps the id and the moment of creation."""
    ada = world.caller("ada")
    ada.get("me").problem(404, "not-found")
    made = ada.put("me", {"name": "Ada", "email": "ada@example.com", "locale": "it"}).json
    assert (made["locale"], made["timeZone"]) == ("it", "UTC")
    world.clock.move(minutes=5)
    changed = ada.put("me", {"name": "Ada L.", "timeZone": "Europe/Rome"}).json
    assert (changed["id"], changed["createdAt"]) == (made["id"], made["createdAt"])
    assert changed["updatedAt"] > made["updatedAt"]
    assert ada.get("me").json == changed
    assert changed["name"] == "Ada L."


@pytest.mark.parametrize(("body", "where"), WRONG, ids=lambda value: str(value)[:40])
def test_a_wrong_body_is_refused_by_name(
    world: HttpWorld, body: dict[str, Any], where: str
) -> None:
    """The answer names each place that is wrong, and no profile is made."""
    ada = world.caller("ada")
    found = ada.put("me", body).problem(400, "invalid-input")
    assert [error["where"] for error in found["errors"]] == [where]
    ada.get("me").problem(404, "not-found")


def test_everything_that_is_wrong_is_named_at_once(world: HttpWorld) -> None:
    """A person need not mend a form field by field."""
    found = world.caller("ada").put("me", {"locale": 1, "more": 2}).problem(400, "invalid-input")
    assert {error["where"] for error in found["errors"]} == {"name", "locale", "more"}


@pytest.mark.parametrize("raw", BROKEN)
def test_a_body_that_is_not_json_is_refused(world: HttpWorld, raw: bytes) -> None:
    """The answer says that the JSON is at fault."""
    answer = world.caller("ada").call("PUT", "me", raw=raw)
    assert "JSON" in answer.problem(400, "invalid-input")["detail"]


@pytest.mark.parametrize("raw", NOT_OBJECTS)
def test_a_body_that_is_no_object_is_refused(world: HttpWorld, raw: bytes) -> None:
    """JSON of another kind is told what it should be."""
    answer = world.caller("ada").call("PUT", "me", raw=raw)
    assert "object" in answer.problem(400, "invalid-input")["detail"]


def test_deep_nesting_is_refused(world: HttpWorld) -> None:
    """A body made to exhaust the parser's stack is an ordinary bad body."""
    raw = b'{"name": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    world.caller("ada").call("PUT", "me", raw=raw).problem(400, "invalid-input")


def test_an_answer_does_not_grow_with_a_bad_body(world: HttpWorld) -> None:
    """Thousands of wrong keys, or a huge one, are not sent back."""
    ada = world.caller("ada")
    for body in ({f"key{number}": 1 for number in range(5000)}, {"k" * 100_000: 1}):
        answer = ada.put("me", body)
        answer.problem(400, "invalid-input")
        assert len(answer.body) < 10_000
