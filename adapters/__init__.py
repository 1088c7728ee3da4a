"""One module (or small package) per provider, each with a `PROVIDER`; found by itself.

A module is named like its provider's slug, with `_` for `-`.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

from shared.errors import NotFoundError
from shared.ports.provider import ProviderDefinition


def known_slugs() -> Sequence[str]:
    """Return the slugs of all adapters in alphabetical order, without importing any."""
    import pkgutil  # 8 ms that a cold start has no use for

    return sorted(module.name.replace("_", "-") for module in pkgutil.iter_modules(__path__))


def find_provider(slug: str) -> ProviderDefinition:
    """Return the provider of that slug, importing only its module.

    Raise NotFoundError naming the slugs there are.
    """
    known = known_slugs()
    if slug not in known:
        raise NotFoundError(f"There is no provider {slug!r}; there are: {', '.join(known)}.")
    provider = import_module(f"{__name__}.{slug.replace('-', '_')}").PROVIDER
    if not isinstance(provider, ProviderDefinition):
        raise TypeError(f"adapters.{slug}: PROVIDER must be a ProviderDefinition.")
    return provider


def all_providers() -> Sequence[ProviderDefinition]:
    """Return every provider by slug; imports all adapters."""
    return [find_provider(slug) for slug in known_slugs()]
