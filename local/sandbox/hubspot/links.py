"""Associations: which records of one object type belong to which of another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from local.sandbox.hubspot.account import Account
from local.sandbox.hubspot.histories import COMPUTED
from local.sandbox.hubspot.kinds import COMPANIES, CONTACTS, DEALS, Kind
from local.sandbox.hubspot.kinds.base import END_MS, odds
from local.sandbox.hubspot.records import Record

_SEED = 20261123
_COUNTED = "num_associated_contacts"


@dataclass(frozen=True, slots=True, kw_only=True)
class Types:
    """HubSpot's own types of one direction; `primary` 0 where there is none."""

    default: int
    primary: int = 0


TYPES: Mapping[tuple[str, str], Types] = {
    (DEALS.name, CONTACTS.name): Types(default=3),
    (CONTACTS.name, DEALS.name): Types(default=4),
    (DEALS.name, COMPANIES.name): Types(default=341, primary=5),
    (COMPANIES.name, DEALS.name): Types(default=342, primary=6),
    (CONTACTS.name, COMPANIES.name): Types(default=279, primary=1),
    (COMPANIES.name, CONTACTS.name): Types(default=280, primary=2),
}
"""developers.hubspot.com/docs/api-reference/crm-associations-v4/guide, association type ids."""

_Side = dict[int, list[int]]
Pair = tuple[int, int, bool]
"""The two ids, and whether the second is the first's primary company (or the other way round)."""


class Links:
    """All associations, in both directions; those of two types are made when first asked for.

    The first company of a deal or of a contact is its primary one. Archived records keep their
    associations and do not show in them.
    """

    def __init__(self, account: Account) -> None:
        self._account = account
        self._sides: dict[tuple[str, str], _Side] = {}

    def of(self, kind: Kind, record_id: int, other: Kind) -> list[int]:
        """Return the live records of type `other` a record belongs to, the first one first."""
        book = self._account.book(other)
        found = self._side(kind, other).get(record_id, ())
        return [each for each in found if book.find(str(each)) is not None]

    def is_primary(self, kind: Kind, record_id: int, other: Kind, other_id: int) -> bool:
        """Return whether the two are each other's company and first one."""
        if other is COMPANIES:
            return self.of(kind, record_id, other)[:1] == [other_id]
        return kind is COMPANIES and self.of(other, other_id, kind)[:1] == [record_id]

    def specs(self, kind: Kind, record_id: int, other: Kind, other_id: int) -> list[dict[str, Any]]:
        """Return the types of one association as API v4 tells them, the primary one first."""
        types = TYPES[kind.name, other.name]
        found: list[dict[str, Any]] = []
        if types.primary and self.is_primary(kind, record_id, other, other_id):
            found.append({"typeId": types.primary, "label": "Primary"})
        found.append({"typeId": types.default, "label": None})
        return [{"category": "HUBSPOT_DEFINED", **spec} for spec in found]

    def add(self, kind: Kind, other: Kind, pairs: Sequence[Pair]) -> None:
        """Associate pairs of live records, in both directions; the same again changes nothing."""
        for record_id, other_id, primary in pairs:
            for a, a_id, b, b_id in (
                (kind, record_id, other, other_id),
                (other, other_id, kind, record_id),
            ):
                side = self._side(a, b).setdefault(a_id, [])
                is_first = primary and b is COMPANIES
                if is_first and b_id in side:
                    side.remove(b_id)
                if b_id not in side:
                    side.insert(0 if is_first else len(side), b_id)
        self._settle(kind, other, pairs)

    def remove(self, kind: Kind, other: Kind, pairs: Sequence[tuple[int, int]]) -> None:
        """End associations in both directions, with all their types."""
        gone = []
        for record_id, other_id in pairs:
            if other_id in self._side(kind, other).get(record_id, ()):
                self._side(kind, other)[record_id].remove(other_id)
                self._side(other, kind)[other_id].remove(record_id)
                gone.append((record_id, other_id, False))
        self._settle(kind, other, gone)

    def _settle(self, kind: Kind, other: Kind, pairs: Sequence[Pair]) -> None:
        """Count the deals' contacts anew, which changes the deals; void the pages of both."""
        for a, b, ids in (
            (kind, other, {pair[0] for pair in pairs}),
            (other, kind, {pair[1] for pair in pairs}),
        ):
            book = self._account.book(a)
            at_ms = book.now_ms()
            for record in (book.find(str(each)) for each in ids):
                if record and (a, b) == (DEALS, CONTACTS):
                    count = str(len(self.of(a, record.id, b)))
                    if record.properties.get(_COUNTED) != count:
                        book.update(record, {_COUNTED: count}, at_ms=at_ms, source=COMPUTED)
            book.settle(ids)

    def _side(self, kind: Kind, other: Kind) -> _Side:
        if (kind.name, other.name) not in self._sides:
            first, second = sorted(
                (kind, other), key=[DEALS, CONTACTS, COMPANIES].index
            )  # the one that belongs to the other
            self._make(first, second)
        return self._sides[kind.name, other.name]

    def _make(self, kind: Kind, other: Kind) -> None:
        """Make the associations the account is born with: the same ones every time."""
        rng = Random(_SEED)
        there: _Side = {}
        back: _Side = {}
        others = [record.id for record in self._born(other)]
        for record in self._born(kind):
            if (kind, other) == (DEALS, CONTACTS):
                count = min(int(record.properties.get(_COUNTED, "0")), len(others))
            else:
                count = int(odds(rng, 0.9)) + int(odds(rng, 0.05))
            start = rng.randrange(len(others))
            chosen = [others[(start + step) % len(others)] for step in range(count)]
            if chosen:
                there[record.id] = chosen
            for each in chosen:
                back.setdefault(each, []).append(record.id)
        self._sides[kind.name, other.name] = there
        self._sides[other.name, kind.name] = back

    def _born(self, kind: Kind) -> list[Record]:
        """Return the live records the account was born with."""
        return [r for r in self._account.book(kind).all_live() if r.created_ms <= END_MS]
