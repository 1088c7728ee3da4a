"""Taking back what a job did: its own writes when it fails for good, another job's on request.

Both go by the sink's journal (a warehouse: by the generations it keeps) and can be stopped and gone
on with at any point. Before a failed job takes its own writes back, that it failed is written into
the journal, so that whoever takes the job over goes on with that and not with the sync.
"""

from __future__ import annotations

import logging
import time
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING

from shared.domain.changes import RecordProblem
from shared.domain.ids import new_id
from shared.domain.jobs import Job
from shared.domain.journal import JournalAction, JournalEntry
from shared.domain.mapping import RecordMapper
from shared.domain.providers import Direction, ProviderSpec, SinkKind
from shared.domain.tallies import Tally
from shared.engine.heartbeat import Heartbeat
from shared.engine.sync import Ending, Outcome
from shared.errors import PermanentError
from shared.ports.sink import NoteStep, Restorable, Reversible, WriteResult
from shared.services.plans import SetUp
from shared.services.run_log import SqlRunLog
from shared.services.run_ports import RunPorts, SinkRequest

if TYPE_CHECKING:
    from shared.store.unit_of_work import UnitOfWork

_log = logging.getLogger(__name__)

_STAYS = (
    "Only LinkHub's side is taken back: what the sync wrote to the provider stays there, and so do "
    "the edits in LinkHub that it exported."
)


def undo_job(
    job: Job, *, set_up: SetUp, spec: ProviderSpec, run_log: SqlRunLog, ports: RunPorts
) -> Outcome:
    """Take the target of an UNDO job back, as far as the time budget allows.

    Counted are the records that are as before (success) and those that were left because somebody
    changed them since (warning); the log names the latter.
    """
    if spec.sink is SinkKind.WAREHOUSE:
        return _restore_tables(job, set_up=set_up, run_log=run_log, ports=ports)
    with ports.open_uow(read_only=True) as uow:
        log = uow.logs.find_by_job(job.id)
    tally = log.tally if log is not None else Tally()

    def note(uow: UnitOfWork, result: WriteResult) -> None:
        nonlocal tally
        tally += result.tally
        run_log.note(uow, tally, result.problems)

    ending = _take_back(
        job.target_job_id, job=job, set_up=set_up, run_log=run_log, ports=ports, note=note
    )
    return Outcome(ending=ending, mode=job.mode, tally=tally)


def mark_failed(job: Job, message: str, *, ports: RunPorts) -> bool:
    """Write down that a job has failed and is to be taken back; False where it has done nothing."""
    now = ports.now()
    with ports.open_uow() as uow:
        until = now + timedelta(seconds=ports.limits.lease_seconds)
        uow.jobs.renew_lease(job.id, job.run_id, until=until)
        if uow.journal.find_rollback(job.id) is not None:
            return True
        if not uow.journal.has_standing(job.id):
            return False
        uow.journal.add(
            [
                JournalEntry(
                    id=new_id(),
                    job_id=job.id,
                    sequence=uow.journal.next_sequence(job.id),
                    action=JournalAction.ROLLBACK,
                    before_image={"message": message},
                    created_at=now,
                    updated_at=now,
                )
            ]
        )
        uow.commit()
    return True


def failure_of(job: Job, *, ports: RunPorts) -> PermanentError | None:
    """Return why a job that is being taken back has failed, None where it has not."""
    with ports.open_uow(read_only=True) as uow:
        entry = uow.journal.find_rollback(job.id)
    if entry is None or entry.before_image is None:
        return None
    return PermanentError(str(entry.before_image["message"]))


def roll_back(job: Job, *, set_up: SetUp, run_log: SqlRunLog, ports: RunPorts) -> Ending:
    """Take a failed job's own writes back, as far as the time budget allows.

    Its counts stay as they are; the log names what was left.
    """

    def note(uow: UnitOfWork, result: WriteResult) -> None:
        run_log.note(uow, None, result.problems)

    _log.warning("The job has failed: what it wrote is taken back.")
    return _take_back(
        job.id, job=job, set_up=set_up, run_log=run_log, ports=ports, note=note, stoppable=False
    )


def _take_back(
    target_job_id: str,
    *,
    job: Job,
    set_up: SetUp,
    run_log: SqlRunLog,
    ports: RunPorts,
    note: NoteStep,
    stoppable: bool = True,
) -> Ending:
    deadline = time.monotonic() + ports.limits.budget_seconds
    if set_up.instance.sync_direction is not Direction.IMPORT:
        _tell_what_stays(job, run_log=run_log, ports=ports)
    with Heartbeat(run_log, interval=ports.limits.heartbeat_seconds) as heartbeat:
        request = SinkRequest(
            set_up=set_up,
            job=job,
            # nothing is mapped: what is to be written stands in the journal
            mapper=RecordMapper.compile(()),
            run_log=run_log,
            sleep=heartbeat.sleep,
        )
        with closing(ports.open_sink(request)) as sink:
            if not isinstance(sink, Reversible):
                raise PermanentError("What this job did was not written down: it stays.")
            for _ in sink.take_back(target_job_id, note=note):
                heartbeat.check()
                if run_log.heartbeat() and stoppable:
                    return Ending.CANCELLED
                if time.monotonic() >= deadline:
                    return Ending.PAUSED
    return Ending.COMPLETED


def _tell_what_stays(job: Job, *, run_log: SqlRunLog, ports: RunPorts) -> None:
    """Have the log say, once, that only LinkHub's side is taken back."""
    problem = RecordProblem(stream="", key="", message=_STAYS, severity="warning")
    with ports.open_uow() as uow:
        until = ports.now() + timedelta(seconds=ports.limits.lease_seconds)
        uow.jobs.renew_lease(job.id, job.run_id, until=until)
        run_log.note(uow, None, [problem])
        uow.commit()


def _restore_tables(job: Job, *, set_up: SetUp, run_log: SqlRunLog, ports: RunPorts) -> Outcome:
    with Heartbeat(run_log, interval=ports.limits.heartbeat_seconds) as heartbeat:
        request = SinkRequest(
            set_up=set_up, job=job, mapper=None, run_log=run_log, sleep=heartbeat.sleep
        )
        with closing(ports.open_sink(request)) as sink:
            if not isinstance(sink, Restorable):
                raise PermanentError("This warehouse keeps no generation to go back to.")
            restored = sink.restore_generations(job.target_job_id, undo_job_id=job.id)
    run_log.record(Tally(), restored.problems)
    return Outcome(ending=Ending.COMPLETED, mode=job.mode, tally=Tally())
