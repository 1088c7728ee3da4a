"""The codes and tokens an authorization server has given out, and what becomes of them.

Everything that comes from one consent is a *family*: revoking it ends all of it. Every decision
is taken under one lock, so of two requests with the same token one is the first.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterable
from threading import Lock
from typing import Any, Generic

from local.sandbox.oauth.settings import Settings
from local.sandbox.oauth.tokens import (
    A,
    AccessToken,
    Code,
    Family,
    RefreshToken,
    Refusal,
    RefusedError,
)


class Grants(Generic[A]):
    """The codes and tokens of one authorization server, from its start or the last `clear`."""

    def __init__(
        self,
        settings: Settings,
        *,
        new_token: Callable[[str], str],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`new_token` makes the text of a `code` or a `refresh` token."""
        self.settings = settings
        self.clock = clock
        self._new_token = new_token
        self._lock = Lock()
        self.clear()

    def clear(self) -> None:
        """Forget everything that was given out, and the counters."""
        with self._lock:
            self._codes: dict[str, Code[A]] = {}
            self._families: dict[str, Family[A]] = {}
            self._refresh: dict[str, RefreshToken[A]] = {}
            self._access: dict[str, AccessToken[A]] = {}
            self._counts: Counter[str] = Counter()
            self._refusals: Counter[str] = Counter()

    def deny(self) -> None:
        """Count a consent that was denied."""
        with self._lock:
            self._counts["denied"] += 1

    def allow(
        self,
        account: A,
        *,
        scopes: Iterable[str],
        redirect_uri: str,
        challenge: str = "",
        nonce: str = "",
    ) -> str:
        """Return the code of a consent; it can be redeemed once, soon, by who has the verifier."""
        with self._lock:
            self._counts["allowed"] += 1
            text = self._new_token("code")
            self._codes[text] = Code(
                account=account,
                scopes=tuple(scopes),
                redirect_uri=redirect_uri,
                challenge=challenge,
                nonce=nonce,
                expires_at=self.clock() + self.settings.code_seconds,
            )
            return text

    def peek(self, code: str) -> A | None:
        """Return the account a code was given for, None where there is no such code."""
        with self._lock:
            found = self._codes.get(code)
            return found.account if found else None

    def redeem(self, code: str, *, redirect_uri: str, verifier: str) -> RefreshToken[A]:
        """Return the first refresh token of a new family.

        A code that comes again ends the family it began (RFC 6749, 4.1.2). A wrong redirect URI or
        verifier leaves the code as it is: only who knows neither has sent it.
        """
        with self._lock:
            found = self._codes.get(code)
            if found is None:
                raise self._refused(Refusal.UNKNOWN_CODE)
            if found.family is not None:
                self._end(found.family, "code_reuse")
                raise self._refused(Refusal.USED_CODE)
            if self.clock() >= found.expires_at:
                raise self._refused(Refusal.EXPIRED_CODE)
            if redirect_uri != found.redirect_uri:
                raise self._refused(Refusal.OTHER_REDIRECT_URI)
            if not _proves(verifier, found.challenge):
                raise self._refused(Refusal.WRONG_VERIFIER)
            found.family = Family(
                id=secrets.token_hex(8),
                account=found.account,
                scopes=found.scopes,
                nonce=found.nonce,
                began_at=self.clock(),
            )
            self._families[found.family.id] = found.family
            self._counts["redeemed"] += 1
            return self._add_refresh(found.family)

    def refresh(self, text: str) -> RefreshToken[A]:
        """Return the refresh token to use from now on, which may be the same."""
        with self._lock:
            token = self._refresh.get(text)
            if token is None:
                raise self._refused(Refusal.UNKNOWN_REFRESH)
            now, family = self.clock(), token.family
            if family.revoked:
                raise self._refused(Refusal.REVOKED)
            if token.expires_at is not None and now >= token.expires_at:
                raise self._refused(Refusal.EXPIRED_REFRESH)
            self._check_reuse(token)
            family.refreshes += 1
            self._counts["refreshes"] += 1
            if not self.settings.rotate:
                return token
            token.replaced_at = token.replaced_at or now
            return self._add_refresh(family)

    def _is_reuse(self, token: RefreshToken[A]) -> bool:
        if token.replaced_at is None:
            return False
        return self.clock() - token.replaced_at >= self.settings.grace_seconds

    def _check_reuse(self, token: RefreshToken[A]) -> None:
        if not self._is_reuse(token):
            return
        token.family.reuses += 1
        self._counts["reuses"] += 1
        if self.settings.reuse == "accept":
            return
        if self.settings.reuse == "revoke_family":
            self._end(token.family, "reuse")
        raise self._refused(Refusal.REPLACED_REFRESH)

    def add_access(
        self, text: str, family: Family[A], *, scopes: Iterable[str], resource: str = ""
    ) -> AccessToken[A]:
        """Note an access token that was made for `family`."""
        with self._lock:
            now = self.clock()
            token = AccessToken(
                text=text,
                family=family,
                scopes=tuple(scopes),
                resource=resource,
                issued_at=now,
                expires_at=now + self.settings.access_token_seconds,
            )
            self._access[text] = token
            return token

    def find_access(self, text: str) -> AccessToken[A] | None:
        """Return the access token, expired and revoked ones too; see `is_alive`."""
        with self._lock:
            return self._access.get(text)

    def find_refresh(self, text: str) -> RefreshToken[A] | None:
        """Return the refresh token, ended ones too; see `is_alive`."""
        with self._lock:
            return self._refresh.get(text)

    def is_revoked(self, token: AccessToken[A] | RefreshToken[A]) -> bool:
        """Tell whether somebody ended the token before its time."""
        if token.family.revoked:
            return True
        return token.revoked if isinstance(token, AccessToken) else False

    def is_alive(self, token: AccessToken[A] | RefreshToken[A]) -> bool:
        """Tell whether the token works now."""
        if self.is_revoked(token):
            return False
        if token.expires_at is not None and self.clock() >= token.expires_at:
            return False
        if isinstance(token, AccessToken) or self.settings.reuse == "accept":
            return True
        return not self._is_reuse(token)

    def revoke_token(self, text: str) -> None:
        """End an access token alone, or with a refresh token all of its family (RFC 7009)."""
        with self._lock:
            if refresh := self._refresh.get(text):
                self._end(refresh.family, "token_revoked")
            elif access := self._access.get(text):
                access.revoked = True

    def revoke(self, family_id: str = "") -> int:
        """End a family, or all of them, as a person who takes the consent back; say how many."""
        with self._lock:
            chosen = self._chosen(family_id)
            for family in chosen:
                self._end(family, "consent_revoked")
            return len(chosen)

    def expire(self, kind: str, family_id: str = "") -> int:
        """End the time of the `access` or `refresh` tokens of a family or of all of them."""
        with self._lock:
            chosen = self._chosen(family_id)
            ids = {family.id for family in chosen}
            tokens: Iterable[AccessToken[A] | RefreshToken[A]] = (
                self._access.values() if kind == "access" else self._refresh.values()
            )
            now = self.clock()
            for token in tokens:
                if token.family.id in ids:
                    token.expires_at = min(now, token.expires_at or now)
            return len(chosen)

    def report(self) -> dict[str, Any]:
        """Return the counters and the families, oldest first; no token is among it."""
        with self._lock:
            counts = self._counts
            return {
                "consents": {"allowed": counts["allowed"], "denied": counts["denied"]},
                "redeemed": counts["redeemed"],
                "refreshes": counts["refreshes"],
                "reuses": counts["reuses"],
                "refusals": dict(self._refusals),
                "families": [self._describe(family) for family in self._families.values()],
            }

    def _describe(self, family: Family[A]) -> dict[str, Any]:
        refresh = [t for t in self._refresh.values() if t.family is family]
        access = [t for t in self._access.values() if t.family is family]
        return {
            "id": family.id,
            "account": family.account.id,
            "scopes": list(family.scopes),
            "refreshes": family.refreshes,
            "reuses": family.reuses,
            "revoked": family.revoked or None,
            "refreshTokens": {"given": len(refresh), "alive": sum(map(self.is_alive, refresh))},
            "accessTokens": {"given": len(access), "alive": sum(map(self.is_alive, access))},
        }

    def _chosen(self, family_id: str) -> list[Family[A]]:
        found = self._families.values()
        return [family for family in found if not family_id or family.id == family_id]

    def _add_refresh(self, family: Family[A]) -> RefreshToken[A]:
        seconds = self.settings.refresh_token_seconds
        expires_at = self.clock() + seconds if seconds else None
        token = RefreshToken(text=self._new_token("refresh"), family=family, expires_at=expires_at)
        self._refresh[token.text] = token
        return token

    def _end(self, family: Family[A], reason: str) -> None:
        family.revoked = family.revoked or reason

    def _refused(self, reason: Refusal) -> RefusedError:
        self._refusals[reason.value] += 1
        return RefusedError(reason)


def _proves(verifier: str, challenge: str) -> bool:
    """Tell whether `verifier` is the one of an S256 `challenge` (RFC 7636, 4.6)."""
    if not challenge:
        return not verifier
    digest = hashlib.sha256(verifier.encode()).digest()
    made = base64.urlsafe_b64encode(digest).rstrip(b"=")
    return secrets.compare_digest(made, challenge.encode())
