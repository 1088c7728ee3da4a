"""Circuit breakers, for admins."""

from __future__ import annotations

from shared.domain.breakers import Breaker
from shared.domain.paging import ListQuery, Slice
from shared.domain.profiles import Caller
from shared.services.audit import record_act
from shared.services.dead_letters import require_admin
from shared.services.deps import Now, OpenUow


def list_breakers(query: ListQuery, *, caller: Caller, open_uow: OpenUow) -> Slice[Breaker]:
    """Return a page of the breakers of all accounts that ever failed, newest first; for admins."""
    require_admin(caller)
    with open_uow(read_only=True) as uow:
        return uow.breakers.list_page(query)


def reset_breaker(breaker_id: str, *, caller: Caller, open_uow: OpenUow, now: Now) -> Breaker:
    """Close a breaker and forget its failures; return it. For admins.

    Jobs that wait for it come when they were told to; new ones go through at once.
    """
    require_admin(caller)
    moment = now()
    with open_uow() as uow:
        found = uow.breakers.get(breaker_id)
        breaker = found.closed(now=moment)
        uow.breakers.save(breaker)
        record_act(
            uow,
            caller,
            profile_id="",
            action="breaker.reset",
            target=breaker.id,
            before={"state": found.state.value, "failures": found.failures},
            after={"provider": breaker.provider, "account": breaker.account},
            now=moment,
        )
        uow.commit()
    return breaker
