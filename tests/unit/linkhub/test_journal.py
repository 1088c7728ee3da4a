"""What a sink writes down before it writes."""

from __future__ import annotations

from collections.abc import Sequence

import httpx
import pytest

from shared.domain.changes import Delete
from shared.domain.journal import NOTHING, JournalAction, JournalEntry, content_hash
from shared.errors import LeaseLostError, TransientError
from tests.linkhub_kit import Bench, deal


def entries(bench: Bench) -> Sequence[JournalEntry]:
    """Return the writes in the present job's journal, in order."""
    with bench.open_uow(read_only=True) as uow:
        return uow.journal.list_standing(bench.job.id, limit=100)[::-1]


def test_records_nobody_knew_share_one_entry(bench: Bench) -> None:
    """A first load's page is one row: who, under which key, and the hash of what was sent."""
    bench.sync(deal("1"), deal("2"))
    [entry] = entries(bench)
    assert (entry.action, entry.stream, entry.entity) == (
        JournalAction.CREATE_MANY,
        "deals",
        "initiatives",
    )
    links = bench.links("1", "2")
    assert entry.before_image == {
        "names": ["budget", "name", "status"],
        "records": [[key, links[key].sent_hash, f"deals/{key}"] for key in ("1", "2")],
    }


def test_an_update_keeps_what_was_there(bench: Bench) -> None:
    """LinkHub's fields and the link as they were, and the hash of how the record will be."""
    bench.sync(deal("1"))
    old = bench.links("1")["1"]
    bench.next_job()
    bench.sync(deal("1", amount="99"))
    [entry] = entries(bench)
    fields = {"name": "Deal 1", "status": "ON_TIME", "budget": "10.00"}
    assert (entry.action, entry.external_id, entry.linkhub_key) == (
        JournalAction.UPDATE,
        "1",
        "deals/1",
    )
    assert entry.linkhub_id == old.linkhub_id
    assert entry.before_image is not None
    assert entry.before_image["fields"] == fields
    assert entry.before_image["link"]["sent_hash"] == old.sent_hash
    assert entry.after_hash == content_hash({**fields, "budget": "99.00"})
    assert entry.after_hash == content_hash(bench.linkhub_fields("1")["1"])


def test_a_delete_keeps_the_whole_record(bench: Bench) -> None:
    """With what people added in LinkHub; a record LinkHub lost before has no fields to keep."""
    bench.sync(deal("1"), deal("2"))
    bench.next_job()
    bench.sync(Delete("deals", "1"))
    [entry] = entries(bench)
    assert (entry.action, entry.after_hash) == (JournalAction.DELETE, NOTHING)
    assert entry.before_image is not None
    assert entry.before_image["fields"]["budget"] == "10.00"


def test_a_record_that_comes_back_has_an_entry_of_its_own(bench: Bench) -> None:
    """Its link was dead, and must be again if the write is taken back."""
    bench.sync(deal("1"))
    bench.sync(Delete("deals", "1"))
    bench.next_job()
    bench.sync(deal("1"))
    [entry] = entries(bench)
    assert entry.action is JournalAction.CREATE
    assert entry.before_image is not None
    assert entry.before_image["fields"] is None
    assert entry.before_image["link"]["deleted_at"] is not None


def test_what_is_not_sent_is_not_written_down(bench: Bench) -> None:
    """Unchanged, broken and unknown records leave no entry."""
    bench.sync(deal("1"))
    bench.next_job()
    bench.sync(deal("1"), deal("2", amount="x"), Delete("deals", "never"))
    assert entries(bench) == []


def test_the_entry_is_there_before_the_write(bench: Bench) -> None:
    """Whatever LinkHub got, the journal knows of it."""
    known: list[int] = []

    class Watching(httpx.HTTPTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            known.append(len(entries(bench)))
            return super().handle_request(request)

    sink = bench.sink(transport=Watching())
    sink.write("deals", [deal("1")])
    assert known == [1]


def test_a_write_that_fails_has_its_entry_all_the_same(bench: Bench) -> None:
    """It may have reached LinkHub; a repeat adds another one."""
    bench.running.fault("linkhub", "server_error")
    with pytest.raises(TransientError):
        bench.sink().write("deals", [deal("1")])
    bench.running.heal()
    bench.sync(deal("1"))
    assert [entry.sequence for entry in entries(bench)] == [1, 2]


def test_a_run_that_lost_its_job_writes_nothing_down(bench: Bench) -> None:
    """Neither in the journal nor in LinkHub."""
    sink = bench.sink()
    bench.claim()
    with pytest.raises(LeaseLostError):
        sink.write("deals", [deal("1")])
    assert entries(bench) == []


def test_a_scope_is_noted_as_it_was_before_the_job(bench: Bench) -> None:
    """Once, however often runs of the job take it."""
    bench.read_all([deal("1")])
    before = bench.sink().load("deals")
    assert before is not None
    bench.next_job()
    bench.read_all([deal("1")])
    bench.claim()
    bench.sink()
    with bench.open_uow(read_only=True) as uow:
        [scope] = uow.journal.list_scopes(bench.job.id)
    assert (scope.stream, scope.external_id) == ("deals", "import")
    assert scope.before_image is not None
    kept = scope.before_image["checkpoint"]
    assert (kept["jobId"], kept["stage"]) == (before.job_id, "finished")
    assert kept["seen"] == {"jobId": before.job_id, "unlinked": []}


def test_a_scope_that_was_never_read_is_noted_as_such(bench: Bench) -> None:
    """Taken back, it counts as never read."""
    bench.sink()
    with bench.open_uow(read_only=True) as uow:
        [scope] = uow.journal.list_scopes(bench.job.id)
    assert scope.before_image == {"checkpoint": None}
