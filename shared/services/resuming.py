"""Letting instances go on whose warehouse had refused its login, once its way is good again."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from shared.domain.instances import Instance, InstanceStatus, StatusReason
from shared.domain.jobs import JobKind, JobStatus
from shared.domain.paging import ListQuery
from shared.domain.profiles import Caller
from shared.domain.warehouses import Warehouse
from shared.errors import DestinationError
from shared.services.steps import plan_schedule, save_step

if TYPE_CHECKING:
    from shared.store.unit_of_work import UnitOfWork

_LOOKED_AT = 20
"""Of an instance's newest jobs: looks at its tables may have come after the sync that failed."""


def resume_users(uow: UnitOfWork, warehouse: Warehouse, *, caller: Caller, now: datetime) -> None:
    """Make the warehouse's instances active whose last sync failed by its login; does not commit.

    Their schedules go on from now. Those that are paused, or failed by anything else, stay as they
    are.
    """
    for _, instance_id in uow.warehouses.list_users(warehouse):
        instance = uow.instances.get(instance_id, profile_id=warehouse.profile_id)
        if not _was_refused(uow, instance):
            continue
        changed = replace(instance, status=InstanceStatus.ACTIVE, status_reason="", updated_at=now)
        plan_schedule(uow, changed, now=now)
        save_step(
            uow,
            changed,
            read=instance,
            caller=caller,
            action="instance.resume",
            before={"status": instance.status.value, "reason": instance.status_reason},
            after={"warehouse": warehouse.id},
            now=now,
        )


def _was_refused(uow: UnitOfWork, instance: Instance) -> bool:
    if (instance.status, instance.status_reason) != (
        InstanceStatus.ERROR,
        StatusReason.SYNC_FAILED,
    ):
        return False
    page = uow.jobs.list_page(
        instance.profile_id, ListQuery(limit=_LOOKED_AT), instance_id=instance.id
    )
    syncs = [job for job in page.items if job.kind is JobKind.SYNC]
    return (
        bool(syncs)
        and syncs[0].status is JobStatus.FAILED
        and syncs[0].error_class == DestinationError.kind
    )
