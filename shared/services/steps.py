"""What every wizard write shares: whose instance, which version, one audited save."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from shared.domain.instances import Instance, InstanceState, InstanceStatus, SetupStep
from shared.domain.profiles import Caller
from shared.errors import ConflictError, PreconditionError
from shared.services.audit import record_act
from shared.services.deps import OpenUow
from shared.services.profiles import require_profile
from shared.services.scheduling import plan_next

if TYPE_CHECKING:
    from shared.store.unit_of_work import UnitOfWork

Versions = frozenset[int] | None
"""The `config_version`s a caller takes the instance to have; None where it names none."""


def read_own(
    instance_id: str, *, caller: Caller, open_uow: OpenUow, expected: Versions = None
) -> tuple[Instance, InstanceState]:
    """Return one of the caller's instances and its state; PreconditionError as `take_own`."""
    with open_uow(read_only=True) as uow:
        instance = take_own(uow, instance_id, caller=caller, expected=expected)
        return instance, uow.instances.get_state(instance.id)


def take_own(
    uow: UnitOfWork, instance_id: str, *, caller: Caller, expected: Versions = None
) -> Instance:
    """Return one of the caller's instances; PreconditionError where it has another version."""
    instance = uow.instances.get(instance_id, profile_id=require_profile(uow, caller).id)
    if expected is not None and instance.config_version not in expected:
        raise PreconditionError(
            f"{instance.name} is at version {instance.config_version} by now: read it again "
            "before you change it."
        )
    return instance


def require_unchanged(uow: UnitOfWork, read: Instance) -> None:
    """Raise ConflictError where somebody changed the instance since it was `read`.

    For a step that spoke with the provider in between, outside any transaction.
    """
    now = uow.instances.get(read.id, profile_id=None)
    if now.config_version != read.config_version:
        raise ConflictError("Somebody else changed this instance meanwhile: read it again.")


def save_step(
    uow: UnitOfWork,
    changed: Instance,
    *,
    read: Instance,
    caller: Caller,
    action: str,
    now: datetime,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> Instance:
    """Store the instance with an audit event and return it; ConflictError if no longer as `read`.

    Does not commit.
    """
    saved = uow.instances.save(changed, expected_version=read.config_version)
    record_act(
        uow,
        caller,
        profile_id=read.profile_id,
        action=action,
        target=read.id,
        before=before,
        after=after,
        now=now,
    )
    return saved


def plan_schedule(uow: UnitOfWork, instance: Instance, *, now: datetime) -> None:
    """Store when the instance, as it is about to be saved, syncs next by itself; does not commit.

    One in error has its next time too: it counts again once a sync has succeeded.
    """
    is_stopped = (
        instance.setup_step is not SetupStep.COMPLETED or instance.status is InstanceStatus.PAUSED
    )
    next_at = None
    if not is_stopped:
        next_at = plan_next(replace(instance, status=InstanceStatus.ACTIVE), now=now)
    state = uow.instances.get_state(instance.id)
    uow.instances.save_state(replace(state, next_sync_at=next_at), now=now)
