"""Finding adapters."""

from __future__ import annotations

import pytest

from adapters import all_providers, find_provider, known_slugs
from shared.errors import NotFoundError


def test_an_unknown_slug_is_told_the_known_ones() -> None:
    """The message lists what there is."""
    with pytest.raises(NotFoundError, match="hubspot"):
        find_provider("hubspott")


@pytest.mark.parametrize("slug", ["", ".", "os", "hub.spot", "../x", "hubspot.reader", "HubSpot"])
def test_nothing_but_an_adapter_can_be_imported(slug: str) -> None:
    """A slug is looked up among the adapters, never turned into an import as it stands."""
    with pytest.raises(NotFoundError):
        find_provider(slug)


def test_all_providers_are_found_by_their_slugs() -> None:
    """What is found under a slug has that slug."""
    assert [provider.spec.slug for provider in all_providers()] == known_slugs()
