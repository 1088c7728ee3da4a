"""The account's deals in the two orders they are asked for: by id and by last change."""

from __future__ import annotations

import time
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from operator import attrgetter

from local.sandbox.hubspot.deals import Deal, recompute
from local.sandbox.hubspot.schema import ALWAYS, DEFAULT, PIPELINES, PROPERTIES, STAGES

_WRITABLE = {
    name for name, item in PROPERTIES.items() if not (item.calculated or item.read_only)
} - {"createdate"}


class DealBook:
    """Live and archived deals. `version` grows with every change, so that answers can be kept."""

    def __init__(self, deals: Iterable[Deal]) -> None:
        self._live: dict[int, Deal] = {}
        self._archived: dict[int, Deal] = {}
        for deal in deals:
            (self._live if deal.archived_ms is None else self._archived)[deal.id] = deal
        self._last_ms = max((d.modified_ms for d in self._live.values()), default=0)
        self._next_id = max((*self._live, *self._archived), default=9_000_000_000) + 1
        self.version = 0
        self._sort()

    def _sort(self) -> None:
        self.version += 1
        self._ids = {False: sorted(self._live), True: sorted(self._archived)}
        self._recent = sorted(self._live.values(), key=attrgetter("modified_ms", "id"))

    def count(self, *, archived: bool = False) -> int:
        """Return how many live (or archived) deals there are."""
        return len(self._ids[archived])

    def find(self, deal_id: str, *, archived: bool = False) -> Deal | None:
        """Return one deal, None where there is none of that id."""
        deals = self._archived if archived else self._live
        return deals.get(int(deal_id)) if deal_id.isdigit() else None

    def find_by(self, name: str, value: str) -> Deal | None:
        """Return the live deal whose unique property `name` is `value`."""
        return next((d for d in self._live.values() if d.properties.get(name) == value), None)

    def page(self, *, after: int, limit: int, archived: bool) -> tuple[list[Deal], bool]:
        """Return up to `limit` deals with ids above `after`, and whether there are more."""
        ids = self._ids[archived]
        deals = self._archived if archived else self._live
        start = bisect_right(ids, after)
        chosen = [deals[deal_id] for deal_id in ids[start : start + limit]]
        return chosen, start + limit < len(ids)

    def modified_between(self, low: float, high: float) -> list[Deal]:
        """Return the live deals last changed in [low, high] milliseconds, in that order."""
        key = attrgetter("modified_ms")
        start = bisect_left(self._recent, low, key=key)
        return self._recent[start : bisect_right(self._recent, high, key=key)]

    def all_live(self) -> list[Deal]:
        """Return every live deal in id order."""
        return [self._live[deal_id] for deal_id in self._ids[False]]

    def now_ms(self) -> int:
        """Return the time a change made now carries: never before the one of an earlier change."""
        return max(time.time_ns() // 1_000_000, self._last_ms + 1)

    def change(
        self,
        *,
        at_ms: int,
        create: Iterable[Mapping[str, str | None]] = (),
        patch: Iterable[tuple[str, Mapping[str, str | None]]] = (),
        touch: int = 0,
        archive: Iterable[str] = (),
        restore: Iterable[str] = (),
        purge: Iterable[str] = (),
    ) -> list[str]:
        """Carry out the changes, all of them at `at_ms`; return the ids of the created deals.

        `touch` gives the first so many deals a new hs_lastmodifieddate and nothing else. `purge`
        removes without a trace. Nothing is changed where KeyError (no such deal) or ValueError
        is raised.
        """
        creations = [self._checked(values, is_new=True) for values in create]
        patches = [(self._live[int(key)], self._checked(values)) for key, values in patch]
        gone = [self._live[int(key)] for key in archive]
        back = [self._archived[int(key)] for key in restore]
        purged = [int(key) for key in purge]
        created = []
        for values in creations:
            created.append(str(self._next_id))
            deal = Deal(id=self._next_id, properties={}, created_ms=at_ms, modified_ms=at_ms)
            self._live[deal.id] = deal
            patches.append((deal, {"dealtype": "newbusiness", **values}))
            self._next_id += 1
        patches += [(self._live[deal_id], {}) for deal_id in self._ids[False][:touch]]
        for deal, values in patches:
            _apply(deal, values, at_ms)
        for deal in gone:
            deal.archived_ms = at_ms
            self._archived[deal.id] = self._live.pop(deal.id)
        for deal in back:
            deal.archived_ms = None
            self._live[deal.id] = self._archived.pop(deal.id)
            _apply(deal, {}, at_ms)
        for deal_id in purged:
            self._live.pop(deal_id, None)
            self._archived.pop(deal_id, None)
        self._last_ms = max(self._last_ms, at_ms)
        self._sort()
        return created

    @staticmethod
    def _checked(values: Mapping[str, str | None], *, is_new: bool = False) -> dict[str, str]:
        filled = {name: "" if value is None else str(value) for name, value in values.items()}
        unknown = sorted(set(filled) - _WRITABLE)
        if unknown:
            raise ValueError(f"These properties do not exist or cannot be written: {unknown}.")
        if is_new:
            filled = {"pipeline": PIPELINES[0].id, "dealstage": PIPELINES[0].stages[0].id} | filled
        if filled.get("dealstage", "closedwon") not in STAGES:
            raise ValueError(f"There is no stage {filled['dealstage']!r}: {sorted(STAGES)}.")
        return filled


def _apply(deal: Deal, values: Mapping[str, str], at_ms: int) -> None:
    for name, value in values.items():
        if value:
            deal.properties[name] = value
        else:
            deal.properties.pop(name, None)
    deal.modified_ms = at_ms
    recompute(deal)


def asked_properties(names: Iterable[str]) -> tuple[str, ...]:
    """Return what an answer carries: the properties asked for that exist, and `ALWAYS`."""
    wanted = [name for name in names if name in PROPERTIES] or list(DEFAULT)
    return tuple(dict.fromkeys([*wanted, *ALWAYS]))
