"""Jobs that ask a person before they go on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.domain.jobs import Job, JobStatus
from shared.domain.notifications import NoticeStatus, NotificationEvent
from shared.errors import ApprovalNeededError, ConflictError, NotFoundError
from shared.services.approvals import approve_job, reject_job
from shared.services.outbox import send_due
from shared.services.runs import SinkRequest
from tests.factories import make_caller, make_job
from tests.fakes import FakeSink
from tests.mail_kit import FakeMailer, notices_of
from tests.world import World, world

__all__ = ["world"]

QUESTION = "This sync would delete 40 of 100 records."


def asked(world: World) -> Job:
    """Return a job whose run asks before it writes anything, unless it is approved."""

    def make_sink(request: SinkRequest) -> FakeSink:
        if request.job.approved_at is None:
            raise ApprovalNeededError(QUESTION)
        return FakeSink(world.store, run_id=request.job.run_id)

    world.make_sink = make_sink
    job = world.add_job()
    world.run(job)
    return job


def approve(world: World, job: Job) -> Job:
    return approve_job(
        job.id,
        caller=world.caller,
        open_uow=world.database.open_uow,
        queue=world.queue,
        now=world.clock,
    )


def reject(world: World, job: Job) -> Job:
    return reject_job(
        job.id,
        caller=world.caller,
        open_uow=world.database.open_uow,
        queue=world.queue,
        now=world.clock,
    )


def test_a_job_that_asks_waits_and_says_why(world: World) -> None:
    """Its lease has ended, job and log tell the question, and nobody broke anything."""
    job = world.job(asked(world).id)
    log = world.log(job.id)
    assert (job.status, job.lease_expires_at, job.finished_at) == (
        JobStatus.WAITING_APPROVAL,
        None,
        None,
    )
    assert (job.error_class, job.error_message) == ("approval_needed", QUESTION)
    assert (log.status, log.success, log.error_message) == ("waiting_approval", False, QUESTION)
    assert log.error_stack_trace == ""
    assert world.instance(job.instance_id).status_reason == ""
    assert world.store.rows == {}


def test_its_message_is_dropped_while_it_waits(world: World) -> None:
    """A message that comes again starts nothing, and no other one is sent."""
    job = asked(world)
    world.run(job)
    assert world.job(job.id).status is JobStatus.WAITING_APPROVAL
    assert world.queue.sent == []


def test_an_approved_job_goes_on_and_is_not_asked_again(world: World) -> None:
    """It is queued, its log is open again, and its run ends as if nothing had been asked."""
    job = asked(world)
    approved = approve(world, job)
    assert (approved.status, approved.approved_at) == (JobStatus.PENDING, world.clock())
    assert (approved.error_message, world.log(job.id).error_message) == ("", "")
    assert world.log(job.id).status == "running"
    assert world.queue.sent == [(job.id, False, 0)]
    world.run(job)
    assert world.job(job.id).status is JobStatus.SUCCESS
    assert len(world.store.rows) == 4


def test_a_rejected_job_is_cancelled_and_does_nothing(world: World) -> None:
    """Job and log end cancelled; the question stays readable; its message finds nothing to do."""
    job = asked(world)
    rejected = reject(world, job)
    assert (rejected.status, rejected.finished_at) == (JobStatus.CANCELLED, world.clock())
    assert rejected.error_message == QUESTION
    assert world.log(job.id).status == "cancelled"
    assert world.queue.sent == [(job.id, False, 0)]
    world.run(job)
    assert world.job(job.id) == replace(rejected, enqueued_at=world.clock())
    assert (world.store.rows, len(world.queue.sent)) == ({}, 1)


@pytest.mark.parametrize("answer", [approve, reject])
@pytest.mark.parametrize(
    "status",
    [status for status in JobStatus if status is not JobStatus.WAITING_APPROVAL],
)
def test_only_a_job_that_waits_can_be_answered(
    world: World, status: JobStatus, answer: object
) -> None:
    """Every other state conflicts and stays as it is."""
    job = world.add_job(status=status)
    with pytest.raises(ConflictError, match=status.value):
        answer(world, job)  # type: ignore[operator]
    assert world.job(job.id) == job
    assert world.queue.sent == []


@pytest.mark.parametrize("answer", [approve, reject])
def test_another_profiles_job_is_unknown(world: World, answer: object) -> None:
    """Whoever it does not belong to finds nothing, and it goes on waiting."""
    job = asked(world)
    world.add_profile(subject="bob")
    bob = make_caller(subject="bob")
    with pytest.raises(NotFoundError):
        approve_job(
            job.id,
            caller=bob,
            open_uow=world.database.open_uow,
            queue=world.queue,
            now=world.clock,
        )
    with pytest.raises(NotFoundError):
        reject_job(
            job.id,
            caller=bob,
            open_uow=world.database.open_uow,
            queue=world.queue,
            now=world.clock,
        )
    assert world.job(job.id).status is JobStatus.WAITING_APPROVAL


def test_a_job_that_is_to_stop_anyway_does_not_ask(world: World) -> None:
    """Where somebody cancelled while it ran, it is cancelled."""
    job = world.add_job()

    def make_sink(request: SinkRequest) -> FakeSink:
        with world.database.open_uow() as uow:
            uow.jobs.request_cancel(request.job.id, now=world.clock())
            uow.commit()
        raise ApprovalNeededError(QUESTION)

    world.make_sink = make_sink
    world.run(job)
    assert world.job(job.id).status is JobStatus.CANCELLED


def test_people_are_told_once_by_mail(world: World) -> None:
    """The mail brings the question, and leaves only while it is still asked."""
    job = asked(world)
    [notice] = notices_of(world.database, job.instance_id, NotificationEvent.APPROVAL_NEEDED)
    assert notice.detail == QUESTION
    mailer = FakeMailer()
    world.clock.move(hours=1)
    send_due(open_uow=world.database.open_uow, mailer=mailer, now=world.clock)
    assert "Approval needed" in mailer.sent[0].subject
    assert QUESTION in mailer.sent[0].text


def test_what_was_answered_in_time_is_not_mailed(world: World) -> None:
    """A question that was rejected before its mail was due is dropped."""
    job = asked(world)
    reject(world, job)
    world.clock.move(hours=1)
    mailer = FakeMailer()
    send_due(open_uow=world.database.open_uow, mailer=mailer, now=world.clock)
    assert mailer.sent == []
    [notice] = notices_of(world.database, job.instance_id, NotificationEvent.APPROVAL_NEEDED)
    assert notice.status is NoticeStatus.DROPPED


def test_only_a_job_that_had_asked_counts_as_rejected(world: World) -> None:
    """What one has read that was merely cancelled is gone on with by the next."""
    asking = asked(world)
    assert not world.job(asking.id).is_rejected
    with world.database.open_uow() as uow:
        uow.jobs.request_cancel(asking.id, now=world.clock())  # an answer too
        waiting = make_job(instance_id=asking.instance_id)
        uow.jobs.add(waiting)
        uow.jobs.request_cancel(waiting.id, now=world.clock())
        uow.commit()
    assert world.job(asking.id).is_rejected
    assert world.job(waiting.id).status is JobStatus.CANCELLED
    assert not world.job(waiting.id).is_rejected
