"""One call of every method the repositories have, in an order that makes each do its work."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from shared.domain.audit import AuditEvent
from shared.domain.changes import RecordProblem
from shared.domain.checkpoints import Mode
from shared.domain.conflicts import ConflictStatus
from shared.domain.discoveries import Discovery, OfferedTable
from shared.domain.ids import new_id
from shared.domain.instances import Instance, InstanceStatus
from shared.domain.jobs import DeadLetter, DeadLetterState, Job, JobStatus
from shared.domain.journal import JournalOutcome
from shared.domain.mapping import FieldMapping
from shared.domain.notifications import NotificationEvent, NotificationSettings
from shared.domain.paging import Keyset, ListQuery
from shared.domain.rate_budgets import Ledger
from shared.domain.rate_limits import Bucket
from shared.domain.selections import TableSelection
from shared.domain.tallies import Tally
from shared.store.unit_of_work import UnitOfWork
from tests.factories import NOW, make_instance, make_job, make_profile
from tests.store_kit import (
    LATER,
    make_breaker,
    make_conflict,
    make_entry,
    make_link,
    make_log,
    make_notice,
    make_oauth_state,
    make_spec,
)
from tests.warehouse_access_kit import make_warehouse

PROBLEMS = [RecordProblem(stream="deals", key=str(n), message="bad") for n in range(3)]


def queries(status: str) -> list[ListQuery]:
    """Return every way a list is narrowed, alone and together."""
    after = Keyset(created_at=LATER, id="x")
    whole = ListQuery(after=after, since=NOW, until=LATER, status=status, provider="fake")
    return [
        ListQuery(),
        ListQuery(after=after),
        ListQuery(since=NOW, until=LATER),
        ListQuery(status=status, after=after),
        ListQuery(provider="fake", after=after),
        whole,
    ]


def call_everything(uow: UnitOfWork) -> None:
    """Call each public method of each repository at least once."""
    instance = _set_up(uow)
    _run(uow, instance)
    _ask(uow, instance)
    _lists(uow, instance)
    job = _new_job(uow, instance)
    _messages(uow, job)
    _keep(uow, instance, job)
    _tell(uow, instance)
    _keep_warehouse(uow, instance)
    _keep_well(uow)
    uow.instances.soft_delete(instance.id, now=NOW)


def _keep_warehouse(uow: UnitOfWork, instance: Instance) -> None:
    warehouse = make_warehouse(profile_id=instance.profile_id)
    uow.warehouses.add(warehouse)
    uow.warehouses.get(warehouse.id, profile_id=instance.profile_id)
    uow.warehouses.save(warehouse, expected_version=1)
    uow.warehouses.list_users(warehouse)
    for query in queries("active"):
        uow.warehouses.list_page(instance.profile_id, query)
    uow.warehouses.soft_delete(warehouse.id, now=NOW)


def _keep_well(uow: UnitOfWork) -> None:
    uow.ledgers.add("fake", "4711", "search", Ledger(), now=NOW)
    uow.ledgers.save("fake", "4711", "search", Ledger(spent=((2.5, False, 1),)), now=NOW)
    uow.ledgers.find("fake", "4711", "search")
    breaker = make_breaker()
    uow.breakers.add(breaker)
    uow.breakers.find("fake", "4711")
    uow.breakers.save(uow.breakers.get(breaker.id))
    for query in queries("open"):
        uow.breakers.list_page(query)


def _set_up(uow: UnitOfWork) -> Instance:
    uow.providers.upsert(make_spec(), now=NOW)
    uow.providers.list_active()
    uow.providers.list_slugs()
    uow.providers.get("fake")
    profile = make_profile()
    uow.profiles.add(profile)
    uow.profiles.get(profile.id)
    uow.profiles.find_by_subject("https://issuer.test", "ada")
    uow.profiles.save(profile)
    instance = make_instance(profile_id=profile.id)
    uow.instances.add(instance)
    instance = uow.instances.save(instance, expected_version=1)
    uow.instances.set_status(instance.id, InstanceStatus.ERROR, "x", now=NOW)
    uow.instances.heal(instance.id, now=NOW)
    state = uow.instances.get_state(instance.id)
    uow.instances.save_state(replace(state, next_sync_at=NOW), now=NOW)
    uow.instances.list_due(now=NOW, limit=5)
    uow.instances.list_ending(before=LATER, now=NOW, limit=5)
    uow.instances.list_idle(instance.provider, after=NOW, before=LATER)
    rule = FieldMapping(stream="deals", external_field="a", entity="indicators", field="b")
    uow.mappings.replace(instance.id, [rule], now=NOW)
    uow.mappings.list_for(instance.id)
    uow.selections.replace(instance.id, [TableSelection(table="t", mode=Mode.FULL)], now=NOW)
    uow.selections.list_for(instance.id)
    _offer(uow, instance)
    sign_in = make_oauth_state(instance)
    uow.oauth_states.add(sign_in)
    uow.oauth_states.find(sign_in.state_hash)
    uow.oauth_states.use(sign_in.id, now=NOW)
    uow.oauth_states.prune(NOW)
    return uow.instances.get(instance.id, profile_id=profile.id)


def _offer(uow: UnitOfWork, instance: Instance) -> None:
    uow.discoveries.save(
        Discovery(instance_id=instance.id, tables=(OfferedTable(stream="t"),), discovered_at=NOW)
    )
    uow.discoveries.find(instance.id)
    uow.discoveries.remove(instance.id)
    uow.secret_removals.add("s1", instance.id, due_at=NOW, now=NOW)
    uow.secret_removals.list_due(now=NOW, limit=5)
    uow.secret_removals.list_due(now=NOW, limit=5, owner_id=instance.id)
    uow.secret_removals.cancel("s1")


def _new_job(uow: UnitOfWork, instance: Instance) -> Job:
    job = make_job(instance_id=instance.id)
    uow.jobs.add(job)
    return job


def _run(uow: UnitOfWork, instance: Instance) -> None:
    job = _new_job(uow, instance)
    uow.jobs.get(job.id, profile_id=instance.profile_id)
    uow.jobs.find_open(instance.id)
    uow.jobs.set_enqueued(job.id, now=NOW)
    uow.jobs.claim(job.id, run_id="run-1", now=NOW, lease_until=LATER)
    uow.jobs.set_mode(job.id, Mode.FULL, now=NOW)
    uow.jobs.renew_lease(job.id, "run-1", until=LATER)
    uow.jobs.request_cancel(job.id, now=NOW)
    log = make_log(job)
    uow.logs.start(log)
    uow.logs.find_by_job(job.id)
    uow.logs.get(log.id, profile_id=instance.profile_id)
    uow.logs.set_mode(job.id, Mode.FULL, now=NOW)
    uow.logs.set_progress(job.id, Tally(success=1), duration_ms=1, now=NOW)
    uow.logs.add_records(log.id, PROBLEMS, cap=2, now=NOW)
    for query in queries("error"):
        uow.logs.list_records_page(log.id, query)
    [record, *_] = uow.logs.list_records_page(log.id, ListQuery()).items
    uow.logs.get_record(record.id, profile_id=instance.profile_id)
    uow.logs.resolve_records(log.id, stream="deals", external_id="1", now=NOW)
    uow.logs.prune_records(LATER, limit=10)
    uow.logs.finish(
        job.id,
        status="success",
        success=True,
        error_message="",
        error_stack_trace="",
        duration_ms=2,
        now=NOW,
    )
    uow.jobs.release(
        job.id,
        "run-1",
        not_before=None,
        failed=True,
        error_class="transient",
        error_message="busy",
        now=NOW,
    )
    uow.jobs.claim(job.id, run_id="run-2", now=NOW, lease_until=LATER)
    uow.jobs.finish(job.id, "run-2", status=JobStatus.SUCCESS, now=NOW)


def _ask(uow: UnitOfWork, instance: Instance) -> None:
    job = _new_job(uow, instance)
    for run_id, answer in (("run-1", uow.jobs.approve), ("run-2", uow.jobs.reject)):
        uow.jobs.claim(job.id, run_id=run_id, now=NOW, lease_until=LATER)
        uow.jobs.finish(job.id, run_id, status=JobStatus.WAITING_APPROVAL, asked_deletes=8, now=NOW)
        answer(job.id, now=NOW)


def _lists(uow: UnitOfWork, instance: Instance) -> None:
    for query in queries("active"):
        uow.instances.list_page(instance.profile_id, query)
    for query in queries("running"):
        uow.jobs.list_page(instance.profile_id, query)
        uow.jobs.list_page(instance.profile_id, query, instance_id=instance.id)
        uow.logs.list_page(instance.profile_id, query)
    for query in queries("open"):
        uow.dead_letters.list_page(query)


def _messages(uow: UnitOfWork, job: Job) -> None:
    uow.jobs.list_reapable(now=NOW, enqueued_before=NOW - timedelta(minutes=5), limit=5)
    letter = DeadLetter(
        id=new_id(),
        job_id=job.id,
        attempt=1,
        body_hash="",
        queue="sync-manual",
        body="{}",
        error_class="transient",
        error="busy",
        state=DeadLetterState.OPEN,
        created_at=NOW,
        updated_at=NOW,
    )
    uow.dead_letters.upsert(letter)
    uow.dead_letters.get(letter.id)
    uow.dead_letters.set_state(letter.id, DeadLetterState.DISCARDED, now=NOW)
    uow.jobs.redrive(job.id, not_before=LATER, now=NOW)
    uow.jobs.fail(job.id, error_class="bug", error_message="boom", now=NOW)


def _keep(uow: UnitOfWork, instance: Instance, job: Job) -> None:
    uow.checkpoints.save(instance.id, "deals", "import", {"resume": 1}, now=NOW)
    uow.checkpoints.save(instance.id, "deals", "import", {"resume": 2}, now=NOW)
    uow.checkpoints.get(instance.id, "deals", "import")
    uow.checkpoints.remove(instance.id, "deals", "import")
    _journal(uow, instance, job)
    uow.links.save_many([make_link(instance.id, "1"), make_link(instance.id, "2")])
    uow.links.get_many(instance.id, "deals", ["1", "2"])
    link = uow.links.get_many(instance.id, "deals", ["1"])["1"]
    uow.links.get_by_ids([link.id])
    uow.links.find_by_keys(instance.id, "values", ["2026-11-21/a"])
    uow.links.find_by_linkhub_ids(instance.id, link.entity, [link.linkhub_id])
    _conflict(uow, instance, link.id)
    uow.links.mark_seen(instance.id, "deals", ["1"], job_id=job.id)
    uow.links.count_live(instance.id)
    uow.links.count_seen(instance.id, "deals", job_id=job.id)
    uow.links.count_unseen(instance.id, "deals", job_id=job.id)
    uow.links.list_unseen(instance.id, "deals", job_id=job.id, after="", limit=5)
    uow.links.mark_deleted(instance.id, "deals", ["1"], now=NOW)
    uow.generations.find_last_job(instance.id)
    uow.generations.add("", "dbo.flights", 1, 10, job.id, now=NOW)
    uow.audit.add(
        AuditEvent(
            id=new_id(),
            actor="ada",
            profile_id=instance.profile_id,
            action="instance.delete",
            target=instance.id,
            occurred_at=NOW,
        )
    )


def _journal(uow: UnitOfWork, instance: Instance, job: Job) -> None:
    entry = make_entry(job.id, uow.journal.next_sequence(job.id))
    uow.journal.add([entry])
    uow.journal.list_standing(job.id, limit=5)
    uow.journal.list_standing(job.id, before=5, limit=5)
    uow.journal.list_scopes(job.id)
    uow.journal.find_rollback(job.id)
    uow.journal.has_standing(job.id)
    uow.journal.find_last_job(instance.id)
    uow.journal.settle([entry.id], JournalOutcome.UNDONE, now=NOW)
    uow.journal.prune(LATER, limit=5)


def _conflict(uow: UnitOfWork, instance: Instance, link_id: str) -> None:
    conflict = make_conflict(instance, link_id)
    for _ in range(2):
        uow.conflicts.record([conflict], now=NOW)
    uow.conflicts.open_for(instance.id, [link_id])
    uow.conflicts.get(conflict.id, profile_id=instance.profile_id)
    for query in queries("open"):
        uow.conflicts.list_page(instance.profile_id, query)
        uow.conflicts.list_page(instance.profile_id, query, instance_id=instance.id)
    settled = ConflictStatus.SETTLED_LINKHUB
    uow.conflicts.settle(conflict.id, settled, settled_by="ada", now=NOW)
    uow.conflicts.settled_for(instance.id, [link_id])
    uow.conflicts.list_settled(instance.id, limit=5)
    uow.conflicts.list_open(instance.id, limit=5)
    uow.conflicts.close([conflict.id], now=NOW)
    uow.conflicts.close_open(instance.id, now=NOW)
    uow.conflicts.close([conflict.id], ConflictStatus.OBSOLETE, now=NOW)


def _tell(uow: UnitOfWork, instance: Instance) -> None:
    settings = NotificationSettings(profile_id=instance.profile_id)
    uow.notifications.save(settings, now=NOW)
    uow.notifications.get(instance.profile_id)
    uow.outbox.add(make_notice(instance))
    uow.outbox.find_last(instance.id, NotificationEvent.SYNC_FAILED)
    uow.outbox.find_last_mail_at(instance.profile_id)
    lease = {"now": NOW, "lease_until": NOW, "gather_until": LATER}
    [notice] = uow.outbox.claim_next(mail_id="m", **lease)
    [notice] = uow.outbox.claim_next(mail_id="n", **lease)
    uow.outbox.postpone(notice, not_before=NOW, error="busy", now=NOW)
    uow.outbox.mark_sent(notice, error="", now=NOW)
    uow.outbox.give_up(notice, error="no such mailbox", now=NOW)
    uow.outbox.drop([notice], error="healed", now=NOW)
    uow.outbox.prune(LATER, limit=10)
    uow.rate_buckets.find("c", "reads")
    uow.rate_buckets.add("c", "reads", Bucket(tokens=2, refilled_at=NOW), now=NOW)
    uow.rate_buckets.save("c", "reads", Bucket(tokens=1.5, refilled_at=NOW), now=NOW)
