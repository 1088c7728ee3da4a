"""LinkHub's customers and the callers who speak for them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who presented a valid token: its `iss`, `sub` and whether a role claim makes it an admin."""

    issuer: str
    subject: str
    is_admin: bool = False
    name: str = ""
    email: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A LinkHub customer. `issuer` and `subject` are None until somebody has signed in for it."""

    id: str
    issuer: str | None
    subject: str | None
    name: str
    email: str
    locale: str = "en"
    time_zone: str = "UTC"
    created_at: datetime
    updated_at: datetime
