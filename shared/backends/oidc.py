"""Callers' JWTs, checked against an OpenID Connect issuer."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from shared.backends.oidc_keys import Fetch, IssuerKeys, SigningKey, is_safe_url
from shared.domain.profiles import Caller
from shared.errors import PermanentError, UnauthenticatedError

_LARGEST_TOKEN: Final = 8192
_LEEWAY_SECONDS: Final = 60
_LONGEST_SUBJECT: Final = 255
"""Characters, by OpenID Connect Core section 2."""
_CURVES: Final[Mapping[str, str]] = {
    "RS256": "",
    "RS384": "",
    "RS512": "",
    "PS256": "",
    "ES256": "P-256",
    "ES384": "P-384",
}
"""The algorithms taken, all with a key pair, and the curve an elliptic one needs ('' for RSA)."""


class OidcTokenVerifier:
    """Takes tokens that `issuer` signed for `audience` and that are valid now (60 s leeway).

    A token needs `iss`, `aud`, `exp` and `sub`; who has `admin_role` in the claim `roles` (a list,
    or a text of names) is an admin. Only signatures with a key pair count: never `none`, never a
    shared secret. The issuer's keys are fetched with the first token. Safe for many threads.
    """

    def __init__(
        self,
        *,
        issuer: str,
        audience: str,
        admin_role: str,
        fetch: Fetch | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not issuer or not audience or not admin_role:
            raise PermanentError(
                "Sign-in is not set up: OIDC_ISSUER, OIDC_AUDIENCE and OIDC_ADMIN_ROLE are needed."
            )
        if not is_safe_url(issuer):
            raise PermanentError("OIDC_ISSUER must be an https:// address (http only to loopback).")
        self._issuer = issuer
        self._audience = audience
        self._admin_role = admin_role
        self._keys = IssuerKeys(issuer, fetch=fetch, clock=clock)

    def verify(self, token: str) -> Caller:
        """Return the caller; raise UnauthenticatedError saying what is wrong with the token.

        Raise TransientError when the issuer's keys are needed and it does not answer.
        """
        if not token:
            raise UnauthenticatedError("A bearer token is needed; sign in.")
        if len(token) > _LARGEST_TOKEN:
            raise UnauthenticatedError(f"The token is longer than {_LARGEST_TOKEN:,} characters.")
        algorithm, key_id = _header(token)
        key = self._keys.find(key_id)
        if key is None or not _fits(key, algorithm):
            raise UnauthenticatedError("The token is signed with a key its issuer does not list.")
        claims = self._claims(token, key, algorithm)
        return Caller(
            issuer=self._issuer,
            subject=_subject(claims),
            is_admin=self._admin_role in _names(claims.get("roles")),
            name=_text(claims, "name"),
            email=_text(claims, "email") or _text(claims, "preferred_username"),
        )

    def _claims(self, token: str, key: SigningKey, algorithm: str) -> Mapping[str, Any]:
        import jwt

        try:
            return jwt.decode(
                token,
                key=key.key,
                algorithms=[algorithm],
                audience=self._audience,
                issuer=self._issuer,
                leeway=_LEEWAY_SECONDS,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except jwt.exceptions.PyJWTError as error:
            raise UnauthenticatedError(_reason(error)) from None
        except (ValueError, TypeError, RecursionError, OverflowError):
            raise UnauthenticatedError("The token cannot be read.") from None


def _header(token: str) -> tuple[str, str]:
    """Return algorithm and key id of a token that nobody has checked yet."""
    import jwt

    try:
        header = jwt.get_unverified_header(token)
    except (jwt.exceptions.PyJWTError, ValueError, TypeError, RecursionError):
        raise UnauthenticatedError("The token is not a signed JWT.") from None
    algorithm, key_id = header.get("alg"), header.get("kid", "")
    if not isinstance(algorithm, str) or algorithm not in _CURVES:
        raise UnauthenticatedError(
            f"The token's signature is of a kind not taken here; use one of {', '.join(_CURVES)}."
        )
    return algorithm, key_id if isinstance(key_id, str) else ""


def _fits(key: SigningKey, algorithm: str) -> bool:
    """Return whether the listed key may have made a signature of this kind."""
    return key.algorithm in ("", algorithm) and key.curve == _CURVES[algorithm]


def _reason(error: Exception) -> str:
    """Return what is wrong in our own words; the library's may repeat claims."""
    import jwt

    reasons: dict[type[Exception], str] = {
        jwt.ExpiredSignatureError: "The token has expired; sign in again.",
        jwt.ImmatureSignatureError: "The token is not valid yet; check the clocks.",
        jwt.InvalidAudienceError: "The token is for another audience than this API.",
        jwt.InvalidIssuerError: "The token is from another issuer than this API's.",
        jwt.InvalidSignatureError: "The token's signature is wrong.",
    }
    if isinstance(error, jwt.MissingRequiredClaimError):
        return f"The token has no claim '{error.claim}'."
    return reasons.get(type(error), "The token cannot be read.")


def _subject(claims: Mapping[str, Any]) -> str:
    subject = claims["sub"]
    if (
        not isinstance(subject, str)
        or not 0 < len(subject) <= _LONGEST_SUBJECT
        or subject != subject.strip()
    ):
        raise UnauthenticatedError(
            f"The token's claim 'sub' must be 1 to {_LONGEST_SUBJECT} characters without spaces "
            "around them."
        )
    return subject


def _names(roles: object) -> frozenset[str]:
    """Return the roles of a list, or of one text with spaces between them."""
    listed = roles.split() if isinstance(roles, str) else roles
    if not isinstance(listed, list):
        return frozenset()
    return frozenset(role for role in listed if isinstance(role, str))


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    return value if isinstance(value, str) else ""
