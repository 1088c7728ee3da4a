"""Finding adapters."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from adapters import all_providers, find_provider, known_slugs
from shared.errors import NotFoundError

ROOT = Path(__file__).parents[2]


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


def test_the_catalogue_needs_no_http() -> None:
    """Importing a provider for its spec loads neither httpx nor another adapter."""
    code = (
        "import sys; from adapters import find_provider; find_provider('hubspot');"
        "print(sorted(m for m in sys.modules if m.split('.')[0] in {'httpx', 'pydantic'}"
        " or m.startswith('adapters.') and m != 'adapters.hubspot'))"
    )
    result = subprocess.run(  # noqa: S603 - our own interpreter and code
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
