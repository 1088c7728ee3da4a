"""What the values of request bodies are: what the API document says of one is what is accepted.

Nothing is taken for what it is not: true is no 1, "5" no 5 and 1 no "1"; a field has the one name
it has on the wire. Limits hold for a text as it was sent; only then is it trimmed, where it is one
that people type. Importing this loads pydantic.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Secret,
    SecretStr,
)

from functions.schemas.base import to_camel

_NAME_LENGTH = 200


class Input(BaseModel):
    """Base of every request body: unknown keys are refused, inputs never echoed."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        defer_build=True,
        extra="forbid",
        hide_input_in_errors=True,
        strict=True,
    )


def _whole(value: Any) -> Any:
    """Return 5 for 5.0: to JSON Schema, as to JavaScript, that is an integer."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _filled(text: str) -> str:
    if not text.strip():
        raise ValueError("more than white space is needed")
    return text.strip()


def _fits(text: str) -> str:
    """Count as SQL Server does: what stands beyond the basic plane, such as an emoji, is two."""
    if len(text) + sum(character > "\uffff" for character in text) > _NAME_LENGTH:
        raise ValueError(f"at most {_NAME_LENGTH} characters, of which an emoji takes two")
    return text


WHOLE = BeforeValidator(_whole)
"""Stands behind an integer's limits: they are the document's."""
TRIMMED = AfterValidator(str.strip)
FILLED = AfterValidator(_filled)
"""Trimmed, and something is left."""
SOMETHING = r"\S"
"""The pattern that tells of it in the document."""
SECRET = Field(json_schema_extra={"format": "password", "writeOnly": True})

Name = Annotated[str, Field(max_length=_NAME_LENGTH), AfterValidator(_fits), TRIMMED]
FilledName = Annotated[
    str, Field(max_length=_NAME_LENGTH, pattern=SOMETHING), AfterValidator(_fits), FILLED
]
# Unlike a key that was copied, a password may well begin or end with a space.
Password = Annotated[SecretStr, Field(min_length=1, max_length=1000)]
Key = Annotated[Secret[Annotated[str, Field(max_length=8000, pattern=SOMETHING), FILLED]], SECRET]
Username = Annotated[
    Secret[Annotated[str, Field(max_length=320, pattern=SOMETHING), FILLED]], SECRET
]
