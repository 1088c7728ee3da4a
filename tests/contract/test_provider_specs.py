"""What every adapter declares, checked without calling anybody."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from adapters import all_providers, known_slugs
from shared.domain.linkhub import ENTITIES
from shared.domain.providers import AuthType, SinkKind
from shared.domain.transforms import parse_transform
from shared.ports.provider import ProviderDefinition

ROOT = Path(__file__).parents[2]

each_provider = pytest.mark.parametrize(
    "provider", all_providers(), ids=lambda provider: provider.spec.slug
)


def test_slugs_are_unique_and_name_their_modules() -> None:
    """The module `power_bi` holds the provider `power-bi`, and no other has that slug."""
    slugs = [provider.spec.slug for provider in all_providers()]
    assert slugs == known_slugs()
    assert len(set(slugs)) == len(slugs)


@each_provider
def test_the_catalogue_entry_is_complete(provider: ProviderDefinition) -> None:
    """Names, texts, categories and directions are there, addresses are https."""
    spec = provider.spec
    assert re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", spec.slug)
    assert spec.name.strip()
    assert spec.description.endswith(".")
    assert spec.categories
    assert spec.directions
    assert len(set(spec.directions)) == len(spec.directions)
    for url in (spec.docs_url, spec.logo_url or "https://", spec.oauth_url or "https://"):
        assert url.startswith("https://")


@each_provider
def test_the_way_in_is_declared(provider: ProviderDefinition) -> None:
    """OAuth has its address and scopes, a key has a label a person can follow."""
    spec = provider.spec
    if spec.auth_type is AuthType.OAUTH2:
        assert spec.oauth_url
        assert spec.oauth_scopes
    else:
        assert not spec.oauth_url
    if spec.auth_type is AuthType.API_KEY:
        assert spec.api_key_label


@each_provider
def test_options_have_names_and_labels(provider: ProviderDefinition) -> None:
    """No two options share a name; none is something the platform alone decides."""
    names = [option.name for option in provider.spec.options]
    assert len(set(names)) == len(names)
    assert not {"base_url", "api_version"} & set(names)
    assert all(option.label for option in provider.spec.options)


@each_provider
def test_default_mappings_fit_linkhub(provider: ProviderDefinition) -> None:
    """Each goes to a field that exists, no field is filled twice, transforms are valid."""
    mappings = provider.default_mappings
    if provider.spec.sink is SinkKind.WAREHOUSE:
        assert not mappings
    targets = [(mapping.stream, mapping.entity, mapping.field) for mapping in mappings]
    assert len(set(targets)) == len(targets)
    for mapping in mappings:
        assert ENTITIES[mapping.entity].find_field(mapping.field)
        transform = mapping.transform or provider.default_transform(
            mapping.stream, mapping.external_field
        )
        if transform is not None:
            parse_transform(transform)
    assert not provider.validate_mapping(mappings)


@pytest.mark.parametrize("slug", known_slugs())
def test_the_catalogue_needs_no_http(slug: str) -> None:
    """Importing a provider for its spec loads no HTTP library and no part of the adapter."""
    code = f"""
import sys
from adapters import find_provider
provider = find_provider({slug!r})
heavy = {{"httpx", "pydantic", "ssl", "zipfile", "orjson"}}
print(sorted(m for m in sys.modules if m in heavy or m.startswith("adapters.")))
"""
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == f"['adapters.{slug.replace('-', '_')}']"
