"""Values on their way to HubSpot: how they are written, and whether they are there already.

All values are text on the wire, '' empties a property. HubSpot's `date` is a day; its `datetime`
an instant (developers.hubspot.com/docs/guides/api/crm/properties, "Add values to date and
datetime properties").
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any

from adapters.hubspot.fields import to_ms
from shared.domain.fields import Field, FieldType

NOON = time(12, tzinfo=UTC)
"""When a plain day is written into a `datetime`: in most time zones people see that same day."""

_DAY = len("2026-11-21")


def to_wire(value: Any, field: Field) -> str:
    """Return the text that sets a property; what cannot be understood goes as it is.

    HubSpot then says what it does not like about it, and the record's problem shows that.
    """
    text = _text(value)
    if field.type is not FieldType.STRING:
        text = text.strip()
    if field.type is FieldType.DATETIME and _is_day(text):
        return _instant(datetime.combine(date.fromisoformat(text), NOON))
    if field.type is FieldType.DATE and not _is_day(text) and to_ms(text) is not None:
        return _utc(text).date().isoformat()
    return text


def is_same(wanted: Any, present: str | None, field: Field, *, is_list: bool = False) -> bool:
    """Return whether a property holds a value already, however the two are written.

    A plain day equals any instant of that day in UTC: the hour is not ours to change. `is_list`:
    the property holds several values, in any order.
    """
    there, text = present or "", _text(wanted)
    if text == there:
        return True
    if is_list:
        return sorted(text.split(";")) == sorted(there.split(";"))
    return _COMPARE.get(field.type, _is_equal)(text.strip(), there.strip())


def _is_equal(text: str, there: str) -> bool:
    return text == there


def _is_same_number(text: str, there: str) -> bool:
    number = _number(text)
    return number is not None and number == _number(there)


def _is_same_day(text: str, there: str) -> bool:
    known = to_ms(text) is not None and to_ms(there) is not None
    return known and _utc(text).date() == _utc(there).date()


def _is_same_instant(text: str, there: str) -> bool:
    if _is_day(text):
        return _is_same_day(text, there)
    return to_ms(text) is not None and to_ms(text) == to_ms(there)


_COMPARE: Mapping[FieldType, Callable[[str, str], bool]] = {
    FieldType.STRING: lambda _text, _there: False,
    FieldType.DECIMAL: _is_same_number,
    FieldType.BOOLEAN: lambda text, there: text.lower() == there.lower(),
    FieldType.DATE: _is_same_day,
    FieldType.DATETIME: _is_same_instant,
}


def _text(value: Any) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, datetime):
        return _instant(value if value.tzinfo else value.replace(tzinfo=UTC))
    if isinstance(value, list | tuple):
        return ";".join(_text(each) for each in value)
    match value:
        case bool():
            return "true" if value else "false"
        case Decimal():
            return f"{value:f}"
        case _:
            return str(value)  # of a date: its ISO form


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _utc(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


def _is_day(text: str) -> bool:
    return len(text) == _DAY and to_ms(text) is not None


def _number(text: str) -> Decimal | None:
    try:
        return Decimal(text.strip())
    except InvalidOperation:
        return None
