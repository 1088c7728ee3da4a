"""What a LinkHub field takes: a value becomes what stands in LinkHub's JSON, or a RecordError.

On the wire: text, integers as JSON numbers, decimals as JSON text with exactly the field's scale,
true/false, days as YYYY-MM-DD, instants as ISO 8601 with Z, and null for empty. Nothing is cut or
rounded to make it fit; a transform can ask for that.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date
from typing import Any

from shared.domain.conversions import (
    Rounding,
    format_instant,
    quote,
    read_boolean,
    read_date,
    read_instant,
    read_number,
    read_text,
    round_number,
)
from shared.domain.fields import Field, FieldType
from shared.domain.linkhub import MAX_WHOLE_DIGITS
from shared.errors import RecordError

WireValue = str | int | bool | None
Convert = Callable[[Any], WireValue]

MAX_INTEGER = 2**53 - 1
"""The largest integer every JSON reader keeps exactly (RFC 8259, section 6)."""

_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def wire_converter(field: Field) -> Convert:
    """Return the function that makes a wire value of this field from a value that is not empty.

    It takes whatever a source sends and raises RecordError for what the field cannot hold.
    """
    return _CONVERTERS[field.type](field)


def _string(field: Field) -> Convert:
    """Text as it stands. Characters XML 1.0 cannot carry (NUL and other controls but tab and line
    ends, lone surrogates) are refused: databases, exports and screens choke on them.
    """
    longest = field.max_length

    def convert(value: Any) -> WireValue:
        text = value if isinstance(value, str) else read_text(value)
        if longest and len(text) > longest:
            raise RecordError(f"The text is {len(text)} characters long; at most {longest} fit.")
        if not text.isprintable():
            found = _FORBIDDEN.search(text)
            if found is not None:
                raise RecordError(
                    f"The text holds the character U+{ord(found[0]):04X} at position "
                    f"{found.start() + 1}, which LinkHub cannot keep."
                )
        return text

    return convert


def _enumeration(field: Field) -> Convert:
    permitted = {option.value: option.value for option in field.options}

    def convert(value: Any) -> WireValue:
        text = value if isinstance(value, str) else read_text(value)
        if text not in permitted:
            raise RecordError(f"{quote(text)} is none of {', '.join(permitted)}.")
        return text

    return convert


def _integer(field: Field) -> Convert:
    low = -MAX_INTEGER if field.minimum is None else field.minimum
    high = MAX_INTEGER if field.maximum is None else field.maximum

    def convert(value: Any) -> WireValue:
        if type(value) is int:
            number = value
        else:
            number = int(round_number(read_number(value), 0, Rounding.REJECT))
        if not low <= number <= high:
            raise RecordError(f"{quote(number)} is not between {low} and {high}.")
        return number

    return convert


def _decimal(field: Field) -> Convert:
    scale = field.scale or 0
    low, high = field.minimum, field.maximum

    def convert(value: Any) -> WireValue:
        number = round_number(read_number(value), scale, Rounding.REJECT)
        if number.adjusted() >= MAX_WHOLE_DIGITS:
            raise RecordError(
                f"{quote(value)} is too large: {MAX_WHOLE_DIGITS} digits fit before the point."
            )
        if (low is not None and number < low) or (high is not None and number > high):
            raise RecordError(f"{quote(value)} is not between {low} and {high}.")
        return format(number, "f")

    return convert


def _boolean(_field: Field) -> Convert:
    def convert(value: Any) -> WireValue:
        return read_boolean(value)

    return convert


def _date(_field: Field) -> Convert:
    def convert(value: Any) -> WireValue:
        day = value if type(value) is date else read_date(value, UTC)
        return day.isoformat()

    return convert


def _datetime(_field: Field) -> Convert:
    def convert(value: Any) -> WireValue:
        return format_instant(read_instant(value, UTC))

    return convert


_CONVERTERS: dict[FieldType, Callable[[Field], Convert]] = {
    FieldType.STRING: _string,
    FieldType.ENUMERATION: _enumeration,
    FieldType.INTEGER: _integer,
    FieldType.DECIMAL: _decimal,
    FieldType.BOOLEAN: _boolean,
    FieldType.DATE: _date,
    FieldType.DATETIME: _datetime,
}
