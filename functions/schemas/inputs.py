"""Request bodies. Importing this loads pydantic; `schemas` does so with the first body."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

from functions.schemas.base import to_camel
from shared.domain.checkpoints import Mode

_NAME_LENGTH = 200


def _fits(text: str) -> str:
    """Count as SQL Server does: what stands beyond the basic plane, such as an emoji, is two."""
    if len(text) + sum(character > "\uffff" for character in text) > _NAME_LENGTH:
        raise ValueError(f"at most {_NAME_LENGTH} characters, of which an emoji takes two")
    return text


Name = Annotated[str, Field(max_length=_NAME_LENGTH), AfterValidator(_fits)]
OptionName = Annotated[str, Field(max_length=64)]
OptionValue = Annotated[str, Field(max_length=2000)]


class Input(BaseModel):
    """Base of every request body: unknown keys are refused, inputs never echoed."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        defer_build=True,
        extra="forbid",
        hide_input_in_errors=True,
        str_strip_whitespace=True,
    )


class ProfileInput(Input):
    """What a person says of themselves."""

    name: Annotated[Name, Field(min_length=1)]
    email: Annotated[str, Field(max_length=320)] = ""
    locale: Annotated[str, Field(pattern=r"^[a-z]{2}(-[A-Z]{2})?$")] = "en"
    time_zone: Annotated[str, Field(max_length=64)] = "UTC"


class InstanceInput(Input):
    """A new instance. `connectionKey` tells several of one provider apart, where it allows them."""

    provider: Annotated[str, Field(min_length=1, max_length=64)]
    name: Name = ""
    connection_key: Annotated[str, Field(max_length=64, pattern=r"^[0-9A-Za-z_-]*$")] = ""


class ConnectionInput(Input):
    """A key and the options the provider asks for, such as `deploymentUrl`.

    `replaceAccount` starts over with another account, before the instance was ever activated.
    """

    api_key: Annotated[SecretStr, Field(min_length=1, max_length=8000)]
    options: dict[OptionName, OptionValue] = Field(max_length=20, default_factory=dict)
    replace_account: bool = False


class JobInput(Input):
    """How to sync: only what changed, or everything."""

    mode: Mode = Mode.INCREMENTAL
