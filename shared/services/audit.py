"""Writing down who changed what, in the unit of work that changes it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from shared.domain.audit import AuditEvent
from shared.domain.ids import new_id
from shared.domain.profiles import Caller

if TYPE_CHECKING:
    from shared.store.unit_of_work import UnitOfWork


def record_act(
    uow: UnitOfWork,
    caller: Caller,
    *,
    profile_id: str,
    action: str,
    target: str,
    now: datetime,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Add an audit event; `action` is `resource.verb`, `before` and `after` hold no secrets."""
    uow.audit.add(
        AuditEvent(
            id=new_id(),
            actor=f"{caller.issuer}|{caller.subject}",
            profile_id=profile_id,
            action=action,
            target=target,
            before=before or {},
            after=after or {},
            occurred_at=now,
        )
    )
