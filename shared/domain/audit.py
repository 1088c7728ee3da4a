"""Who changed what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEvent:
    """One act of a person; `action` is `resource.verb`; `before` and `after` never hold secrets."""

    id: str
    actor: str
    profile_id: str
    action: str
    target: str
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)
    ip: str = ""
    occurred_at: datetime
