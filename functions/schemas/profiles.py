"""Profiles."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from functions.schemas.base import Wire
from shared.domain import profiles as domain_profiles


@dataclass(frozen=True, slots=True, kw_only=True)
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
        return cls.like(profile)
