"""What the platform, never a customer, decides about a provider: declared here, set by environment.

The rule of names: `PROVIDER_<SLUG>_<OPTION>` for a provider's own, `SIGN_IN_<CLIENT>_<OPTION>` for
an authorization server that providers share, in capitals and with `_` for `-`. A new provider
declares its options; nothing else has to know of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

PROVIDER_PREFIX: Final = "PROVIDER_"
SIGN_IN_PREFIX: Final = "SIGN_IN_"
PREFIXES: Final = (PROVIDER_PREFIX, SIGN_IN_PREFIX)
"""Whatever begins so in the environment must be a name of the rule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformOption:
    """One such option; `default` is what production needs.

    `is_url`: the value must pass the egress guard.
    """

    name: str
    default: str = ""
    is_url: bool = False


def provider_variable(slug: str, option: str) -> str:
    """Return the environment variable of a provider's option: `PROVIDER_ACME_BASE_URL`."""
    return f"{PROVIDER_PREFIX}{_capitals(slug)}_{_capitals(option)}"


def sign_in_variable(client: str, option: str) -> str:
    """Return the environment variable of a sign-in's option: `SIGN_IN_ENTRA_CLIENT_ID`."""
    return f"{SIGN_IN_PREFIX}{_capitals(client)}_{_capitals(option)}"


def _capitals(name: str) -> str:
    return name.replace("-", "_").upper()
