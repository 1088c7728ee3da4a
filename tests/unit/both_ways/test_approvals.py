"""Many deletes in a sync both ways: which of them are asked about, and what an answer allows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from shared.domain.checkpoints import Mode
from shared.domain.conflicts import ConflictStatus
from shared.domain.jobs import Job, JobStatus
from shared.domain.paging import ListQuery
from shared.domain.policies import ConflictPolicy, Policies
from shared.domain.profiles import Caller
from shared.services.approvals import approve_job
from shared.services.sync_configs import save_sync_config
from tests.both_ways_kit import BothWays, both_ways
from tests.factories import make_caller
from tests.sandbox_kit import Running

COUNT = 20


@contextmanager
def many(
    folder: Path, sandbox: Running, policy: ConflictPolicy = ConflictPolicy.NEWEST
) -> Iterator[BothWays]:
    """Give a pair of twenty records in step of which a tenth may go without asking."""
    with both_ways(folder, sandbox, percent=10, policy=policy) as pair:
        for number in range(COUNT):
            pair.add_task(f"Task {number}")
        pair.sync()
        yield pair


def remove_tasks(pair: BothWays, *numbers: int) -> None:
    tasks = pair.tasks()
    for number in numbers:
        pair.remove_task(tasks[f"Task {number}"]["id"])


def remove_records(pair: BothWays, *numbers: int) -> None:
    records = pair.records()
    pair.edit(delete=[records[f"Task {number}"].id for number in numbers])


def run(pair: BothWays, job: Job) -> Job:
    pair.sync(job)
    return pair.world.job(job.id)


def caller(pair: BothWays) -> Caller:
    with pair.world.database.open_uow(read_only=True) as uow:
        profile = uow.profiles.get(pair.instance.profile_id)
    return make_caller(subject=profile.subject)


def approve(pair: BothWays, job: Job) -> Job:
    world = pair.world
    return approve_job(
        job.id,
        caller=caller(pair),
        open_uow=world.database.open_uow,
        queue=world.queue,
        now=world.clock,
    )


def test_an_approval_is_of_the_number_it_was_asked_for(tmp_path: Path, sandbox: Running) -> None:
    """Eight deletes in LinkHub were approved: eight more at the provider are another question."""
    with many(tmp_path, sandbox) as pair:
        remove_tasks(pair, *range(8))
        remove_records(pair, *range(8, 16))
        job = run(pair, pair.world.add_job(pair.instance, mode=Mode.FULL))
        assert "would delete 8 of 20 records in LinkHub" in job.error_message
        assert (job.asked_deletes, job.approved_deletes) == (8, 0)
        again = run(pair, approve(pair, job))
        assert again.status is JobStatus.WAITING_APPROVAL
        assert "would delete 16 of 20 records" in again.error_message
        assert "8 of them are approved" in again.error_message
        assert (len(pair.tasks()), len(pair.records())) == (12, 4)
        done = run(pair, approve(pair, again))
        assert (done.status, done.approved_deletes) == (JobStatus.SUCCESS, 16)
        assert len(pair.tasks()) == 4
        pair.assert_in_step()
        pair.assert_quiet()


def test_what_both_sides_have_lost_is_not_asked_about(tmp_path: Path, sandbox: Running) -> None:
    """There is nothing left to delete."""
    with many(tmp_path, sandbox) as pair:
        remove_tasks(pair, *range(8))
        remove_records(pair, *range(8))
        job = run(pair, pair.world.add_job(pair.instance, mode=Mode.FULL))
        assert job.status is JobStatus.SUCCESS
        assert pair.world.log(job.id).tally.deleted == 0
        pair.assert_in_step()
        pair.assert_quiet()


def test_what_an_edit_keeps_is_not_asked_about(tmp_path: Path, sandbox: Running) -> None:
    """LinkHub's people have changed what somebody deleted at the provider: it comes back."""
    with many(tmp_path, sandbox) as pair:
        remove_tasks(pair, *range(8))
        for number in range(8):
            pair.edit_record(f"Task {number}", end_date="2026-12-24")
        job = run(pair, pair.world.add_job(pair.instance, mode=Mode.FULL))
        assert job.status is JobStatus.SUCCESS
        assert len(pair.tasks()) == COUNT
        pair.assert_in_step()


def test_the_question_names_what_the_merge_leaves(tmp_path: Path, sandbox: Running) -> None:
    """Of ten that the provider has lost, LinkHub has lost four itself."""
    with many(tmp_path, sandbox) as pair:
        remove_tasks(pair, *range(10))
        remove_records(pair, *range(4))
        job = run(pair, pair.world.add_job(pair.instance, mode=Mode.FULL))
        assert (job.status, job.asked_deletes) == (JobStatus.WAITING_APPROVAL, 6)
        assert len(pair.records()) == 16
        assert run(pair, approve(pair, job)).status is JobStatus.SUCCESS
        pair.assert_in_step()


@pytest.mark.parametrize(("direction", "status"), [("import", "obsolete"), ("export", "open")])
def test_conflicts_end_where_the_provider_alone_decides(
    tmp_path: Path, sandbox: Running, direction: str, status: str
) -> None:
    """No sync would look at them any more; an export does, and decides them."""
    with both_ways(tmp_path, sandbox, policy=ConflictPolicy.ASK) as pair:
        task = pair.add_task("Roof")
        pair.sync()
        pair.edit_record("Roof", name="Ours")
        pair.graph.edit(task, title="Theirs")
        pair.sync()
        (conflict,) = pair.conflicts()
        world = pair.world
        save_sync_config(
            pair.instance.id,
            direction=direction,
            frequency="manual",
            frequency_details={},
            time_zone=None,
            policies=Policies.from_json(pair.instance.policies),
            caller=caller(pair),
            expected=None,
            open_uow=world.database.open_uow,
            find_provider=world.connector.find_provider,
            now=world.clock,
        )
        with world.database.open_uow(read_only=True) as uow:
            part = uow.conflicts.list_page(pair.instance.profile_id, ListQuery())
            (found,) = part.items
        assert (found.id, found.status) == (conflict.id, ConflictStatus(status))
        assert (found.closed_at is None) == (status == "open")
