"""Which resources there are, what can be asked of each, and how a scope names its resource.

Source: "Scopes and permissions in the Microsoft identity platform". A scope without a resource is
one of Microsoft Graph; `<resource>/.default` stands for all that was consented to there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

GRAPH = "https://graph.microsoft.com"
POWER_BI = "https://analysis.windows.net/powerbi/api"

OIDC = {
    "openid": "Sign you in",
    "profile": "Read your basic profile",
    "email": "Read your e-mail address",
    "offline_access": "Keep access to what you allowed",
}
RESOURCES = {
    GRAPH: {
        "User.Read": "Microsoft Graph: sign you in and read your profile",
        "Tasks.Read": "Microsoft Graph: read your tasks and plans",
        "Tasks.ReadWrite": "Microsoft Graph: read and change your tasks and plans",
        "Group.Read.All": "Microsoft Graph: read all groups",
        "Group.ReadWrite.All": "Microsoft Graph: read and change all groups",
    },
    POWER_BI: {
        "Dataset.Read.All": "Power BI: read all datasets",
        "Dataset.ReadWrite.All": "Power BI: read and change all datasets",
        "Workspace.Read.All": "Power BI: see all workspaces",
    },
}
ADMIN_ONLY = frozenset({f"{GRAPH}/Group.Read.All", f"{GRAPH}/Group.ReadWrite.All"})
DEFAULT = ".default"


class UnknownScopeError(Exception):
    """A scope that is none of a known resource; the message is the scope."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scopes:
    """What a `scope` parameter says: OIDC names, and each resource's full names in their order."""

    oidc: tuple[str, ...]
    by_resource: dict[str, tuple[str, ...]]

    @property
    def names(self) -> tuple[str, ...]:
        """Every scope by its full name; `.default` ones stand for all of their resource."""
        named = [name for names in self.by_resource.values() for name in names]
        expanded = (
            every
            for name in named
            for every in (_all_of(name) if name.endswith(f"/{DEFAULT}") else [name])
        )
        return (*self.oidc, *dict.fromkeys(expanded))


def read_scopes(names: Iterable[str]) -> Scopes:
    """Return the scopes sorted by resource; raise UnknownScopeError at the first unknown one."""
    oidc: list[str] = []
    found: dict[str, list[str]] = {}
    for name in dict.fromkeys(names):
        if name in OIDC:
            oidc.append(name)
            continue
        resource, _, short = name.rpartition("/")
        resource = resource.rstrip("/") or GRAPH
        if short != DEFAULT and short not in RESOURCES.get(resource, ()):
            raise UnknownScopeError(name)
        if resource not in RESOURCES:
            raise UnknownScopeError(name)
        found.setdefault(resource, []).append(f"{resource}/{short}")
    return Scopes(oidc=tuple(oidc), by_resource={r: tuple(names) for r, names in found.items()})


def describe(name: str) -> str:
    """Return what the consent page says about a full scope name."""
    resource, _, short = name.rpartition("/")
    return OIDC.get(name) or RESOURCES[resource][short]


def _all_of(default: str) -> list[str]:
    resource = default.removesuffix(f"/{DEFAULT}")
    return [f"{resource}/{short}" for short in RESOURCES[resource]]
