"""The object types of the account; one module each, all of one form."""

from __future__ import annotations

from local.sandbox.hubspot.kinds.base import ALWAYS, Kind
from local.sandbox.hubspot.kinds.companies import COMPANIES
from local.sandbox.hubspot.kinds.contacts import CONTACTS
from local.sandbox.hubspot.kinds.deals import DEALS

KINDS = (DEALS, COMPANIES, CONTACTS)

_BY_NAME = {name: kind for kind in KINDS for name in (kind.name, kind.singular, kind.type_id)}


def find_kind(name: str) -> Kind | None:
    """Return the object type of a name (`deals`, `deal`) or type id (`0-3`), None of no other."""
    return _BY_NAME.get(name.lower())


__all__ = ["ALWAYS", "COMPANIES", "CONTACTS", "DEALS", "KINDS", "Kind", "find_kind"]
