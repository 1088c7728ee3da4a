"""Signing in at Microsoft Entra, for every provider whose API it guards.

Graph and Power BI are separate *resources*: an access token is good for one of them, a refresh
token can be redeemed for each that was consented to (learn.microsoft.com/entra/identity-platform,
"Refresh tokens"). A refresh token is replaced at each use and dies after 90 days without one.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from shared.domain.oauth import OAuthSpec
from shared.domain.platform_options import PlatformOption

GRAPH = "https://graph.microsoft.com"
POWER_BI = "https://analysis.windows.net/powerbi/api"
AUTHORITY = "https://login.microsoftonline.com"

_SIGN_IN = ("openid", "offline_access")
_PLATFORM = (
    PlatformOption(name="authority_url", default=AUTHORITY, is_url=True),
    PlatformOption(name="tenant", default="organizations"),
)
"""`tenant`: whose people may sign in, `organizations` for any tenant's, or one tenant's id."""


def entra_scopes(*resources: Sequence[str]) -> tuple[str, ...]:
    """Return what to ask consent for, of several resources at once."""
    return (*_SIGN_IN, *dict.fromkeys(scope for scopes in resources for scope in scopes))


def entra_oauth(resources: Mapping[str, Sequence[str]]) -> OAuthSpec:
    """Return how to sign in for these scopes by resource; '' is the resource used by default.

    Scopes are whole names such as `https://graph.microsoft.com/Tasks.Read`. A token request names
    the scopes of one resource (AADSTS28000 answers any other); the consent covers all of them.
    Entra has no endpoint that revokes: a person takes consent back at myapps.microsoft.com.
    """
    return OAuthSpec(
        client="entra",
        authorize_url="{authority_url}/{tenant}/oauth2/v2.0/authorize",
        token_url="{authority_url}/{tenant}/oauth2/v2.0/token",  # noqa: S106  an address
        account_of=tenant_of,
        resources={name: (*_SIGN_IN, *scopes) for name, scopes in resources.items()},
        extra={"prompt": "select_account"},
        idle_life=timedelta(days=90),
        platform=_PLATFORM,
    )


def tenant_of(answer: Mapping[str, Any]) -> str:
    """Return the tenant id (`tid`) of the ID token, '' where there is none."""
    return _claim(answer, "tid")


def user_of(answer: Mapping[str, Any]) -> str:
    """Return the person's object id (`oid`) of the ID token, '' where there is none.

    For providers that show each person something else. Graph calls it the user's `id`.
    """
    return _claim(answer, "oid")


def _claim(answer: Mapping[str, Any], name: str) -> str:
    """Return a claim of the ID token.

    Its signature is not checked: it came from the token endpoint itself over TLS (OpenID Connect
    Core 1.0, section 3.1.3.7, item 6).
    """
    token = answer.get("id_token")
    parts = token.split(".") if isinstance(token, str) else []
    if len(parts) != 3:  # noqa: PLR2004  header, claims, signature
        return ""
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=="))
    except ValueError:
        return ""
    value = claims.get(name) if isinstance(claims, dict) else None
    return value if isinstance(value, str) else ""
