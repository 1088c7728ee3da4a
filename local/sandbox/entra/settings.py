"""What can be set at Entra beside what every authorization server has."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from local.sandbox.oauth.settings import Settings

_NINETY_DAYS = 90 * 24 * 3600


class EntraSettings(Settings):
    """Entra replaces a refresh token at every use and lets the old one live."""

    rotate: bool = True
    reuse: Literal["accept", "refuse", "revoke_family"] = "accept"
    access_token_seconds: int = Field(default=3600, ge=1)
    refresh_token_seconds: int = Field(default=_NINETY_DAYS, ge=0)
    admin_consent: bool = False
    """An administrator has consented for every tenant: nothing asks for one any more."""
