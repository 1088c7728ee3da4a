"""Checks of what an adapter declares, without calling anybody."""

# ruff: noqa: D401 - the first line of a check is its promise, as a test's is
from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from shared.domain.linkhub import ENTITIES
from shared.domain.providers import AuthType, SinkKind
from shared.domain.transforms import parse_transform
from shared.services.platform import PlatformSettings, variables_of
from tests.contract.bench import Bench

ROOT = Path(__file__).parents[2]
_HEAVY = """
import sys
import {module}
heavy = {{"httpx", "pydantic", "ssl", "zipfile", "orjson"}}
parts = {{name for name in sys.modules if name.startswith("{module}.")}}
print(sorted((heavy & set(sys.modules)) | parts))
"""


def the_catalogue_entry_is_complete(bench: Bench) -> None:
    """Names, texts, categories and directions are there, addresses are https."""
    spec = bench.provider.spec
    assert re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", spec.slug)
    assert spec.slug == bench.case.slug
    assert spec.name.strip()
    assert spec.description.endswith(".")
    assert spec.categories
    assert spec.directions
    assert len(set(spec.directions)) == len(spec.directions)
    for url in (spec.docs_url, spec.logo_url or "https://", spec.oauth_url or "https://"):
        assert url.startswith("https://")


def the_way_in_is_declared(bench: Bench) -> None:
    """OAuth has its address, scopes and server, a key has a label a person can follow."""
    spec = bench.provider.spec
    if spec.auth_type is AuthType.OAUTH2:
        assert spec.oauth_url
        assert spec.oauth_scopes
        assert bench.provider.oauth is not None
    else:
        assert not spec.oauth_url
    if spec.auth_type is AuthType.API_KEY:
        assert spec.api_key_label


def options_have_names_and_labels(bench: Bench) -> None:
    """No two options share a name; none is something the platform alone decides."""
    options = bench.provider.spec.options
    names = [option.name for option in options]
    assert len(set(names)) == len(names)
    decided = {option.name for option in bench.provider.platform}
    if oauth := bench.provider.oauth:
        decided |= {option.name for option in oauth.platform}
    assert not ({"base_url", "api_version"} | decided) & set(names)
    assert all(option.label for option in options)


def platform_options_keep_to_the_rule(bench: Bench) -> None:
    """Their names make variables, each its own, and a default URL passes the egress guard."""
    options = variables_of([bench.provider])
    names = [option.name for option in bench.provider.platform]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name) for name in names)
    defaults = {
        variable: option.default
        for variable, option in options.items()
        if option.is_url or option.default.startswith("http")
    }
    assert all(url.startswith("https://") for url in defaults.values())
    PlatformSettings.read([bench.provider], defaults, allow_private_hosts=False)


def default_mappings_fit_linkhub(bench: Bench) -> None:
    """Each goes to a field that exists, no field is filled twice, transforms are valid."""
    provider = bench.provider
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


def the_catalogue_needs_no_http(bench: Bench) -> None:
    """Importing a provider for its spec loads no HTTP library and no part of the adapter."""
    module = bench.case.module or f"adapters.{bench.case.slug.replace('-', '_')}"
    result = subprocess.run(
        [sys.executable, "-c", _HEAVY.format(module=module)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.strip() == "[]"
