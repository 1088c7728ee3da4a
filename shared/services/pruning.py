"""Details that are kept for a while only."""

from __future__ import annotations

import logging
from datetime import timedelta

from shared.services.deps import Now, OpenUow

_log = logging.getLogger(__name__)

_BATCH = 5000


def prune(*, keep_days: int, open_uow: OpenUow, now: Now) -> int:
    """Delete problem records, told notices and journals older than `keep_days`; return how many
    rows went.

    Logs, jobs and dead letters stay: they are few and tell the history. A sync without its journal
    can no longer be taken back.
    """
    before = now() - timedelta(days=keep_days)
    removed = 0
    while True:
        with open_uow() as uow:
            records = uow.logs.prune_records(before, limit=_BATCH)
            notices = uow.outbox.prune(before, limit=_BATCH)
            entries = uow.journal.prune(before, limit=_BATCH)
            uow.commit()
        removed += records + notices + entries
        if max(records, notices, entries) < _BATCH:
            break
    if removed:
        _log.info(
            "%d log records, notices and journal entries over %d days old removed.",
            removed,
            keep_days,
        )
    return removed
