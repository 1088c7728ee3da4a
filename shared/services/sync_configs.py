"""Step three: which way an instance syncs, when, and by which policies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from shared.domain.instances import Frequency, Instance, SetupStep
from shared.domain.policies import Policies
from shared.domain.profiles import Caller
from shared.domain.providers import Direction, ProviderSpec
from shared.domain.schedules import Schedule
from shared.domain.wizard import advance
from shared.errors import InvalidInputError
from shared.services.deps import FindProvider, Now, OpenUow
from shared.services.destinations import require_destination
from shared.services.profiles import require_profile
from shared.services.steps import Versions, plan_schedule, save_step, take_own


def save_sync_config(
    instance_id: str,
    *,
    direction: str,
    frequency: str,
    frequency_details: Mapping[str, Any],
    time_zone: str | None,
    policies: Policies,
    destination: str | None = None,
    has_default_warehouse: bool = True,
    caller: Caller,
    expected: Versions,
    open_uow: OpenUow,
    find_provider: FindProvider,
    now: Now,
) -> tuple[Instance, Sequence[datetime]]:
    """Store when and how the instance syncs; step three is done. Also return its next five runs.

    `time_zone` None is the profile's, `destination` None the one it has. An active instance
    follows the new schedule at once; with another destination its next job is a full one, there.
    Conflicts that wait for a person are obsolete once it only imports: the provider wins then.
    The same values again change nothing. Raises InvalidInputError naming each value that is wrong,
    NotFoundError for another profile's warehouse.
    """
    moment = now()
    with open_uow() as uow:
        instance = take_own(uow, instance_id, caller=caller, expected=expected)
        step = advance(instance.setup_step, SetupStep.SYNC_CONFIG)
        zone = time_zone or require_profile(uow, caller).time_zone
        spec = find_provider(instance.provider).spec
        schedule = _checked(direction, frequency, frequency_details, zone, spec)
        chosen = instance.destination if destination is None else destination
        require_destination(
            uow,
            chosen,
            profile_id=instance.profile_id,
            spec=spec,
            has_default=has_default_warehouse,
        )
        changed = replace(
            instance,
            setup_step=step,
            sync_direction=Direction(direction),
            frequency=Frequency(frequency),
            frequency_details=dict(frequency_details),
            time_zone=zone,
            policies=policies.to_json(),
            destination=chosen,
        )
        upcoming = schedule.upcoming(moment)
        if changed == instance:
            return instance, upcoming
        plan_schedule(uow, changed, now=moment)
        if changed.sync_direction is Direction.IMPORT:
            uow.conflicts.close_open(instance.id, now=moment)
        saved = save_step(
            uow,
            replace(changed, updated_at=moment),
            read=instance,
            caller=caller,
            action="instance.schedule",
            before=_described(instance),
            after=_described(changed),
            now=moment,
        )
        uow.commit()
    return saved, upcoming


def _checked(
    direction: str, frequency: str, details: Mapping[str, Any], zone: str, spec: ProviderSpec
) -> Schedule:
    errors = []
    if direction not in set(spec.directions):
        known = ", ".join(spec.directions)
        errors.append(("direction", f"{spec.name} can sync: {known}."))
    try:
        schedule = Schedule.parse(frequency, details, zone)
    except InvalidInputError as error:
        errors += error.errors
    if errors:
        text = " ".join(f"{where}: {message}" for where, message in errors)
        raise InvalidInputError(f"The sync cannot be set up so. {text}", errors=errors)
    return schedule


def _described(instance: Instance) -> dict[str, Any]:
    return {
        "direction": instance.sync_direction.value,
        "frequency": instance.frequency.value,
        "frequencyDetails": dict(instance.frequency_details),
        "timeZone": instance.time_zone,
        "policies": dict(instance.policies),
        "destination": instance.destination,
    }
