"""Watermarks that die unless they are used, used in time."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from shared.domain.instances import Instance, InstanceState, InstanceStatus
from shared.domain.jobs import Job
from shared.domain.schedules import jitter_of
from shared.errors import ConflictError
from shared.logs import bind
from shared.ports.provider import ProviderDefinition
from shared.ports.queue import JobQueue
from shared.services.deps import Now, OpenUow
from shared.services.jobs import enqueue
from shared.services.scheduling import scheduled_job

_log = logging.getLogger(__name__)

_IDLE: Final = 2 / 3
"""The part of its life after which a watermark is used: of three days one is left to try again."""
_AHEAD: Final = timedelta(hours=6)
"""A schedule that is due so long before the end is left to do it."""
_FAILURES: Final = 3
"""An instance that failed so often in a row is not tried again."""


def keep_alive(
    providers: Iterable[ProviderDefinition], *, open_uow: OpenUow, queue: JobQueue, now: Now
) -> int:
    """Queue a sync of each instance whose watermark would be lost before it syncs; return how many.

    Only active instances, whatever their schedule. A watermark that is lost already is left: the
    next sync reads everything. A job whose message could not be sent is left to the reaper.
    """
    started = 0
    for provider in providers:
        if provider.keeps_for is None:
            continue
        moment = now()
        with open_uow(read_only=True) as uow:
            idle = uow.instances.list_idle(
                provider.spec.slug,
                after=moment - provider.keeps_for,
                before=moment - provider.keeps_for * _IDLE,
            )
        for instance in idle:
            with bind(instance=instance.id):
                job = _start(instance, provider.keeps_for, open_uow=open_uow, moment=now())
                if job is None:
                    continue
                started += 1
                _log.info("Synced, so that the source keeps what the next sync goes on from.")
                delay = jitter_of(instance.id).total_seconds()
                enqueue(job, open_uow=open_uow, queue=queue, now=now, delay=delay)
    return started


def _start(
    instance: Instance, keeps_for: timedelta, *, open_uow: OpenUow, moment: datetime
) -> Job | None:
    """Add a job for an instance that needs one still."""
    with open_uow() as uow:
        if uow.jobs.find_open(instance.id) is not None:
            return None
        state = uow.instances.get_state(instance.id)
        found = uow.instances.get(instance.id, profile_id=None)
        if found.status is not InstanceStatus.ACTIVE or not _is_idle(state, keeps_for, moment):
            return None
        job = scheduled_job(instance.id, moment)
        try:
            uow.jobs.add(job)
        except ConflictError:
            return None
        uow.commit()
        return job


def _is_idle(state: InstanceState, keeps_for: timedelta, moment: datetime) -> bool:
    since, next_at = state.watermark_at, state.next_sync_at
    if since is None or state.failures_in_a_row >= _FAILURES:
        return False
    is_due_in_time = next_at is not None and next_at + _AHEAD <= since + keeps_for
    return moment - since >= keeps_for * _IDLE and not is_due_in_time
