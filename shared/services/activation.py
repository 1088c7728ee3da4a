"""Step four, and what a person does with an instance after it: activate, pause, resume."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from shared.domain.checkpoints import Mode
from shared.domain.ids import new_id
from shared.domain.instances import (
    Instance,
    InstanceState,
    InstanceStatus,
    SetupStep,
    StatusReason,
)
from shared.domain.jobs import Job, JobKind, JobStatus
from shared.domain.paging import ListQuery
from shared.domain.profiles import Caller
from shared.domain.providers import SinkKind
from shared.domain.wizard import advance, require_step
from shared.errors import ConflictError
from shared.ports.queue import JobQueue
from shared.services.connecting import require_account
from shared.services.deps import Now, OpenUow
from shared.services.jobs import enqueue
from shared.services.live import live_connection
from shared.services.mappings import require_exportable, require_valid
from shared.services.steps import (
    Versions,
    plan_schedule,
    read_own,
    require_unchanged,
    save_step,
    take_own,
)
from shared.services.streams import Discoverer

if TYPE_CHECKING:
    from shared.store.unit_of_work import UnitOfWork


def activate_instance(
    instance_id: str,
    *,
    caller: Caller,
    expected: Versions,
    open_uow: OpenUow,
    discoverer: Discoverer,
    queue: JobQueue,
    now: Now,
) -> tuple[Instance, Job | None]:
    """Try connection and mapping live a last time, then make the instance active.

    Its schedule begins, and a first, full job is queued and returned. Activating again returns the
    instance and its newest job (None where it never had one). Raises ConflictError for a step that
    is missing or where the provider refuses, InvalidInputError for a mapping that does not fit any
    more.
    """
    instance, state = read_own(instance_id, caller=caller, open_uow=open_uow, expected=expected)
    if instance.setup_step is SetupStep.COMPLETED:
        with open_uow(read_only=True) as uow:
            page = uow.jobs.list_page(
                instance.profile_id, ListQuery(limit=1), instance_id=instance.id
            )
        return instance, next(iter(page.items), None)
    step = advance(instance.setup_step, SetupStep.COMPLETED)
    _try_all(instance, state, open_uow=open_uow, discoverer=discoverer)
    moment = now()
    with open_uow() as uow:
        require_unchanged(uow, instance)
        job = _first_job(uow, instance, moment)
        changed = replace(
            instance, setup_step=step, status=InstanceStatus.ACTIVE, updated_at=moment
        )
        plan_schedule(uow, changed, now=moment)
        saved = save_step(
            uow,
            changed,
            read=instance,
            caller=caller,
            action="instance.activate",
            after={"job": job.id},
            now=moment,
        )
        uow.commit()
    enqueue(job, open_uow=open_uow, queue=queue, now=now)
    return saved, job


def pause_instance(
    instance_id: str, *, caller: Caller, expected: Versions, open_uow: OpenUow, now: Now
) -> Instance:
    """Stop syncing until `resume_instance`; return the instance.

    A job that waits is cancelled, a run under way goes on to its end. Pausing again changes
    nothing. Raises ConflictError for an instance that was never activated.
    """
    moment = now()
    with open_uow() as uow:
        instance = take_own(uow, instance_id, caller=caller, expected=expected)
        require_step(instance.setup_step, SetupStep.COMPLETED)
        if instance.status is InstanceStatus.PAUSED:
            return instance
        job = uow.jobs.find_open(instance.id)
        if job is not None and job.status is JobStatus.PENDING:
            uow.jobs.request_cancel(job.id, now=moment)
        # The reason stays: what was broken when it was paused is so when it is resumed.
        changed = replace(instance, status=InstanceStatus.PAUSED, updated_at=moment)
        plan_schedule(uow, changed, now=moment)
        saved = save_step(
            uow,
            changed,
            read=instance,
            caller=caller,
            action="instance.pause",
            before={"status": instance.status.value},
            now=moment,
        )
        uow.commit()
    return saved


def resume_instance(
    instance_id: str, *, caller: Caller, expected: Versions, open_uow: OpenUow, now: Now
) -> Instance:
    """Let a paused instance, or one whose sync failed for good, sync again; return it.

    Its schedule goes on from now. One whose credentials do not work stays in error until it is
    connected again: resuming it is a ConflictError, unless it was paused. Resuming an active
    instance changes nothing.
    """
    moment = now()
    with open_uow() as uow:
        instance = take_own(uow, instance_id, caller=caller, expected=expected)
        require_step(instance.setup_step, SetupStep.COMPLETED)
        if instance.status is InstanceStatus.ACTIVE:
            return instance
        changed = replace(
            instance, status=InstanceStatus.ACTIVE, status_reason="", updated_at=moment
        )
        if instance.status_reason == StatusReason.NEEDS_RECONNECT:
            if instance.status is InstanceStatus.ERROR:
                raise ConflictError(f"{instance.name} must be connected again first.")
            changed = replace(
                changed, status=InstanceStatus.ERROR, status_reason=instance.status_reason
            )
        plan_schedule(uow, changed, now=moment)
        saved = save_step(
            uow,
            changed,
            read=instance,
            caller=caller,
            action="instance.resume",
            before={"status": instance.status.value, "reason": instance.status_reason},
            now=moment,
        )
        uow.commit()
    return saved


def _try_all(
    instance: Instance, state: InstanceState, *, open_uow: OpenUow, discoverer: Discoverer
) -> None:
    definition = discoverer.connector.find_provider(instance.provider)
    with live_connection(
        instance, state, vault=discoverer.vault, connector=discoverer.connector
    ) as connection:
        check = connection.check()
        streams = connection.discover() if definition.spec.sink is SinkKind.LINKHUB else ()
    if check.account:  # the credentials are those that were bound; some checks cannot tell whose
        require_account(instance, state, check, is_replacing=False)
    if definition.spec.sink is SinkKind.LINKHUB:
        with open_uow(read_only=True) as uow:
            mappings = uow.mappings.list_for(instance.id)
        require_valid(mappings, streams=streams, definition=definition)
        require_exportable(
            mappings,
            direction=instance.sync_direction,
            streams=streams,
            definition=definition,
        )


def _first_job(uow: UnitOfWork, instance: Instance, moment: datetime) -> Job:
    """Add the first job; a look at the tables that still waits makes room for it."""
    other = uow.jobs.find_open(instance.id)
    if other is not None:
        if other.status is not JobStatus.PENDING:
            what = "looked at" if other.kind is JobKind.DISCOVER else "synced"
            raise ConflictError(f"{instance.name} is being {what} right now: try again soon.")
        uow.jobs.request_cancel(other.id, now=moment)
    job = Job(
        id=new_id(),
        instance_id=instance.id,
        mode=Mode.FULL,
        created_at=moment,
        updated_at=moment,
    )
    uow.jobs.add(job)
    return job
