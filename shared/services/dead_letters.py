"""Rung three and four of the retries: poison messages, and the people who replay them."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from shared.domain.ids import new_id
from shared.domain.instances import StatusReason
from shared.domain.jobs import DeadLetter, DeadLetterState, Job, JobKind, JobStatus, JobTrigger
from shared.domain.messages import parse_message
from shared.domain.paging import ListQuery, Slice
from shared.domain.profiles import Caller
from shared.errors import (
    ConflictError,
    ForbiddenError,
    NotFoundError,
    PermanentError,
    TransientError,
)
from shared.ports.queue import JobQueue
from shared.services.audit import record_act
from shared.services.deps import Now, OpenUow
from shared.services.jobs import enqueue
from shared.services.notifications import mark_broken
from shared.services.run_log import elapsed_ms
from shared.services.settlements import BUG

if TYPE_CHECKING:
    from shared.store.unit_of_work import UnitOfWork

_log = logging.getLogger(__name__)

_BODY_KEPT = 2000


def take_poison(
    body: bytes,
    *,
    queue_name: str,
    redrive_delays: Sequence[float],
    open_uow: OpenUow,
    queue: JobQueue,
    now: Now,
) -> None:
    """Record the dead letter; run a transient failure again later, else mark job and instance.

    Transient is also what left no error: workers that died in the middle, or a database that could
    not be asked. `redrive_delays` are the seconds before each further drive; once they are used up
    the failure counts as final. A job whose worker died is driven again at once: a whole lease has
    gone by since. A letter that comes twice (a poison copy can be doubled) is one letter, and
    changes nothing while the job waits for its next drive. Raises ConflictError while the job is
    alive: the letter is to come again when its lease has ended.
    """
    moment = now()
    try:
        job_id = parse_message(body)
    except PermanentError as error:
        with open_uow() as uow:
            uow.dead_letters.upsert(_unreadable(body, str(error), queue_name, moment))
            uow.commit()
        return
    with open_uow() as uow:
        try:
            job = uow.jobs.get(job_id)
        except NotFoundError:
            _log.warning("Poison message dropped: there is no job %s.", job_id)
            return
        if job.is_final or job.status is JobStatus.WAITING_APPROVAL:
            _log.info("Poison message dropped: job %s is %s.", job_id, job.status.value)
            return
        if job.not_before is not None and job.not_before > moment:
            _log.info("Poison message dropped: job %s has a later one on its way.", job_id)
            return
        has_died = job.status is JobStatus.RUNNING
        is_transient = has_died or job.error_class in {"", TransientError.kind}
        is_again = is_transient and job.redrives < len(redrive_delays)
        state = DeadLetterState.REPLAYED if is_again else DeadLetterState.OPEN
        letter = uow.dead_letters.upsert(_letter(job, body, queue_name, state, moment))
        if letter.state is not state:  # an earlier letter of the same attempt
            uow.dead_letters.set_state(letter.id, state, now=moment)
        delay = redrive_delays[job.redrives] if is_again and not has_died else 0.0
        if is_again:
            uow.jobs.redrive(job.id, not_before=moment + timedelta(seconds=delay), now=moment)
        else:
            _give_up(uow, job, moment)
        uow.commit()
    if is_again:
        enqueue(job, open_uow=open_uow, queue=queue, now=now, delay=delay)


def list_dead_letters(query: ListQuery, *, caller: Caller, open_uow: OpenUow) -> Slice[DeadLetter]:
    """Return a page of all dead letters, newest first; for admins."""
    require_admin(caller)
    with open_uow(read_only=True) as uow:
        return uow.dead_letters.list_page(query)


def replay_dead_letter(
    letter_id: str, *, caller: Caller, open_uow: OpenUow, queue: JobQueue, now: Now
) -> Job:
    """Queue the letter's sync again as a job of its own; return it. For admins.

    Raises ConflictError for a letter that is settled already or names no job.
    """
    require_admin(caller)
    moment = now()
    with open_uow() as uow:
        letter = uow.dead_letters.get(letter_id)
        if letter.state is not DeadLetterState.OPEN:
            raise ConflictError(f"This dead letter is {letter.state.value} already.")
        if not letter.job_id:
            raise ConflictError("This message could not be read, so there is no job to replay.")
        old = uow.jobs.get(letter.job_id)
        instance = uow.instances.get(old.instance_id, profile_id=None)
        job = uow.jobs.find_open(old.instance_id)
        if job is not None and job.kind is not old.kind:
            raise ConflictError(f"{instance.name} is busy with another job: try again soon.")
        if job is None:
            job = Job(
                id=new_id(),
                instance_id=old.instance_id,
                kind=old.kind,
                mode=old.mode,
                trigger=JobTrigger.REPLAY,
                target_job_id=old.target_job_id,
                target_record_id=old.target_record_id,
                created_at=moment,
                updated_at=moment,
            )
            uow.jobs.add(job)
        uow.dead_letters.set_state(letter.id, DeadLetterState.REPLAYED, now=moment)
        record_act(
            uow,
            caller,
            profile_id=instance.profile_id,
            action="dead_letter.replay",
            target=letter.id,
            after={"job": job.id},
            now=moment,
        )
        uow.commit()
    if job.enqueued_at is None:
        enqueue(job, open_uow=open_uow, queue=queue, now=now)
    return job


def require_admin(caller: Caller) -> None:
    """Raise ForbiddenError unless a role claim makes the caller an admin."""
    if not caller.is_admin:
        raise ForbiddenError("This needs the admin role.")


def _give_up(uow: UnitOfWork, job: Job, moment: datetime) -> None:
    uow.jobs.fail(job.id, error_class=job.error_class, error_message=job.error_message, now=moment)
    log = uow.logs.find_by_job(job.id)
    if log is not None:
        uow.logs.finish(
            job.id,
            status=JobStatus.FAILED.value,
            success=False,
            error_message=job.error_message,
            error_stack_trace=log.error_stack_trace,
            duration_ms=elapsed_ms(job, moment),
            now=moment,
        )
    if job.kind is not JobKind.SYNC or job.target_record_id:
        return
    state = uow.instances.get_state(job.instance_id)
    uow.instances.save_state(
        replace(state, last_error=job.error_message, failures_in_a_row=state.failures_in_a_row + 1),
        now=moment,
    )
    # What a bug says of itself is for us, not for the profile's people.
    detail = "" if job.error_class == BUG else job.error_message
    mark_broken(uow, job.instance_id, StatusReason.DEAD_LETTER, detail=detail, now=moment)


def _letter(
    job: Job, body: bytes, queue_name: str, state: DeadLetterState, moment: datetime
) -> DeadLetter:
    return DeadLetter(
        id=new_id(),
        job_id=job.id,
        attempt=job.attempts,
        body_hash="",
        queue=queue_name,
        body=body.decode("utf-8", "replace")[:_BODY_KEPT],
        error_class=job.error_class,
        error=job.error_message or "The run ended without telling why: its worker stopped.",
        state=state,
        created_at=moment,
        updated_at=moment,
    )


def _unreadable(body: bytes, why: str, queue_name: str, moment: datetime) -> DeadLetter:
    """Return the letter of a message nobody here wrote; its text may be anything: not kept."""
    return DeadLetter(
        id=new_id(),
        job_id="",
        attempt=0,
        body_hash=hashlib.sha256(body).hexdigest(),
        queue=queue_name,
        body="",
        error_class=PermanentError.kind,
        error=why,
        state=DeadLetterState.OPEN,
        created_at=moment,
        updated_at=moment,
    )
