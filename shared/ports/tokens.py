"""Who is calling."""

from __future__ import annotations

from typing import Protocol

from shared.domain.profiles import Caller


class TokenVerifier(Protocol):
    """Checks a caller's JWT."""

    def verify(self, token: str) -> Caller:
        """Return the caller; raise UnauthenticatedError saying what is wrong with the token."""
