"""What every vault asks of a name and a value, so that both take and refuse the same ones."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Final

from shared.errors import InvalidInputError, PermanentError

LARGEST_VALUE: Final = 25_000
"""Bytes of a value as JSON in UTF-8; Key Vault documents 25k bytes."""

_NAME: Final = re.compile(r"[0-9a-zA-Z-]{1,127}")


def canonical_name(name: str) -> str:
    """Return the name in lower case, as Key Vault tells no case apart; InvalidInputError if bad."""
    if not _NAME.fullmatch(name):
        raise InvalidInputError(
            "A secret's name is 1 to 127 letters, digits and dashes; this one is not."
        )
    return name.lower()


def encode_value(value: Mapping[str, str]) -> str:
    """Return the value as compact JSON; InvalidInputError if not all strings, or too large."""
    pairs = dict(value)
    if not all(isinstance(text, str) for pair in pairs.items() for text in pair):
        raise InvalidInputError("A secret's value is an object whose values are all strings.")
    text = json.dumps(pairs, ensure_ascii=False, separators=(",", ":"))
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise InvalidInputError("A secret's value holds text that is not valid Unicode.") from None
    if size > LARGEST_VALUE:
        raise InvalidInputError(
            f"A secret's value is at most {LARGEST_VALUE:,} bytes; this one has {size:,}."
        )
    return text


def decode_value(name: str, text: str) -> dict[str, str]:
    """Return the value stored as `text`; PermanentError naming the secret if that is no value."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict) or not all(isinstance(part, str) for part in value.values()):
        raise PermanentError(
            f"The secret {name!r} is not a JSON object of strings. Store it again, for example as "
            '{"api_key": "…"}.'
        )
    return value
