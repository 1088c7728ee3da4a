"""The catalogue."""

from __future__ import annotations

import pytest

from tests.functions.kit import HttpWorld


def test_the_catalogue_lists_what_a_customer_can_choose(world: HttpWorld) -> None:
    """Every public provider is there, by name, and no hidden one."""
    answer = world.ada.get("providers")
    assert answer.status == 200
    slugs = [entry["slug"] for entry in answer.json["items"]]
    assert slugs == ["depot", "fake", "ledger", "sign-in"]


def test_one_provider_reads_like_its_entry_in_the_list(world: HttpWorld) -> None:
    """Both routes tell the same of a provider, in camelCase."""
    entry = world.ada.get("providers/fake").json
    assert entry in world.ada.get("providers").json["items"]
    assert entry["apiKeyLabel"] == "API key"
    assert entry["syncDirections"] == ["import"]


def test_an_entry_tells_what_a_wizard_has_to_ask(world: HttpWorld) -> None:
    """Where records go decides its second step; options are named as the connection takes them."""
    depot = world.ada.get("providers/depot").json
    assert (depot["sink"], depot["severalInstances"]) == ("warehouse", True)
    assert depot["options"] == [
        {
            "name": "deploymentUrl",
            "label": "Deployment URL",
            "required": True,
            "isUrl": False,
            "default": "",
            "choices": [],
        },
        {
            "name": "region",
            "label": "Region",
            "required": False,
            "isUrl": False,
            "default": "eu",
            "choices": [],
        },
    ]
    assert world.ada.get("providers/fake").json["sink"] == "linkhub"


@pytest.mark.parametrize("slug", ["nobody", "hidden", "ключ", "x" * 300, "FAKE", "' OR 1=1"])
def test_any_other_slug_is_unknown(world: HttpWorld, slug: str) -> None:
    """Unknown, hidden and impossible slugs look alike."""
    world.ada.get(f"providers/{slug}").problem(404, "not-found")
