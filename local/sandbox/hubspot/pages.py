"""List pages, rendered once and reused until something on them changes."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Collection, Hashable
from dataclasses import dataclass

KEPT_BYTES = 96 * 1024 * 1024


_MOST_WORDINGS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """What one list asks for, however it was worded.

    `others` are associated types, `histories` the properties whose histories are shown.
    """

    address: str
    limit: int
    archived: bool
    names: tuple[str, ...]
    others: tuple[str, ...]
    histories: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Page:
    low: int
    high: float
    body: bytes


class Pages:
    """Rendered pages of one object type, together at most `most_bytes`.

    Each shows the records with ids in (low, high]; the last page of a list has no high end, so
    that a new record voids it.
    """

    def __init__(self, most_bytes: int = KEPT_BYTES) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._kept: dict[Form, dict[int, _Page]] = {}
        self.forms: dict[Hashable, Form] = {}
        """What requests meant that were worded in a way."""

    def remember(self, wording: Hashable, form: Form) -> None:
        """Note what a wording means, until the properties change."""
        if len(self.forms) >= _MOST_WORDINGS:
            self.forms.clear()
        self.forms[wording] = form

    def get(self, form: Form, place: int) -> bytes | None:
        """Return the page at `place` of the list asked for in the way `form`, None if not kept."""
        page = self._kept.get(form, {}).get(place)
        return page.body if page else None

    def keep(
        self, form: Form, place: int, body: bytes, *, low: int, high: float = math.inf
    ) -> None:
        """Keep a page. Where there is no room, lists in other forms go; this one never does."""
        if self._bytes + len(body) > self._most_bytes:
            own = self._kept.get(form, {})
            self._kept = {form: own} if own else {}
            self._bytes = sum(len(page.body) for page in own.values())
            if self._bytes + len(body) > self._most_bytes:
                return
        self._kept.setdefault(form, {})[place] = _Page(low, high, body)
        self._bytes += len(body)

    def forget(self, ids: Collection[int]) -> None:
        """Void every page that shows one of the records, or should from now on."""
        ordered = sorted(ids)
        for pages in self._kept.values():
            void = [
                place
                for place, page in pages.items()
                if bisect_right(ordered, page.low) < bisect_right(ordered, page.high)
            ]
            for place in void:
                self._bytes -= len(pages.pop(place).body)

    def clear(self) -> None:
        """Void them all, and what wordings meant."""
        self._kept.clear()
        self.forms.clear()
        self._bytes = 0
