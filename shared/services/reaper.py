"""Jobs that nothing would run any more: dead leases, lost messages."""

from __future__ import annotations

import logging
from datetime import timedelta

from shared.ports.queue import JobQueue
from shared.services.deps import Now, OpenUow
from shared.services.jobs import enqueue

_log = logging.getLogger(__name__)

MESSAGE_LOST_AFTER = timedelta(minutes=5)
"""A due job whose message was sent longer ago than this is sent again: twice does no harm."""

_BATCH = 100


def reap(*, open_uow: OpenUow, queue: JobQueue, now: Now) -> int:
    """Queue every job again whose run died or whose message never came; return how many.

    A queue that is down is not asked for each of them: the next tick is soon.
    """
    moment = now()
    with open_uow(read_only=True) as uow:
        jobs = uow.jobs.list_reapable(
            now=moment, enqueued_before=moment - MESSAGE_LOST_AFTER, limit=_BATCH
        )
    for queued, job in enumerate(jobs):
        _log.warning("Job %s is %s and nobody runs it: queued again.", job.id, job.status.value)
        if not enqueue(job, open_uow=open_uow, queue=queue, now=now):
            return queued
    return len(jobs)
