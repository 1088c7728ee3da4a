"""Entra's JWTs: an access token for one resource, and who signed in."""

from __future__ import annotations

import hashlib
import uuid
from functools import cached_property
from pathlib import Path
from typing import Any

from local.sandbox.entra.scopes import OIDC
from local.sandbox.entra.tenants import User
from local.sandbox.issuer.keys import SigningKeys
from local.sandbox.oauth.tokens import Family


class Signer:
    """Signs with a key in `path`, which is made when it is first needed."""

    def __init__(self, path: Path, *, url: str, client_id: str) -> None:
        self._path = path
        self._url = url
        self._client_id = client_id

    @cached_property
    def keys(self) -> SigningKeys:
        """The signing keys."""
        return SigningKeys(self._path)

    def issuer(self, tenant: str) -> str:
        """Return the issuer of `tenant`'s tokens."""
        return f"{self._url}/{tenant}/v2.0"

    def access_token(
        self,
        family: Family[User],
        *,
        resource: str,
        scopes: tuple[str, ...],
        now: int,
        seconds: int,
    ) -> str:
        """Return the access token; whoever holds it must treat it as opaque."""
        short = [scope.rpartition("/")[2] for scope in scopes if scope != "offline_access"]
        user = family.account
        claims = self._about(user, now, seconds) | {
            "aud": resource,
            "azp": self._client_id,
            "scp": " ".join(short),
            "sub": _pairwise(user, resource),
            "jti": str(uuid.uuid4()),
        }
        return self.keys.sign(claims, {})

    def id_token(self, family: Family[User], *, now: int, seconds: int) -> str:
        """Return who signed in, for the client."""
        user = family.account
        claims = self._about(user, now, seconds) | {
            "aud": self._client_id,
            "sub": _pairwise(user, self._client_id),
        }
        if "profile" in family.scopes:
            claims |= {"name": user.name, "preferred_username": user.upn}
        if "email" in family.scopes:
            claims["email"] = user.upn
        if family.nonce:
            claims["nonce"] = family.nonce
        return self.keys.sign(claims, {})

    def discovery(self, tenant: str, *, issuer: str) -> dict[str, Any]:
        """Return the OpenID configuration of `tenant`'s address."""
        base = f"{self._url}/{tenant}"
        return {
            "issuer": issuer,
            "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
            "token_endpoint": f"{base}/oauth2/v2.0/token",
            "jwks_uri": f"{base}/discovery/v2.0/keys",
            "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "code_challenge_methods_supported": ["S256"],
            "scopes_supported": list(OIDC),
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "claims_supported": ["sub", "iss", "aud", "exp", "iat", "nonce", "tid", "oid", "name"],
        }

    def _about(self, user: User, now: int, seconds: int) -> dict[str, Any]:
        return {
            "iss": self.issuer(user.tenant),
            "tid": user.tenant,
            "oid": user.id,
            "iat": now,
            "nbf": now,
            "exp": now + seconds,
            "ver": "2.0",
        }


def _pairwise(user: User, audience: str) -> str:
    """Return a subject that differs from one audience to the next."""
    return hashlib.sha256(f"{user.id} {audience}".encode()).hexdigest()[:43]
