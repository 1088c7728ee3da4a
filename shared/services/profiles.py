"""Profiles: the LinkHub customer a caller speaks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from shared.domain.ids import new_id
from shared.domain.profiles import Caller, Profile
from shared.domain.zones import find_zone
from shared.errors import ConflictError, InvalidInputError, NotFoundError
from shared.services.audit import record_act
from shared.services.deps import Now, OpenUow

if TYPE_CHECKING:
    from shared.store.unit_of_work import UnitOfWork


def require_profile(uow: UnitOfWork, caller: Caller) -> Profile:
    """Return the caller's profile; raise ConflictError telling how to make one."""
    profile = uow.profiles.find_by_subject(caller.issuer, caller.subject)
    if profile is None:
        raise ConflictError("You have no profile yet: PUT /api/v1/me first.")
    return profile


def get_profile(caller: Caller, *, open_uow: OpenUow) -> Profile:
    """Return the caller's profile; raise NotFoundError where there is none yet."""
    with open_uow(read_only=True) as uow:
        profile = uow.profiles.find_by_subject(caller.issuer, caller.subject)
    if profile is None:
        raise NotFoundError("You have no profile yet: PUT /api/v1/me makes one.")
    return profile


def save_profile(
    caller: Caller,
    *,
    name: str,
    email: str,
    locale: str,
    time_zone: str,
    open_uow: OpenUow,
    now: Now,
) -> Profile:
    """Make the caller's profile or change it; return it as stored."""
    if find_zone(time_zone) is None:
        raise InvalidInputError(
            f"{time_zone!r} is not an IANA time zone such as Europe/Rome.",
            errors=[("timeZone", "not an IANA time zone")],
        )
    values = {"name": name, "email": email, "locale": locale, "time_zone": time_zone}
    try:
        return _store(caller, values, open_uow=open_uow, now=now)
    except ConflictError:
        # Another request of the same newcomer was first: SQL Server lets both find none and add
        # one, where SQLite lets writers take turns. The second look finds the other's.
        return _store(caller, values, open_uow=open_uow, now=now)


def _store(caller: Caller, values: Mapping[str, Any], *, open_uow: OpenUow, now: Now) -> Profile:
    """Make or change the profile; raise ConflictError where another was made meanwhile."""
    moment = now()
    with open_uow() as uow:
        old = uow.profiles.find_by_subject(caller.issuer, caller.subject)
        if old is None:
            profile = Profile(
                id=new_id(),
                issuer=caller.issuer,
                subject=caller.subject,
                created_at=moment,
                updated_at=moment,
                **values,
            )
            uow.profiles.add(profile)
        else:
            profile = replace(old, updated_at=moment, **values)
            uow.profiles.save(profile)
        record_act(
            uow,
            caller,
            profile_id=profile.id,
            action="profile.save",
            target=profile.id,
            after=values,
            now=moment,
        )
        uow.commit()
    return profile
