"""A look at what LinkHub holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol


class StoredRecord(Protocol):
    """A record as LinkHub has it; `fields` leaves out what is empty."""

    @property
    def external_key(self) -> str:
        """What its source knows it by."""

    @property
    def fields(self) -> Mapping[str, Any]:
        """Its values as they go over the wire."""


class LinkHubReader(Protocol):
    """Reads one profile's records; raises TransientError or PermanentError for a failed call."""

    def get(
        self, entity: str, *, source: str, external_keys: Sequence[str]
    ) -> Iterable[StoredRecord]:
        """Return the records of these external keys; those LinkHub lacks are left out."""

    def close(self) -> None:
        """Release sockets."""
