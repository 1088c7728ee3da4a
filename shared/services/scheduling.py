"""Syncs that start by themselves: the due ones each minute, each once."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from shared.domain.checkpoints import Mode
from shared.domain.ids import new_id
from shared.domain.instances import Instance, InstanceState, InstanceStatus, StatusReason
from shared.domain.jobs import Job, JobTrigger
from shared.domain.schedules import Schedule, is_due, jitter_of
from shared.errors import ConflictError, InvalidInputError, NotFoundError
from shared.logs import bind
from shared.ports.queue import JobQueue
from shared.services.deps import Now, OpenUow
from shared.services.jobs import enqueue

if TYPE_CHECKING:
    from shared.store.unit_of_work import UnitOfWork

_log = logging.getLogger(__name__)

_BATCH = 1000
"""How many instances one tick looks at; the rest is still due at the next, a minute later."""


def start_due(*, open_uow: OpenUow, queue: JobQueue, now: Now, limit: int = _BATCH) -> int:
    """Queue a job for each active instance whose `next_sync_at` has come; return how many.

    Each instance moves on to its next occurrence after now, so that however many were missed are
    made up for by one job. An instance whose last job is still unfinished skips this occurrence.
    Its job starts `jitter_of` the instance later. A job whose message could not be sent is left to
    the reaper, and instances not reached then stay due.
    """
    with open_uow(read_only=True) as uow:
        due = uow.instances.list_due(now=now(), limit=limit)
    started = 0
    for instance in due:
        with bind(instance=instance.id):
            job = _start(instance.id, open_uow=open_uow, moment=now())
            if job is None:
                continue
            started += 1
            delay = jitter_of(instance.id).total_seconds()
            if not enqueue(job, open_uow=open_uow, queue=queue, now=now, delay=delay):
                break
    return started


def plan_next(instance: Instance, *, now: datetime) -> datetime | None:
    """Return what belongs into `next_sync_at` once this set-up is saved, activated or resumed.

    None for one that is not active or syncs by hand only. Raises InvalidInputError for a schedule
    that cannot be read.
    """
    schedule = schedule_of(instance)
    return schedule.next_after(now) if instance.status is InstanceStatus.ACTIVE else None


def schedule_of(instance: Instance) -> Schedule:
    """Return an instance's schedule; raise InvalidInputError for one that cannot be read."""
    return Schedule.parse(instance.frequency, instance.frequency_details, instance.time_zone)


def _start(instance_id: str, *, open_uow: OpenUow, moment: datetime) -> Job | None:
    """Move an instance on to its next occurrence; return the job to queue for this one, if any."""
    with open_uow() as uow:
        # A run that ends locks its job first and the state then: asking in the same order, two
        # units of work never wait for each other.
        is_busy = uow.jobs.find_open(instance_id) is not None
        state = uow.instances.get_state(instance_id)  # ours until the end
        if not is_due(state.next_sync_at, moment):
            return None  # another tick, or a person who changed the schedule, was faster
        try:
            instance = uow.instances.get(instance_id, profile_id=None)
        except NotFoundError:
            return None
        if instance.status is not InstanceStatus.ACTIVE:
            return None
        try:
            next_at = plan_next(instance, now=moment)
        except InvalidInputError as error:
            _suspend(uow, state, error, moment)
            uow.commit()
            return None
        uow.instances.save_state(replace(state, next_sync_at=next_at), now=moment)
        job = None
        if next_at is None:
            _log.warning("It was due, but syncs by hand only: nothing is started.")
        elif is_busy:
            _log.info("Due since %s, but its last job is unfinished: skipped.", state.next_sync_at)
        else:
            job = scheduled_job(instance_id, moment)
            try:
                uow.jobs.add(job)
            except ConflictError:
                return None  # somebody asked for a sync just now: it is still due, the next tick
        uow.commit()
        return job


def scheduled_job(instance_id: str, moment: datetime) -> Job:
    """Return a job that nobody asked for: it starts `jitter_of` the instance later."""
    return Job(
        id=new_id(),
        instance_id=instance_id,
        mode=Mode.INCREMENTAL,
        trigger=JobTrigger.SCHEDULED,
        not_before=moment + jitter_of(instance_id),
        created_at=moment,
        updated_at=moment,
    )


def _suspend(
    uow: UnitOfWork, state: InstanceState, error: InvalidInputError, moment: datetime
) -> None:
    """Take an instance whose stored schedule cannot be read out of the line, for a person to see.

    Schedules are checked when they are saved: this one was changed by other means, or its zone has
    left the tz database. Left due, it would stand first in line for ever.
    """
    _log.error("Its schedule is stopped: %s", error)
    text = f"{error} Save the schedule again."
    uow.instances.save_state(replace(state, next_sync_at=None, last_error=text), now=moment)
    uow.instances.set_status(
        state.instance_id, InstanceStatus.ERROR, StatusReason.SYNC_FAILED.value, now=moment
    )
