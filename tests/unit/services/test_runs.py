from __future__ import annotations

import logging
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.domain.checkpoints import Mode
from shared.domain.instances import InstanceStatus
from shared.domain.jobs import JobStatus
from shared.domain.tallies import Tally
from shared.errors import AuthError, LeaseLostError, PermanentError, TransientError
from shared.services.runs import SinkRequest, run_job
from tests.fakes import FakeSink, FakeSource, PowerCutError
from tests.world import SECRET, World, world

__all__ = ["world"]


def test_a_job_runs_to_success(world: World) -> None:
    """A pending job is claimed, synced, logged and closed; its instance is well."""
    job = world.add_job()
    world.run(job)
    done, log = world.job(job.id), world.log(job.id)
    assert (done.status, done.mode, done.attempts) == (JobStatus.SUCCESS, Mode.FULL, 0)
    assert (log.status, log.success, log.tally) == ("success", True, Tally(success=4))
    assert log.mode is Mode.FULL
    assert world.instance(job.instance_id).status is InstanceStatus.ACTIVE
    assert world.source.closed == 1


def test_a_job_with_bad_records_is_partial(world: World) -> None:
    """One failed record makes the job partial, never green, and stands in the log by name."""
    job = world.add_job()
    world.make_sink = lambda request: FakeSink(
        world.store, run_id=request.job.run_id, bad_keys=frozenset({"2"})
    )
    world.run(job)
    log = world.log(job.id)
    assert world.job(job.id).status is JobStatus.PARTIAL
    assert (log.status, log.success, log.tally.error) == ("partial", False, 1)


def test_a_second_message_for_a_finished_job_is_dropped(world: World) -> None:
    """At-least-once delivery runs a job once."""
    job = world.add_job()
    world.run(job)
    world.run(job)
    assert len(world.source.reads) == 1
    assert world.queue.sent == []


def test_a_message_for_no_job_is_dropped(world: World) -> None:
    """An id nobody knows is not an error: its message goes away."""
    run_job("no-such-job", ports=world.ports)
    assert world.queue.sent == []


def test_a_job_alive_elsewhere_is_sent_again_for_when_its_lease_ends(world: World) -> None:
    """A message that meets a running job comes back when the lease could be dead."""
    job = world.add_job(
        status=JobStatus.RUNNING,
        run_id="other",
        lease_expires_at=world.clock() + timedelta(seconds=90),
    )
    world.run(job)
    assert world.queue.sent == [(job.id, False, 90.0)]
    assert world.source.reads == []


def test_a_dead_run_is_taken_over(world: World) -> None:
    """A job whose lease ran out belongs to whoever claims it next."""
    job = world.add_job(
        status=JobStatus.RUNNING,
        run_id="dead",
        lease_expires_at=world.clock() - timedelta(seconds=1),
    )
    world.run(job)
    assert world.job(job.id).status is JobStatus.SUCCESS


def test_a_transient_failure_counts_an_attempt_and_is_raised(world: World) -> None:
    """The host gets the error, so that it brings the message again; the lease has ended."""
    job = world.add_job()
    world.source.fail_at = {2: TransientError("HubSpot answers 503")}
    with pytest.raises(TransientError, match="503"):
        world.run(job)
    failed = world.job(job.id)
    assert (failed.status, failed.attempts) == (JobStatus.PENDING, 1)
    assert (failed.error_class, failed.error_message) == ("transient", "HubSpot answers 503")
    world.run(job)
    assert world.log(job.id).tally == Tally(success=4)
    assert len(world.store.rows) == 4


def test_a_known_longer_wait_burns_no_attempt(world: World) -> None:
    """Retry-After beyond the host's own delay becomes a delayed message and a clean return."""
    job = world.add_job()
    world.source.fail_at = {0: TransientError("quota", retry_after=3600)}
    world.run(job)
    waiting = world.job(job.id)
    assert (waiting.status, waiting.attempts) == (JobStatus.PENDING, 0)
    assert waiting.not_before == world.clock() + timedelta(hours=1)
    assert world.queue.sent == [(job.id, False, 3600)]
    world.run(job)
    assert world.queue.sent[1:] == [(job.id, False, 3600)], "too early: sent again for later"


@pytest.mark.parametrize("asked", [86_401.0, 1e17, float("inf")])
def test_no_wait_is_longer_than_a_day(world: World, asked: float) -> None:
    """A Retry-After of years, by mistake or malice, parks a job for a day and breaks no date."""
    job = world.add_job()
    world.source.fail_at = {0: TransientError("quota", retry_after=asked)}
    world.run(job)
    assert world.job(job.id).not_before == world.clock() + timedelta(days=1)
    assert world.queue.sent == [(job.id, False, 86_400)]


def test_refused_credentials_ask_for_a_reconnect(world: World) -> None:
    """An auth failure fails the job at once and says what the instance needs."""
    job = world.add_job()
    world.source.fail_at = {0: AuthError("the token was revoked")}
    world.run(job)
    instance = world.instance(job.instance_id)
    assert world.job(job.id).status is JobStatus.FAILED
    assert (instance.status, instance.status_reason) == (InstanceStatus.ERROR, "needs_reconnect")


def test_a_permanent_failure_fails_the_job_at_once(world: World) -> None:
    """What retrying cannot help is not retried, and the reason stands in job, log and state."""
    job = world.add_job()
    world.source.fail_at = {0: PermanentError("the export is corrupt")}
    world.run(job)
    assert world.job(job.id).error_message == "the export is corrupt"
    assert world.log(job.id).error_message == "the export is corrupt"
    assert world.instance(job.instance_id).status_reason == "sync_failed"


def test_the_next_good_sync_heals_the_instance(world: World) -> None:
    """Status `error` goes away by itself once a sync succeeds."""
    instance = world.add_instance(status=InstanceStatus.ERROR, status_reason="sync_failed")
    world.run(world.add_job(instance))
    assert world.instance(instance.id).status is InstanceStatus.ACTIVE


def test_a_bug_is_counted_and_raised_without_its_secrets(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """An unexpected exception is retried by the host; secrets in it are struck out everywhere."""
    job = world.add_job()
    world.source.fail_at = {0: KeyError(f"header {SECRET}")}
    with caplog.at_level(logging.DEBUG), pytest.raises(RuntimeError) as raised:
        world.run(job)
    failed = world.job(job.id)
    assert (failed.attempts, failed.error_class) == (1, "bug")
    assert "KeyError" in failed.error_message
    for text in (failed.error_message, str(raised.value), caplog.text):
        assert SECRET not in text


def test_a_run_that_lost_its_lease_writes_nothing_more(world: World) -> None:
    """Fencing is quiet: the message goes, the other run's job is untouched."""
    job = world.add_job()

    def lose(request: SinkRequest) -> FakeSink:
        def cut(step: str) -> None:
            if step == "commit":
                raise LeaseLostError("taken")

        return FakeSink(world.store, run_id=request.job.run_id, cut=cut)

    world.make_sink = lose
    world.run(job)
    assert world.job(job.id).status is JobStatus.RUNNING
    assert world.store.rows == {}


def test_a_settlement_after_the_lease_was_taken_changes_nothing(world: World) -> None:
    """A slow run that ends after another took its job cannot close it."""
    job = world.add_job()

    def steal(request: SinkRequest) -> FakeSink:
        def cut(step: str) -> None:
            if step == "finished":
                world.clock.move(hours=1)
                with world.database.open_uow() as uow:
                    until = world.clock() + timedelta(minutes=3)
                    uow.jobs.claim(job.id, run_id="thief", now=world.clock(), lease_until=until)
                    uow.commit()

        return FakeSink(world.store, run_id=request.job.run_id, cut=cut)

    world.make_sink = steal
    world.run(job)
    assert (world.job(job.id).status, world.job(job.id).run_id) == (JobStatus.RUNNING, "thief")


def test_a_power_cut_leaves_a_job_the_next_claim_finishes(world: World) -> None:
    """A killed run leaves its lease; once that is dead the job goes on after the last page."""
    job = world.add_job()

    def cut_off(request: SinkRequest) -> FakeSink:
        def cut(step: str) -> None:
            if step == "committed":
                raise PowerCutError

        return FakeSink(world.store, run_id=request.job.run_id, cut=cut)

    world.make_sink = cut_off
    with pytest.raises(PowerCutError):
        world.run(job)
    world.make_sink = None
    world.clock.move(minutes=4)
    world.run(job)
    assert world.job(job.id).status is JobStatus.SUCCESS
    assert world.log(job.id).tally == Tally(success=4)


def test_a_cancel_reaches_a_running_job(world: World) -> None:
    """A job asked to cancel stops after its page and is final."""
    job = world.add_job()

    def cancel(request: SinkRequest) -> FakeSink:
        def cut(step: str) -> None:
            if step == "write":
                with world.database.open_uow() as uow:
                    uow.jobs.request_cancel(job.id, now=world.clock())
                    uow.commit()

        return FakeSink(world.store, run_id=request.job.run_id, cut=cut)

    world.make_sink = cancel
    world.run(job)
    assert world.job(job.id).status is JobStatus.CANCELLED
    assert len(world.store.rows) == 2


@pytest.mark.parametrize("wait", [None, 3600.0])
def test_a_cancelled_job_is_not_tried_again(world: World, wait: float | None) -> None:
    """A provider that is away keeps nobody from cancelling: no attempt and no message follows."""
    job = world.add_job()

    def fail(request: SinkRequest) -> FakeSink:
        with world.database.open_uow() as uow:
            uow.jobs.request_cancel(job.id, now=world.clock())
            uow.commit()
        raise TransientError("HubSpot is away", retry_after=wait)

    world.make_sink = fail
    world.run(job)
    assert (world.job(job.id).status, world.job(job.id).attempts) == (JobStatus.CANCELLED, 0)
    assert world.log(job.id).status == "cancelled"
    assert world.queue.sent == []


def test_a_job_whose_run_died_after_a_cancel_ends_with_the_next_claim(world: World) -> None:
    """Whoever takes over a dead run does what that one was asked to: stop."""
    job = world.add_job(
        status=JobStatus.RUNNING,
        run_id="dead",
        lease_expires_at=world.clock() - timedelta(seconds=1),
        cancel_requested_at=world.clock(),
    )
    world.run(job)
    assert world.job(job.id).status is JobStatus.CANCELLED
    assert world.source.reads == []


def test_the_time_budget_sends_the_message_again(world: World) -> None:
    """A run out of time ends its lease and queues itself; the next message finishes the job."""
    job = world.add_job()
    ports = world.ports
    run_job(job.id, ports=replace(ports, limits=replace(ports.limits, budget_seconds=0)))
    assert (world.job(job.id).status, world.job(job.id).attempts) == (JobStatus.PENDING, 0)
    assert world.queue.sent == [(job.id, False, 0)]
    world.run(job)
    assert world.job(job.id).status is JobStatus.SUCCESS
    assert len(world.store.sent) == 4


def test_a_deleted_instance_cancels_its_job(world: World) -> None:
    """A message that outlived its instance ends in a cancelled job, not in a poison queue."""
    job = world.add_job()
    with world.database.open_uow() as uow:
        uow.instances.soft_delete(job.instance_id, now=world.clock())
        uow.commit()
    world.run(job)
    assert world.job(job.id).status is JobStatus.CANCELLED


def test_lost_credentials_ask_for_a_reconnect(world: World) -> None:
    """An instance whose secret is gone from the vault needs a person."""
    job = world.add_job()
    world.vault.secrets.clear()
    world.run(job)
    assert world.instance(job.instance_id).status_reason == "needs_reconnect"


def test_a_source_without_a_watermark_never_goes_incremental(world: World) -> None:
    """A provider that cannot tell changes is read in full by every job."""
    world.spec = replace(world.spec, incremental=False)
    instance = world.add_instance()
    for _ in range(2):
        job = world.add_job(instance)
        world.run(job)
        assert world.job(job.id).mode is Mode.FULL
    assert world.source.reads == [None, None]
    assert isinstance(world.source, FakeSource)
