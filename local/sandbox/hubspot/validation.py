"""Whether values may be written, in HubSpot's words.

The texts and codes are those HubSpot answers with (developers.hubspot.com/docs/api-reference/
error-handling shows one); clients read the JSON list inside the message, so it is one here too.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from local.sandbox.hubspot.account import PORTAL_ID, Rule
from local.sandbox.hubspot.errors import invalid
from local.sandbox.hubspot.kinds import Kind
from local.sandbox.hubspot.owners import OWNERS
from local.sandbox.hubspot.properties import Property, PropertyBook
from local.sandbox.hubspot.records import Record
from local.sandbox.hubspot.times import DAY_MS, to_day, to_iso, to_ms

_EMAIL = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+")


class RejectedError(Exception):
    """One input that is not written; `status` is that of a request with this input alone."""

    def __init__(
        self,
        message: str,
        *,
        category: str = "VALIDATION_ERROR",
        status: int = 400,
        context: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        super().__init__(message)
        self.category = category
        self.status = status
        self.context = dict(context or {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What is wrong with one property's value."""

    name: str
    error: str
    message: str

    def to_json(self) -> dict[str, Any]:
        """Return the wire form."""
        return {
            "isValid": False,
            "message": self.message,
            "error": self.error,
            "name": self.name,
            "localizedErrorMessage": self.message,
            "portalId": PORTAL_ID,
        }


def not_valid(problems: Sequence[Problem]) -> RejectedError:
    """Return the error HubSpot makes of such problems."""
    told = orjson.dumps([problem.to_json() for problem in problems]).decode()
    return RejectedError(f"Property values were not valid: {told}")


def as_texts(values: Any) -> dict[str, str]:
    """Return a request's `properties` as texts, '' for null; raise the 400 of another form."""
    if not isinstance(values, dict):
        raise invalid("Invalid input JSON: properties must be an object of texts.")
    found = {}
    for name, value in values.items():
        if isinstance(value, list | dict):
            raise invalid(f"Invalid input JSON: the value of '{name}' must be a text.")
        if isinstance(value, bool):
            value = "true" if value else "false"  # noqa: PLW2901 - the text it stands for
        found[str(name)] = "" if value is None else str(value)
    return found


def check_values(
    kind: Kind,
    properties: PropertyBook,
    given: Mapping[str, str],
    *,
    record: Record | None,
    rules: Sequence[Rule] = (),
) -> dict[str, str]:
    """Return `given` as it is stored; raise RejectedError naming everything wrong with it.

    `record` is the one to change, None for a new one, whose pipeline and stage are the first ones
    where none is given.
    """
    present = record.properties if record else {}
    problems: list[Problem] = []
    stored: dict[str, str] = {}
    for name, value in given.items():
        item = properties.find(name)
        if item is None:
            text = f'Property "{name}" does not exist'
            problems.append(Problem(name=name, error="PROPERTY_DOESNT_EXIST", message=text))
        elif not item.is_writable:
            text = f'"{name}" is a read only property; its value cannot be set.'
            problems.append(Problem(name=name, error="READ_ONLY_VALUE", message=text))
        else:
            found = _stored(kind, item, value, present.get(name, ""))
            if isinstance(found, Problem):
                problems.append(found)
            else:
                stored[name] = found
    if kind.pipelines and not problems:
        problems += _check_stage(kind, stored, present, is_new=record is None)
    if problems:
        raise not_valid(problems)
    missing = [
        name
        for rule in rules
        for name in rule.missing(stored, present=present, is_new=record is None)
    ]
    if missing:
        raise not_valid(
            [
                Problem(name=name, error="REQUIRED_FIELD", message=f'"{name}" is required.')
                for name in dict.fromkeys(missing)
            ]
        )
    return stored


def _stored(kind: Kind, item: Property, value: str, before: str) -> str | Problem:
    """Return how the value is stored, or what is wrong with it."""
    if value and item.type in _CHECKS:
        try:
            return _CHECKS[item.type](item, value)
        except (ValueError, OverflowError):
            wanted, error = _WANTED[item.type]
            text = f"{value} was not a valid {wanted}."
            return Problem(name=item.name, error=error, message=text)
    if value and item.name == "hubspot_owner_id" and value not in OWNERS:
        text = f"Owner {value} does not exist."
        return Problem(name=item.name, error="INVALID_OWNER_ID", message=text)
    if value and item.name == kind.natural and not _EMAIL.fullmatch(value):
        text = f"Email address {value} is invalid"
        return Problem(name=item.name, error="INVALID_EMAIL", message=text)
    if value and item.options and item.name != kind.stage:
        return _chosen(item, value, before)
    return value


def _number(item: Property, value: str) -> str | Problem:
    if math.isfinite(float(value)):
        return value
    text = f"{value} was not a valid number."
    return Problem(name=item.name, error="INVALID_INTEGER", message=text)


def _moment(_: Property, value: str) -> str:
    return to_iso(to_ms(value))


def _day(item: Property, value: str) -> str | Problem:
    at = to_ms(value)
    if at % DAY_MS:
        text = f"{value} is at {to_iso(at)[11:-1]} UTC, not midnight!"
        return Problem(name=item.name, error="INVALID_DATE", message=text)
    return to_day(at)


_CHECKS: Mapping[str, Callable[[Property, str], str | Problem]] = {
    "number": _number,
    "datetime": _moment,
    "date": _day,
}
_WANTED = {
    "number": ("number", "INVALID_INTEGER"),
    "datetime": ("long", "INVALID_LONG"),
    "date": ("long", "INVALID_LONG"),
}


def _chosen(item: Property, value: str, before: str) -> str | Problem:
    """Check a choice; a checkbox takes several, and `;a` adds to those that are there."""
    allowed = [option for option, _ in item.options]
    many = item.field_type == "checkbox"
    asked = [part for part in value.split(";") if part] if many else [value]
    wrong = [part for part in asked if part not in allowed]
    if wrong:
        text = f"{wrong[0]} was not one of the allowed options: [{', '.join(allowed)}]"
        return Problem(name=item.name, error="INVALID_OPTION", message=text)
    if many and value.startswith(";"):
        asked = [*(part for part in before.split(";") if part), *asked]
    return ";".join(dict.fromkeys(asked))


def _check_stage(
    kind: Kind, stored: dict[str, str], present: Mapping[str, str], *, is_new: bool
) -> list[Problem]:
    """Fill in what a new record does not say; return what is wrong where the two do not fit."""
    if is_new:
        stored[kind.pipeline] = stored.get(kind.pipeline) or kind.pipelines[0].id
    after = {**present, **stored}
    ways = {way.id: [stage.id for stage in way.stages] for way in kind.pipelines}
    allowed = ways.get(after.get(kind.pipeline, ""), [])
    if is_new and not stored.get(kind.stage):
        stored[kind.stage] = allowed[0]
    elif {kind.stage, kind.pipeline} & stored.keys() and after.get(kind.stage) not in allowed:
        options = ", ".join(f"pipelineId={way} : [{', '.join(ids)}]" for way, ids in ways.items())
        stage = after.get(kind.stage) or "''"
        text = f"{stage} is not a valid pipeline stage ID. Valid options are: {options}"
        return [Problem(name=kind.stage, error="INVALID_OPTION", message=text)]
    return []
