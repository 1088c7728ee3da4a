"""Checks the fields of a record against its entity, and brings values to their canonical form."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, NamedTuple, TypeVar

from shared.domain.fields import Field, FieldType
from shared.domain.linkhub import ENTITIES

MAX_WHOLE_DIGITS = 15
"""Digits a decimal may have before its point."""
_MAX_INTEGER = 2**53 - 1
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_DECIMAL = re.compile(r"-?\d+(\.\d+)?", re.ASCII)


class FieldError(NamedTuple):
    """What is wrong with one field of a record."""

    field: str
    code: str
    message: str


class _InvalidError(Exception):
    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


_Check = Callable[[Any], Any]
"""Returns the canonical form of a value that is not null; raises _InvalidError."""


def check_fields(
    entity: str, fields: Mapping[str, Any], *, is_new: bool
) -> tuple[dict[str, Any], list[FieldError]]:
    """Return the canonical values of `fields` and what is wrong with them.

    A new record must fill every required field; an existing one may leave them out but not empty
    them.
    """
    checks = _CHECKS[entity]
    values: dict[str, Any] = {}
    errors: list[FieldError] = []
    for name, value in fields.items():
        check = checks.get(name)
        if check is None:
            errors.append(FieldError(name, "unknown_field", f"{entity} have no such field."))
        elif value is None:
            values[name] = None
        else:
            try:
                values[name] = check(value)
            except _InvalidError as error:
                errors.append(FieldError(name, error.code, str(error)))
    for name in _REQUIRED[entity]:
        given = fields.get(name, None if is_new else "")
        if given is None:
            errors.append(FieldError(name, "required", "This field must not be empty."))
    return values, errors


def _string(field: Field) -> _Check:
    limit = field.max_length

    def check(value: Any) -> str:
        if not isinstance(value, str):
            raise _InvalidError("invalid_type", "A JSON string is expected.")
        if limit and len(value) > limit:
            raise _InvalidError("too_long", f"At most {limit} characters, not {len(value)}.")
        if field.required and not value.strip():
            raise _InvalidError("required", "This field must not be empty.")
        return value

    return check


def _integer(field: Field) -> _Check:
    low = -_MAX_INTEGER if field.minimum is None else field.minimum
    high = _MAX_INTEGER if field.maximum is None else field.maximum

    def check(value: Any) -> int:
        if type(value) is not int:
            raise _InvalidError("invalid_type", "A JSON number without a fraction is expected.")
        if not low <= value <= high:
            raise _InvalidError("out_of_range", f"The value must be between {low} and {high}.")
        return value

    return check


def _decimal(field: Field) -> _Check:
    scale = field.scale or 0

    def check(value: Any) -> str:
        if not isinstance(value, str) or not _DECIMAL.fullmatch(value):
            raise _InvalidError("invalid_type", 'A decimal as a JSON string is expected: "12.50".')
        whole, _, fraction = value.lstrip("-").partition(".")
        if len(whole.lstrip("0")) > MAX_WHOLE_DIGITS:
            raise _InvalidError("out_of_range", f"At most {MAX_WHOLE_DIGITS} digits before the .")
        if len(fraction.rstrip("0")) > scale:
            raise _InvalidError("scale", f"At most {scale} digits after the point.")
        return f"{Decimal(value) or Decimal(0):.{scale}f}"  # "-0" is "0"

    return check


def _boolean(_: Field) -> _Check:
    def check(value: Any) -> bool:
        if not isinstance(value, bool):
            raise _InvalidError("invalid_type", "true or false is expected.")
        return value

    return check


def _date(_: Field) -> _Check:
    def check(value: Any) -> str:
        if _parsed(date, value) is None or not _DAY.fullmatch(value):
            raise _InvalidError("invalid_type", "A day is expected: YYYY-MM-DD.")
        return str(value)

    return check


def _datetime(_: Field) -> _Check:
    def check(value: Any) -> str:
        moment = _parsed(datetime, value)
        if moment is None or not value.endswith("Z"):
            raise _InvalidError("invalid_type", "An instant is expected: YYYY-MM-DDThh:mm:ssZ.")
        return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    return check


_Day = TypeVar("_Day", bound=date)


def _parsed(kind: type[_Day], value: Any) -> _Day | None:
    try:
        return kind.fromisoformat(value)
    except (ValueError, TypeError):
        return None


def _enumeration(field: Field) -> _Check:
    options = {option.value for option in field.options}

    def check(value: Any) -> str:
        if not isinstance(value, str) or value not in options:
            raise _InvalidError("invalid_option", f"One of {sorted(options)} is expected.")
        return value

    return check


_MAKERS: Mapping[FieldType, Callable[[Field], _Check]] = {
    FieldType.STRING: _string,
    FieldType.INTEGER: _integer,
    FieldType.DECIMAL: _decimal,
    FieldType.BOOLEAN: _boolean,
    FieldType.DATE: _date,
    FieldType.DATETIME: _datetime,
    FieldType.ENUMERATION: _enumeration,
}
_CHECKS = {
    name: {field.name: _MAKERS[field.type](field) for field in entity.fields}
    for name, entity in ENTITIES.items()
}
_REQUIRED = {
    name: tuple(field.name for field in entity.fields if field.required)
    for name, entity in ENTITIES.items()
}
