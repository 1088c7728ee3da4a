"""What a write may do, found out before anything is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from local.sandbox.faults import Fault
from local.sandbox.hubspot.account import Account
from local.sandbox.hubspot.book import Book
from local.sandbox.hubspot.errors import HubSpotError, error_body, invalid, not_found
from local.sandbox.hubspot.kinds import Kind
from local.sandbox.hubspot.links_wire import read_links
from local.sandbox.hubspot.reads import find_record, not_there
from local.sandbox.hubspot.records import Record
from local.sandbox.hubspot.validation import (
    Problem,
    RejectedError,
    as_texts,
    check_values,
    not_valid,
)

TRACE = "objectWriteTraceId"


class MissingError(Exception):
    """There is no record of the id."""


@dataclass(slots=True, kw_only=True)
class Wish:
    """One input that may be written; `record` None is a new one."""

    item: Mapping[str, Any]
    record: Record | None
    values: dict[str, str]
    links: list[tuple[Kind, int, bool]] = field(default_factory=list)


Plan = Callable[[Mapping[str, Any]], Wish]
"""Plans one input; raises MissingError or RejectedError."""


class Planner:
    """Plans the inputs of one request, none of which may claim another's unique value."""

    def __init__(self, account: Account, kind: Kind) -> None:
        self._account = account
        self._kind = kind
        self._book: Book = account.book(kind)
        self._claimed: dict[tuple[str, str], str] = {}

    def create(self, item: Mapping[str, Any]) -> Wish:
        """Plan a new record."""
        return self._new(item, as_texts(item.get("properties")))

    def update(self, item: Mapping[str, Any]) -> Wish:
        """Plan a change; raise MissingError where there is nothing to change."""
        values = as_texts(item.get("properties"))
        record = find_record(self._book, _key(item), _id_property(item))
        if record is None:
            raise MissingError
        return self._change(item, record, values)

    def upsert(self, item: Mapping[str, Any]) -> Wish:
        """Plan a change, or a new record that has the unique value."""
        name, key = _id_property(item), _key(item)
        values = as_texts(item.get("properties"))
        record = find_record(self._book, key, name)
        if record is not None:
            return self._change(item, record, values)
        if name in {"", "hs_object_id"}:
            raise MissingError
        return self._new(item, {name: key, **values})

    def _new(self, item: Mapping[str, Any], given: Mapping[str, str]) -> Wish:
        values = self._checked(given, None)
        links = read_links(self._account, self._kind, item.get("associations"))
        return Wish(item=item, record=None, values=values, links=links)

    def _change(self, item: Mapping[str, Any], record: Record, given: Mapping[str, str]) -> Wish:
        return Wish(item=item, record=record, values=self._checked(given, record))

    def _checked(self, given: Mapping[str, str], record: Record | None) -> dict[str, str]:
        kind, properties = self._kind, self._book.properties
        rules = self._account.rules.get(kind.name, ())
        values = check_values(kind, properties, given, record=record, rules=rules)
        claims = {
            (name, values[name].casefold()): values[name]
            for name in properties.unique
            if values.get(name)
        }
        for (name, folded), value in claims.items():
            holder = self._book.find_by(name, value)
            if holder is not None and holder is not record:
                raise _clash(kind, name, value, str(holder.id))
            if (name, folded) in self._claimed:
                raise _clash(kind, name, value, "another input of this batch")
        self._claimed |= claims
        return values


def _key(item: Mapping[str, Any]) -> str:
    if not item.get("id"):
        raise invalid("Invalid input JSON: every input needs an id.")
    return str(item["id"])


def _id_property(item: Mapping[str, Any]) -> str:
    return str(item.get("idProperty") or "")


def _clash(kind: Kind, name: str, value: str, holder: str) -> RejectedError:
    if name == kind.natural:
        return RejectedError(
            f"{kind.singular.capitalize()} already exists. Existing ID: {holder}",
            category="CONFLICT",
            status=409,
            context={"existingId": [holder]},
        )
    text = f"Cannot set {name} to {value}: {holder} already has that value."
    return not_valid([Problem(name=name, error="CONFLICTING_UNIQUE_VALUE", message=text)])


def plan_batch(
    kind: Kind, plan: Plan, inputs: Sequence[Mapping[str, Any]], fault: Fault | None
) -> tuple[list[Wish], list[dict[str, Any]]]:
    """Return what may be written, and the errors of the other inputs.

    An input that is not valid fails the whole request, unless every input has a trace id of its
    own: that is how HubSpot lets a client ask for a 207. `fault` makes the first inputs fail.
    """
    _refuse_duplicates(inputs)
    traces = {str(item.get(TRACE) or "") for item in inputs}
    is_traced = len(traces) == len(inputs) and "" not in traces
    failing = int(fault.number("records", 1)) if fault else 0
    wishes: list[Wish] = []
    errors: list[dict[str, Any]] = []
    if fault:
        made = RejectedError(
            "This input was made to fail.",
            category=str(fault.option("category", "VALIDATION_ERROR")),
        )
        errors += [_error_of(made, item) for item in inputs[:failing]]
    missing = []
    for item in inputs[failing:]:
        try:
            wishes.append(plan(item))
        except MissingError:
            missing.append(str(item.get("id", "")))
        except RejectedError as error:
            if not is_traced:
                raise _alone_error(error) from None
            errors.append(_error_of(error, item))
    if missing:
        errors.append(not_there(kind, missing))
    return wishes, errors


def _refuse_duplicates(inputs: Sequence[Mapping[str, Any]]) -> None:
    """Raise the 400 of a batch that names one record twice."""
    keys = [(_id_property(i), str(i["id"]).casefold()) for i in inputs if "id" in i]
    twice = sorted({key for _, key in (k for k in keys if keys.count(k) > 1)})
    if twice:
        ids = ", ".join(twice)
        raise invalid(f"Duplicate IDs found in batch input: [{ids}]. IDs must be unique")


def _error_of(error: RejectedError, item: Mapping[str, Any]) -> dict[str, Any]:
    """Return an input's error in a 207; its context names the input."""
    named = {TRACE: [str(item[TRACE])]} if item.get(TRACE) else {}
    if not named and "id" in item:
        named = {"ids": [str(item["id"])]}
    return {
        "status": "error",
        "category": error.category,
        "message": str(error),
        "context": {**named, **error.context},
    }


def plan_alone(plan: Plan, item: Mapping[str, Any]) -> Wish:
    """Plan a request of one input; raise its error as the whole answer."""
    try:
        return plan(item)
    except MissingError:
        raise not_found() from None
    except RejectedError as error:
        raise _alone_error(error) from None


def _alone_error(error: RejectedError) -> HubSpotError:
    body = error_body(error.status, str(error)) | {"category": error.category}
    return HubSpotError(error.status, body | ({"context": error.context} if error.context else {}))
