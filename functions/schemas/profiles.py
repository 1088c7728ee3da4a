"""Profiles."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self

from pydantic import Field

from functions.schemas.base import Input, Name, Wire
from shared.domain import profiles as domain_profiles


class ProfileInput(Input):
    """What a person says of themselves."""

    name: Annotated[Name, Field(min_length=1)]
    email: Annotated[str, Field(max_length=320)] = ""
    locale: Annotated[str, Field(pattern=r"^[a-z]{2}(-[A-Z]{2})?$")] = "en"
    time_zone: Annotated[str, Field(max_length=64)] = "UTC"


class Profile(Wire):
    """The caller's profile."""

    id: str
    name: str
    email: str
    locale: str
    time_zone: str
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, profile: domain_profiles.Profile) -> Self:
        """Return the profile as its owner sees it."""
        return cls.model_validate(profile)
