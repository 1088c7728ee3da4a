"""Looking at a source's tables, as a job: some sources take minutes to tell."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from shared.domain.discoveries import Discovery, OfferedTable
from shared.domain.jobs import Job
from shared.engine.heartbeat import Heartbeat
from shared.services.connections import stored_credentials
from shared.services.plans import load_set_up
from shared.services.run_log import SqlRunLog

if TYPE_CHECKING:
    from shared.services.runs import RunPorts
    from shared.services.settlements import Settlement


def discover_tables(job: Job, *, ports: RunPorts, settlement: Settlement) -> None:
    """Ask the source what it offers and keep the answer beside the instance.

    Raises what the provider raises, and LeaseLostError where the job is another run's by now;
    then what was known before stays.
    """
    with ports.open_uow(read_only=True) as uow:
        set_up = load_set_up(uow, job.instance_id)
    credentials = stored_credentials(set_up.instance, set_up.state.secret_ref, vault=ports.vault)
    settlement.secrets = tuple(credentials.values.values())
    lease = SqlRunLog(
        job,
        log_id="",
        open_uow=ports.open_uow,
        lease_seconds=ports.limits.lease_seconds,
        records_cap=0,
        now=ports.now,
    )
    with Heartbeat(lease, interval=ports.limits.heartbeat_seconds) as heartbeat:
        connection = ports.connector.open(
            set_up.instance.provider,
            credentials=credentials,
            options=set_up.instance.options,
            sleep=heartbeat.sleep,
            account=set_up.state.account,
        )
        with closing(connection):
            streams = connection.discover()
    moment = ports.now()
    discovery = Discovery(
        instance_id=job.instance_id,
        tables=tuple(OfferedTable.of(stream) for stream in streams),
        discovered_at=moment,
    )
    with ports.open_uow() as uow:
        uow.jobs.renew_lease(job.id, job.run_id, until=lease.lease_until())
        uow.discoveries.save(discovery)
        uow.commit()
