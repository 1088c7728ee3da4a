"""What an authorization server gives out, and why it refuses to."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar


class Refusal(StrEnum):
    """Why a grant was refused."""

    UNKNOWN_CODE = "unknown_code"
    EXPIRED_CODE = "expired_code"
    USED_CODE = "used_code"
    OTHER_REDIRECT_URI = "other_redirect_uri"
    WRONG_VERIFIER = "wrong_verifier"
    UNKNOWN_REFRESH = "unknown_refresh"
    REPLACED_REFRESH = "replaced_refresh"
    EXPIRED_REFRESH = "expired_refresh"
    REVOKED = "revoked"


class RefusedError(Exception):
    """A code or a refresh token that gives nothing."""

    def __init__(self, reason: Refusal) -> None:
        super().__init__(reason.value)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Whom a consent can be given for; `detail` is shown beside the label."""

    id: str
    label: str
    detail: str = ""


A = TypeVar("A", bound=Account)


@dataclass(slots=True, kw_only=True)
class Family(Generic[A]):
    """All that one consent gave. `revoked` says by what it ended, '' while it has not."""

    id: str
    account: A
    scopes: tuple[str, ...]
    nonce: str
    began_at: float
    revoked: str = ""
    refreshes: int = 0
    reuses: int = 0


@dataclass(slots=True, kw_only=True)
class Code(Generic[A]):
    """An authorization code; `family` is what it was redeemed for, `expires_at` epoch seconds."""

    account: A
    scopes: tuple[str, ...]
    redirect_uri: str
    challenge: str
    nonce: str
    expires_at: float
    family: Family[A] | None = None


@dataclass(slots=True, kw_only=True)
class RefreshToken(Generic[A]):
    """A refresh token; times are epoch seconds, `expires_at` None where it never does."""

    text: str
    family: Family[A]
    expires_at: float | None
    replaced_at: float | None = None


@dataclass(slots=True, kw_only=True)
class AccessToken(Generic[A]):
    """An access token for one resource ('' where there is only one); times are epoch seconds."""

    text: str
    family: Family[A]
    scopes: tuple[str, ...]
    resource: str
    issued_at: float
    expires_at: float
    revoked: bool = False
