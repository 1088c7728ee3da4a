"""Dropping what a rejected job has staged in a warehouse, as soon as its message comes round."""

from __future__ import annotations

import logging
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

from shared.domain.checkpoints import Checkpoint, Mode, SavedCheckpoint, Stage
from shared.domain.ids import new_id
from shared.domain.jobs import Job, JobKind
from shared.domain.providers import SinkKind
from shared.domain.tallies import Tally
from shared.errors import NotFoundError, SyncError
from shared.services.plans import load_set_up, scopes_of
from shared.services.run_log import SqlRunLog
from shared.services.run_ports import SinkRequest

if TYPE_CHECKING:
    from shared.ports.sink import Sink
    from shared.services.run_ports import RunPorts

_log = logging.getLogger(__name__)


def drop_staged(job: Job, *, ports: RunPorts) -> None:
    """Let a warehouse drop the tables a rejected job has staged; what is live stays.

    Nothing happens where another job of the instance has begun: it drops them itself. A warehouse
    that cannot be reached keeps them until the next job.
    """
    if job.kind is not JobKind.SYNC:
        return
    try:
        _drop(job, ports=ports)
    except (SyncError, NotFoundError) as error:
        _log.warning("What a rejected job has staged stays until the next one: %s", error)


def _drop(job: Job, *, ports: RunPorts) -> None:
    with ports.open_uow(read_only=True) as uow:
        if uow.jobs.find_open(job.instance_id) is not None:
            return
        set_up = load_set_up(uow, job.instance_id)
    spec = ports.connector.find_provider(set_up.instance.provider).spec
    if spec.sink is not SinkKind.WAREHOUSE:
        return
    run = replace(job, run_id=new_id())
    run_log = SqlRunLog(
        run,
        log_id="",
        open_uow=ports.open_uow,
        lease_seconds=ports.limits.lease_seconds,
        records_cap=0,
        now=ports.now,
    )
    request = SinkRequest(
        set_up=set_up, job=run, mapper=None, run_log=run_log, sleep=lambda _seconds: None
    )
    with closing(ports.open_sink(request)) as sink:
        for scope in scopes_of(set_up, spec):
            _begin_afresh(sink, scope, job.id)


def _begin_afresh(sink: Sink, scope: str, job_id: str) -> None:
    """Begin the scope from nothing, which voids what is staged, if this job was the last there."""
    saved = sink.load(scope)
    if saved is None or saved.job_id != job_id or saved.stage is Stage.FINISHED:
        return
    afresh = SavedCheckpoint(
        checkpoint=Checkpoint(),
        fingerprint=saved.fingerprint,
        mode=Mode.FULL,
        stage=Stage.READING,
        job_id=job_id,
        tally=Tally(),
    )
    sink.begin(scope, afresh)
    _log.info("What the rejected job has staged was dropped.")
