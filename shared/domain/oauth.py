"""Signing in by OAuth 2.0: what a provider declares, what is kept of a consent, and when to renew.

The flow is the authorization code grant (RFC 6749, section 4.1) with PKCE (RFC 7636, S256).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final, Self

from shared.domain.platform_options import PlatformOption
from shared.errors import AuthError

LONGEST_MARGIN: Final = timedelta(minutes=5)
MARGIN_SHARE: Final = 0.1

STATE_FORM: Final = re.compile(r"([a-z0-9][a-z0-9-]{0,63})\.[A-Za-z0-9_-]{43}")
"""`<provider>.<32 random bytes>`: which provider a state is for can be seen without a look-up."""

CODE_FORM: Final = re.compile(r"[\x21-\x7e]{1,4096}")
"""VSCHAR without the space (RFC 6749, appendix A.11); Entra's codes are over a thousand long."""

_ACCESS = "access_token"
_REFRESH = "refresh_token"
_DETAILS = "details"
_SEPARATOR = "@"


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthSpec:
    """How a provider signs people in; what it asks for stands in `ProviderSpec.oauth_scopes`.

    The URLs are templates over the platform's options of the provider, such as `{base_url}`.
    `client` names our registration at the authorization server: providers may share one.
    `revoke_url` is '' where the server offers none. `account_of(answer)` returns the provider's
    own id of the account that consented, given the token endpoint's answer. `resources` are the
    scopes to redeem a refresh token for an access token of another resource, by a name of the
    adapter's choice. `extra` goes into the authorize URL. `idle_life`: a refresh token that is not
    used for so long dies. `platform`: options of the authorization server itself, for all providers
    of this client.
    """

    client: str
    authorize_url: str
    token_url: str
    revoke_url: str = ""
    account_of: Callable[[Mapping[str, Any]], str]
    resources: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    extra: Mapping[str, str] = field(default_factory=dict)
    idle_life: timedelta | None = None
    platform: tuple[PlatformOption, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthState:
    """A sign-in under way; `state_hash` is the SHA-256 of the state in hexadecimal digits."""

    id: str
    state_hash: str
    instance_id: str
    profile_id: str
    provider: str
    expires_at: datetime
    used_at: datetime | None = None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class TokenGrant:
    """What a token endpoint gave; '' and None where it gave none. `lifetime` is in seconds."""

    access_token: str
    refresh_token: str = ""
    lifetime: float | None = None
    account: str = ""

    def __repr__(self) -> str:
        """Return no token."""
        return f"TokenGrant(lifetime={self.lifetime}, account={self.account!r})"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class AccessToken:
    """An access token; `expires_at` is None where the provider does not say."""

    text: str
    expires_at: datetime | None = None
    lifetime: float | None = None

    def __repr__(self) -> str:
        """Return when it ends, never what it is."""
        return f"AccessToken(expires_at={self.expires_at})"

    def is_fresh(self, now: datetime) -> bool:
        """Return whether it lasts beyond the margin: five minutes, or a tenth of a short life."""
        if self.expires_at is None:
            return True
        share = timedelta(seconds=(self.lifetime or 0) * MARGIN_SHARE)
        return self.is_alive(now) and self.expires_at - now >= min(LONGEST_MARGIN, share)

    def is_alive(self, now: datetime) -> bool:
        """Return whether it can still be used for a call that begins now."""
        return self.expires_at is None or self.expires_at > now


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class TokenSet:
    """All that is kept of one consent: one refresh token and access tokens by resource.

    `provider` and `instance_id` say whose they are, for what is done when they are thrown away.
    """

    provider: str = ""
    instance_id: str = ""
    account: str = ""
    refresh_token: str = ""
    access: Mapping[str, AccessToken] = field(default_factory=dict)

    def __repr__(self) -> str:
        """Return no token."""
        return f"TokenSet({self.provider}, account={self.account!r}, access={dict(self.access)})"

    def with_grant(self, grant: TokenGrant, *, resource: str, asked_at: datetime) -> Self:
        """Return the set after a grant; `asked_at` is when the request for it was sent.

        A life counts from before the request, on our clock: neither a slow answer nor a provider
        whose clock is wrong makes a token look younger than it is. An answer without a refresh
        token leaves the old one in use (RFC 6749, section 6).
        """
        life = None if grant.lifetime is None else timedelta(seconds=grant.lifetime)
        token = AccessToken(
            text=grant.access_token,
            expires_at=None if life is None else asked_at + life,
            lifetime=grant.lifetime,
        )
        return replace(
            self,
            refresh_token=grant.refresh_token or self.refresh_token,
            access={**self.access, resource: token},
            account=self.account or grant.account,
        )

    def to_secret(self) -> dict[str, str]:
        """Return the vault's form: each token under a name of its own, the rest in `details`."""
        details = {
            "provider": self.provider,
            "instance": self.instance_id,
            "account": self.account,
            "access": {
                resource: {
                    "expires_at": token.expires_at.isoformat() if token.expires_at else None,
                    "lifetime": token.lifetime,
                }
                for resource, token in self.access.items()
            },
        }
        values = {_access_name(resource): token.text for resource, token in self.access.items()}
        if self.refresh_token:
            values[_REFRESH] = self.refresh_token
        return {**values, _DETAILS: json.dumps(details, sort_keys=True)}

    @classmethod
    def from_secret(cls, values: Mapping[str, str]) -> Self:
        """Return the set a vault kept; raise AuthError where it is none."""
        try:
            details = json.loads(values[_DETAILS])
            access = {
                resource: AccessToken(
                    text=values[_access_name(resource)],
                    expires_at=_moment(entry["expires_at"]),
                    lifetime=entry["lifetime"],
                )
                for resource, entry in details["access"].items()
            }
            owner = {
                "provider": str(details["provider"]),
                "instance_id": str(details["instance"]),
                "account": str(details["account"]),
            }
        except (KeyError, TypeError, ValueError):
            raise AuthError(
                "The stored credentials are not those of a sign-in. Connect the instance again."
            ) from None
        return cls(refresh_token=values.get(_REFRESH, ""), access=access, **owner)


def is_token_set(values: Mapping[str, str]) -> bool:
    """Return whether a secret holds what a sign-in brought, not a key that a person gave."""
    return _DETAILS in values


def provider_of_state(state: str) -> str | None:
    """Return the provider a state is for, None for what is no state of ours."""
    match = STATE_FORM.fullmatch(state)
    return match[1] if match else None


def _access_name(resource: str) -> str:
    return f"{_ACCESS}{_SEPARATOR}{resource}" if resource else _ACCESS


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
