"""The types services are handed their dependencies by."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from shared.ports.provider import ProviderDefinition

if TYPE_CHECKING:
    from shared.store.unit_of_work import UnitOfWork


class OpenUow(Protocol):
    """Opens a unit of work: used as a context manager, lost unless committed."""

    def __call__(self, *, read_only: bool = False) -> AbstractContextManager[UnitOfWork]:
        """Return a new unit of work."""


Now = Callable[[], datetime]
FindProvider = Callable[[str], ProviderDefinition]
