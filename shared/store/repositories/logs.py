"""What jobs did, and the records with problems."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, select, update

from shared.domain.changes import RecordProblem
from shared.domain.checkpoints import Mode
from shared.domain.ids import new_id
from shared.domain.jobs import JobStatus, LogRecord, SyncLog
from shared.domain.paging import ListQuery, Slice
from shared.domain.reconciliation import TableCheck
from shared.domain.tallies import Tally
from shared.errors import NotFoundError
from shared.store.lists import chunks, fetch_slice, where_given
from shared.store.repositories.filters import member_of
from shared.store.rows import columns_of, from_row, to_row
from shared.store.session import SqlSession
from shared.store.tables import sync_jobs
from shared.store.tables import sync_log_records as records
from shared.store.tables import sync_logs as logs
from shared.store.upserts import upsert

_COUNTS = ("success", "warning", "error", "unchanged", "deleted")
_COLUMNS = [
    *columns_of(logs, SyncLog, without=("tally",)),
    *(logs.c[f"records_{name}"] for name in _COUNTS),
]
_RECORD_COLUMNS = columns_of(records, LogRecord)


class SqlLogRepository:
    """One log a job, and a bounded number of records with problems in each."""

    def __init__(self, session: SqlSession) -> None:
        self._session = session

    def start(self, log: SyncLog) -> None:
        """Store a log unless its job has one already, which then stays as it is.

        NotFoundError where there is no such job.
        """
        job = self._session.first(
            select(sync_jobs.c.profile_id).where(sync_jobs.c.id == log.job_id)
        )
        if job is None:
            raise NotFoundError("There is no such job.")
        row = to_row(log, without=("tally",)) | _counts(log.tally)
        row["reconciliation"] = _checks_to_json(log.reconciliation)
        row["profile_id"] = job["profile_id"]
        upsert(self._session, logs, [row], key=("job_id",))

    def get(self, log_id: str, *, profile_id: str | None = None) -> SyncLog:
        """Return a log of this profile (None: of any); NotFoundError if there is none."""
        statement = select(*_COLUMNS).where(logs.c.id == log_id)
        row = self._session.first(where_given(statement, (logs.c.profile_id, profile_id)))
        if row is None:
            raise NotFoundError("There is no such log.")
        return _log(row)

    def find_by_job(self, job_id: str) -> SyncLog | None:
        """Return a job's log, None before its first run."""
        row = self._session.first(select(*_COLUMNS).where(logs.c.job_id == job_id))
        return None if row is None else _log(row)

    def set_mode(self, job_id: str, mode: Mode, *, now: datetime) -> None:
        """Note the mode a run really uses."""
        self._session.run(
            update(logs).where(logs.c.job_id == job_id).values(mode=mode, updated_at=now)
        )

    def set_progress(self, job_id: str, tally: Tally, *, duration_ms: int, now: datetime) -> None:
        """Bring a running job's log up to date."""
        values = _counts(tally) | {"duration_ms": duration_ms, "logged_at": now, "updated_at": now}
        self._session.run(update(logs).where(logs.c.job_id == job_id).values(**values))

    def finish(
        self,
        job_id: str,
        *,
        status: str,
        success: bool,
        error_message: str,
        error_stack_trace: str,
        reconciliation: Sequence[TableCheck] | None = None,
        duration_ms: int,
        now: datetime,
    ) -> None:
        """Say how a job ended; its counts stay as the last progress set them."""
        self._session.run(
            update(logs)
            .where(logs.c.job_id == job_id)
            .values(
                status=status,
                success=success,
                error_message=error_message,
                error_stack_trace=error_stack_trace,
                reconciliation=_checks_to_json(reconciliation),
                duration_ms=duration_ms,
                logged_at=now,
                updated_at=now,
            )
        )

    def list_page(self, profile_id: str, query: ListQuery) -> Slice[SyncLog]:
        """Return a profile's logs, newest first, narrowed by time, status and provider."""
        status = member_of(JobStatus, query.status)
        statement = where_given(
            select(*_COLUMNS).where(logs.c.profile_id == profile_id),
            (logs.c.status, None if status is None else status.value),
            (logs.c.provider, query.provider),
        )
        return fetch_slice(self._session, statement, logs, query, _log)

    def add_records(
        self, log_id: str, problems: Sequence[RecordProblem], *, cap: int, now: datetime
    ) -> None:
        """Store problems, the same one (stream, record, field) once.

        Beyond `cap` rows they are only counted in `records_capped`: at least once each, and once
        more when the page they came with is repeated.
        """
        new = {problem_hash(problem): problem for problem in problems}
        for chunk in chunks(list(new)):
            for row in self._session.all(
                select(records.c.problem_hash).where(
                    records.c.log_id == log_id, records.c.problem_hash.in_(chunk)
                )
            ):
                del new[row["problem_hash"]]
        if not new:
            return
        count = select(func.count().label("stored")).where(records.c.log_id == log_id)
        counted = self._session.first(count)
        room = max(0, cap - (counted["stored"] if counted else 0))
        kept = list(new.items())[:room]
        rows = [_record_row(log_id, key, problem, now) for key, problem in kept]
        upsert(self._session, records, rows, key=("log_id", "problem_hash"))
        if len(new) > room:
            capped = logs.c.records_capped + (len(new) - room)
            self._session.run(update(logs).where(logs.c.id == log_id).values(records_capped=capped))

    def list_records_page(self, log_id: str, query: ListQuery) -> Slice[LogRecord]:
        """Return a log's records, newest first; `status` is a severity here."""
        statement = where_given(
            select(*_RECORD_COLUMNS).where(records.c.log_id == log_id),
            (records.c.severity, query.status),
        )
        return fetch_slice(
            self._session, statement, records, query, lambda row: from_row(LogRecord, row)
        )

    def get_record(self, record_id: str, *, profile_id: str | None = None) -> LogRecord:
        """Return a record of a log of this profile (None: of any); NotFoundError if none."""
        statement = select(*_RECORD_COLUMNS).where(records.c.id == record_id)
        if profile_id is not None:
            statement = statement.join(logs, logs.c.id == records.c.log_id)
        row = self._session.first(where_given(statement, (logs.c.profile_id, profile_id)))
        if row is None:
            raise NotFoundError("There is no such record.")
        return from_row(LogRecord, row)

    def resolve_records(self, log_id: str, *, stream: str, external_id: str, now: datetime) -> None:
        """Note that what a log tells of a record is no longer so."""
        self._session.run(
            update(records)
            .where(
                records.c.log_id == log_id,
                records.c.stream == stream,
                records.c.external_id == external_id,
                records.c.resolved_at.is_(None),
            )
            .values(resolved_at=now, updated_at=now)
        )

    def prune_records(self, before: datetime, *, limit: int) -> int:
        """Remove at most `limit` of the records made before that time; return how many."""
        oldest = select(records.c.id).where(records.c.created_at < before)
        oldest = oldest.order_by(records.c.created_at, records.c.id).limit(limit)
        ids = [row["id"] for row in self._session.all(oldest)]
        for chunk in chunks(ids):
            self._session.run(delete(records).where(records.c.id.in_(chunk)))
        return len(ids)


def problem_hash(problem: RecordProblem) -> str:
    """Return what makes two problems of one log the same: stream, record and field.

    Of a stream itself (no key) several things may be said: there the message counts too.
    """
    said = [] if problem.key else [problem.message]
    key = json.dumps([problem.stream, problem.key, problem.field, *said])
    return hashlib.sha256(key.encode()).hexdigest()


def _record_row(log_id: str, key: str, problem: RecordProblem, now: datetime) -> dict[str, Any]:
    return {
        "id": new_id(),
        "log_id": log_id,
        "problem_hash": key,
        "stream": problem.stream,
        "external_id": problem.key,
        "field": problem.field,
        "severity": problem.severity,
        "error": problem.message,
        "resolved_at": None,
        "created_at": now,
        "updated_at": now,
    }


def _counts(tally: Tally) -> dict[str, Any]:
    counts = {f"records_{name}": getattr(tally, name) for name in _COUNTS}
    return counts | {"records_processed": tally.processed}


def _log(row: Mapping[Any, Any]) -> SyncLog:
    tally = Tally(**{name: row[f"records_{name}"] for name in _COUNTS})
    told = row["reconciliation"]
    checks = None if told is None else tuple(map(TableCheck.from_json, told))
    return from_row(SyncLog, row, tally=tally, reconciliation=checks)


def _checks_to_json(checks: Sequence[TableCheck] | None) -> list[dict[str, Any]] | None:
    return None if checks is None else [check.to_json() for check in checks]
