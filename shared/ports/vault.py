"""Where credentials live, and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class Vault(Protocol):
    """Secrets by name (letters, digits and dashes, at most 127 characters).

    A value is a small JSON object of strings, at most 25,000 bytes. Raises NotFoundError for a
    name without a secret, TransientError when the vault cannot answer, InvalidInputError for a
    bad name or size.
    """

    def get(self, name: str) -> Mapping[str, str]:
        """Return the newest version."""

    def put(self, name: str, value: Mapping[str, str]) -> None:
        """Store a new version, durable when this returns."""

    def delete(self, name: str) -> None:
        """Remove the secret; its name is never used again. A name without a secret is fine."""

    def ping(self) -> None:
        """Return if the vault answers; raise TransientError if not."""
