"""Making a batch of changes ready for LinkHub."""

from __future__ import annotations

import json

import pytest

from shared.domain.changes import Delete, Truncate
from shared.engine.batches import prepare_batch
from tests.linkhub_kit import deal, make_mapper


def test_of_several_changes_of_a_record_the_last_counts() -> None:
    """One record is sent once, as it is now, in the place of its last change."""
    batch = prepare_batch(
        [deal("1", amount="1"), deal("2"), Delete("deals", "3"), deal("1", amount="2"), deal("3")],
        make_mapper(),
    )
    assert [ready.record.key for ready in batch.upserts] == ["2", "1", "3"]
    assert batch.upserts[1].record.fields["budget"] == "2.00"
    assert batch.deletes == []


def test_a_truncate_deletes_nothing() -> None:
    """Only a named record is ever deleted in LinkHub."""
    batch = prepare_batch([Truncate("deals"), deal("1")], make_mapper())
    assert len(batch.upserts) == 1
    assert (batch.deletes, batch.failed) == ([], 0)


@pytest.mark.parametrize("key", ["", "7 ", "x" * 451, "a\0b", "a\ud800"])
def test_an_id_that_cannot_be_kept_is_a_problem_of_its_record(key: str) -> None:
    """The page goes on, and the problem itself can be stored; a delete of it is no concern."""
    batch = prepare_batch([deal(key), Delete("deals", key + " "), deal("1")], make_mapper())
    assert [ready.record.key for ready in batch.upserts] == ["1"]
    assert (batch.failed, batch.deletes) == (1, [])
    shown = batch.problems[0].key
    assert shown == shown.rstrip()
    assert "\0" not in shown
    assert shown.encode()[:1] == key.encode(errors="replace")[:1]


def test_a_record_with_two_problems_failed_once() -> None:
    """Records are counted, problems are listed."""
    batch = prepare_batch([deal("1", amount="1,5", stage="NOPE")], make_mapper())
    assert [problem.field for problem in batch.problems] == ["status", "budget"]
    assert batch.failed == 1


def test_the_hash_tells_entity_and_fields_and_nothing_else() -> None:
    """Equal content has an equal hash whatever the order of rules; other content another one."""
    rules = {"dealname": "name", "stage": "status"}
    turned = dict(reversed(rules.items()))
    batches = [
        prepare_batch([deal("1")], make_mapper(rules)),
        prepare_batch([deal("1")], make_mapper(turned)),
        prepare_batch([deal("1", dealname="Other")], make_mapper(rules)),
        prepare_batch([deal("1")], make_mapper({"dealname": "name"}, entity="indicators")),
    ]
    hashes = [batch.upserts[0].sent_hash for batch in batches]
    assert hashes[0] == hashes[1]
    assert len(set(hashes)) == 3
    assert json.loads(batches[0].upserts[0].fields) == {"name": "Deal 1", "status": "ON_TIME"}
