"""The account: its records, what describes them, how they are linked, and its rules."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import partial

from local.sandbox.hubspot.book import Book
from local.sandbox.hubspot.kinds import COMPANIES, CONTACTS, DEALS, KINDS, Kind
from local.sandbox.hubspot.pages import Pages

PORTAL_ID = 146120331
_ARCHIVED = {DEALS.name: 400, COMPANIES.name: 40, CONTACTS.name: 60}
_LEAST = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """An admin's rule: the properties `require` must have a value.

    Always, or only of records whose property `when` has one of `values`.
    """

    require: tuple[str, ...]
    when: str = ""
    values: tuple[str, ...] = ()

    def missing(
        self, values: Mapping[str, str], *, present: Mapping[str, str], is_new: bool
    ) -> list[str]:
        """Return what a write of `values` to a record that has `present` leaves empty.

        A record that broke the rule before can be changed in what the rule does not speak of.
        """
        after = {**present, **values}
        if self.when and after.get(self.when, "") not in self.values:
            return []
        if not is_new and not {self.when, *self.require} & values.keys():
            return []
        return [name for name in self.require if not after.get(name)]


class Account:
    """The books by object type. Companies and contacts are made when somebody first asks."""

    def __init__(self, *, deals: int) -> None:
        self._counts = {
            DEALS.name: deals,
            COMPANIES.name: max(_LEAST, deals // 10),
            CONTACTS.name: max(_LEAST, deals // 5),
        }
        self._books: dict[str, Book] = {}
        self.pages = {kind.name: Pages() for kind in KINDS}
        self.rules: dict[str, tuple[Rule, ...]] = {}
        self.book(DEALS)

    def book(self, kind: Kind) -> Book:
        """Return the records of an object type."""
        book = self._books.get(kind.name)
        if book is None:
            records = kind.generate(self._counts[kind.name], archived=_ARCHIVED[kind.name])
            on_change = partial(self._forget, kind)
            book = self._books[kind.name] = Book(kind, records, on_change=on_change)
        return book

    def _forget(self, kind: Kind, ids: Collection[int]) -> None:
        self.pages[kind.name].forget(ids)
