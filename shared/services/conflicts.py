"""Fields that changed on both sides: looked at, and settled by a person."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from shared.domain.conflicts import Conflict, ConflictStatus
from shared.domain.links import RecordLink
from shared.domain.paging import ListQuery, Slice
from shared.domain.profiles import Caller
from shared.services.audit import record_act
from shared.services.deps import Now, OpenUow
from shared.services.profiles import require_profile


class Choice(StrEnum):
    """Whose value is to stand."""

    EXTERNAL = "external"
    LINKHUB = "linkhub"


_SETTLED = {
    Choice.EXTERNAL: ConflictStatus.SETTLED_EXTERNAL,
    Choice.LINKHUB: ConflictStatus.SETTLED_LINKHUB,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkedConflict:
    """A conflict and the record it is about."""

    conflict: Conflict
    link: RecordLink


def list_conflicts(
    query: ListQuery, *, caller: Caller, open_uow: OpenUow, instance_id: str | None = None
) -> Slice[LinkedConflict]:
    """Return a page of the caller's conflicts, newest first."""
    with open_uow(read_only=True) as uow:
        profile = require_profile(uow, caller)
        part = uow.conflicts.list_page(profile.id, query, instance_id=instance_id)
        links = uow.links.get_by_ids(conflict.record_link_id for conflict in part.items)
    found = [LinkedConflict(conflict=one, link=links[one.record_link_id]) for one in part.items]
    return Slice(items=found, next_cursor=part.next_cursor)


def settle_conflict(
    conflict_id: str, *, choice: Choice, caller: Caller, open_uow: OpenUow, now: Now
) -> LinkedConflict:
    """Note whose value is to stand; the instance's next sync writes it to the other side.

    Raises ConflictError for a conflict that is not open.
    """
    moment = now()
    with open_uow() as uow:
        profile = require_profile(uow, caller)
        found = uow.conflicts.get(conflict_id, profile_id=profile.id)
        settled = uow.conflicts.settle(
            found.id,
            _SETTLED[choice],
            settled_by=f"{caller.issuer}|{caller.subject}",
            now=moment,
        )
        link = uow.links.get_by_ids([settled.record_link_id])[settled.record_link_id]
        record_act(
            uow,
            caller,
            profile_id=profile.id,
            action="conflict.settle",
            target=settled.id,
            after={"choice": choice.value, "field": settled.field},
            now=moment,
        )
        uow.commit()
    return LinkedConflict(conflict=settled, link=link)
