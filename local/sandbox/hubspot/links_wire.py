"""Associations as requests name them."""

from __future__ import annotations

from typing import Any

from local.sandbox.hubspot.account import Account
from local.sandbox.hubspot.errors import invalid
from local.sandbox.hubspot.kinds import KINDS, Kind
from local.sandbox.hubspot.links import TYPES
from local.sandbox.hubspot.validation import RejectedError


def id_in(holder: Any, name: str) -> str:
    """Return the id of `{name: {"id": …}}`; raise the 400 of anything else."""
    inner = holder.get(name) if isinstance(holder, dict) else None
    found = inner.get("id") if isinstance(inner, dict) else None
    if found is None:
        raise invalid(f"Invalid input JSON: an association needs {name}.id.")
    return str(found)


def is_primary(kind: Kind, other: Kind, types: Any) -> bool:
    """Return whether `types` name the primary type; raise RejectedError where none fits."""
    known = TYPES.get((kind.name, other.name))
    given = [item.get("associationTypeId") for item in types or [] if isinstance(item, dict)]
    allowed = {known.default, known.primary} - {0} if known else set()
    if known is None or not given or not set(given) <= allowed:
        raise RejectedError(
            f"One or more associations types specified {given} are not valid "
            f"between {kind.singular} and {other.singular}."
        )
    return known.primary in given


def read_links(account: Account, kind: Kind, given: Any) -> list[tuple[Kind, int, bool]]:
    """Return (type, id, is primary) of the associations of a new record.

    Raise RejectedError where a type or a record does not exist.
    """
    if given is None:
        return []
    if not isinstance(given, list):
        raise invalid("Invalid input JSON: associations must be a list.")
    found = []
    for item in given:
        key = id_in(item, "to")
        types = item.get("types") or []
        other = _other_of(kind, types)
        record = account.book(other).find(key)
        if record is None:
            raise RejectedError(f"Associated object {other.type_id} {key} does not exist.")
        found.append((other, record.id, is_primary(kind, other, types)))
    return found


def _other_of(kind: Kind, types: Any) -> Kind:
    given = {item.get("associationTypeId") for item in types if isinstance(item, dict)}
    for other in KINDS:
        known = TYPES.get((kind.name, other.name))
        if known and given & {known.default, known.primary}:
            return other
    raise RejectedError(f"There are no association types {sorted(map(str, given))} here.")
