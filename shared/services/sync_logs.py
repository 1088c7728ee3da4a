"""What jobs did, as people read it."""

from __future__ import annotations

from shared.domain.jobs import LogRecord, SyncLog
from shared.domain.paging import ListQuery, Slice
from shared.domain.profiles import Caller
from shared.services.deps import OpenUow
from shared.services.profiles import require_profile


def list_logs(query: ListQuery, *, caller: Caller, open_uow: OpenUow) -> Slice[SyncLog]:
    """Return a page of the caller's logs, newest first."""
    with open_uow(read_only=True) as uow:
        return uow.logs.list_page(require_profile(uow, caller).id, query)


def list_records(
    log_id: str, query: ListQuery, *, caller: Caller, open_uow: OpenUow
) -> Slice[LogRecord]:
    """Return a page of the records with problems of one of the caller's logs."""
    with open_uow(read_only=True) as uow:
        log = uow.logs.get(log_id, profile_id=require_profile(uow, caller).id)
        return uow.logs.list_records_page(log.id, query)
