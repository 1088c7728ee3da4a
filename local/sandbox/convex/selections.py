"""Which tables and fields a data sync asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from local.sandbox.convex.store import Tablet

_INCLUDED, _EXCLUDED = "included", "excluded"


@dataclass(frozen=True, slots=True)
class Fields:
    """The wanted fields of one table."""

    others: bool
    listed: dict[str, bool]

    @property
    def is_all(self) -> bool:
        """Whether nothing is left out."""
        return self.others and all(self.listed.values())

    def keep(self, document: dict[str, Any]) -> dict[str, Any]:
        """Return the wanted part of a document, which always has its id."""
        return {
            name: value
            for name, value in document.items()
            if name == "_id" or self.listed.get(name, self.others)
        }


ALL = Fields(others=True, listed={})


class Selection:
    """A selection as it was sent; None takes all. Raise ValueError for one that is malformed."""

    def __init__(self, sent: Any) -> None:
        self._components, self._other_components = _level(sent, "the selection")
        self._tables: dict[str, tuple[dict[str, Any], bool]] = {}
        for component, tables in self._components.items():
            if tables != _EXCLUDED:
                self._tables[component] = _level(tables, f"component {component!r}")
        self._fields = {
            (component, name): _fields(name, value)
            for component, (tables, _) in self._tables.items()
            for name, value in tables.items()
            if value != _EXCLUDED
        }

    def fields(self, tablet: Tablet) -> Fields | None:
        """Return the wanted fields of a table, None where it is not wanted at all."""
        if tablet.name.startswith("_"):
            return None
        if tablet.component not in self._components:
            return ALL if self._other_components else None
        if tablet.component not in self._tables:
            return None
        tables, others = self._tables[tablet.component]
        if tablet.name in tables:
            return self._fields.get((tablet.component, tablet.name))
        return ALL if others else None


def _level(sent: Any, what: str) -> tuple[dict[str, Any], bool]:
    """Return what a level lists, and whether it takes the others."""
    if sent is None:
        return {}, True
    if not isinstance(sent, dict) or sent.get("_other") not in {_INCLUDED, _EXCLUDED}:
        raise ValueError(f"{what} needs an `_other` that is `included` or `excluded`")
    return {key: value for key, value in sent.items() if key != "_other"}, (
        sent["_other"] == _INCLUDED
    )


def _fields(name: str, sent: Any) -> Fields:
    listed, others = _level(sent, f"table {name!r}")
    if not set(listed.values()) <= {_INCLUDED, _EXCLUDED}:
        raise ValueError(f"table {name!r} has a field that is neither included nor excluded")
    if listed.get("_id") == _EXCLUDED:
        raise ValueError(f"table {name!r} excludes `_id`, which cannot be")
    return Fields(others=others, listed={key: value == _INCLUDED for key, value in listed.items()})
