"""Checks of writing to a provider."""

# ruff: noqa: D401 - the first line of a check is its promise, as a test's is
from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any

import pytest

from shared.domain.changes import Delete, Upsert
from shared.errors import PermanentError
from shared.ports.provider import PushResult
from tests.contract.bench import Bench, PowerCutError, PushCase, Recorder


def pushing_is_refused(bench: Bench) -> None:
    """An import-only provider says so at once, not when somebody iterates."""
    with pytest.raises(PermanentError, match="import only"):
        bench.connect().push("any", [Delete("any", "1")])


def records_are_made_changed_and_deleted(bench: Bench) -> None:
    """What was asked for is there afterwards, under the id the result named, and nothing else."""
    case, record = _sample(bench)
    before = len(bench.upserts())
    key = bench.new_key()
    made = push_one(bench, Upsert(case.stream, key, record))
    assert (made.outcome, made.key, made.problem) == ("created", key, None)
    assert made.external_id not in {"", key}
    assert _shown(bench, made.external_id, record) == record
    assert len(bench.upserts()) == before + 1
    changed = push_one(bench, Upsert(case.stream, made.external_id, case.change))
    assert (changed.outcome, changed.external_id) == ("updated", made.external_id)
    wanted = {**record, **case.change}
    assert _shown(bench, made.external_id, wanted) == wanted
    gone = push_one(bench, Delete(case.stream, made.external_id))
    assert (gone.outcome, gone.key) == ("deleted", made.external_id)
    assert bench.connect().get(case.stream, [made.external_id]) == [
        Delete(case.stream, made.external_id)
    ]
    assert len(bench.upserts()) == before


def pushing_again_changes_nothing(bench: Bench) -> None:
    """The same change again, by another connection, gives the same id and leaves all as it is."""
    case, record = _sample(bench)
    make = Upsert(case.stream, bench.new_key(), record)
    made = push_one(bench, make)
    before = bench.upserts()
    again = push_one(bench, make)
    assert (again.outcome, again.external_id) == ("unchanged", made.external_id)
    change = Upsert(case.stream, made.external_id, case.change)
    assert [push_one(bench, change).outcome for _ in range(2)] == ["updated", "unchanged"]
    assert len(bench.upserts()) == len(before)
    untouched = [one for one in before if one.key != made.external_id][:3]
    for one in untouched:
        assert push_one(bench, one).outcome == "unchanged"
    drop = Delete(case.stream, made.external_id)
    assert [push_one(bench, drop).outcome for _ in range(2)] == ["deleted", "unchanged"]
    assert len(bench.upserts()) == len(before) - 1


def a_power_cut_makes_nothing_twice(bench: Bench) -> None:
    """A run that ends over the answer to any of its requests is repeated: one record is made."""
    case, record = _sample(bench)
    before = len(bench.upserts())
    for request in count(1):
        make = Upsert(case.stream, bench.new_key(), record)
        connection = bench.connect(transport=Recorder(dies_at=request))
        try:
            list(connection.push(case.stream, [make]))
        except PowerCutError:
            is_cut = True
        else:
            is_cut = False
        made = push_one(bench, make)
        assert made.problem is None
        assert len(bench.upserts()) == before + 1
        push_one(bench, Delete(case.stream, made.external_id))
        assert len(bench.upserts()) == before
        if not is_cut:
            assert request > 1, "nothing was sent"
            return


def what_is_not_there_is_a_record_problem(bench: Bench) -> None:
    """An update of a record that is gone is told for that record, and the others go on."""
    case, record = _sample(bench)
    made = push_one(bench, Upsert(case.stream, bench.new_key(), record))
    push_one(bench, Delete(case.stream, made.external_id))
    update = Upsert(case.stream, made.external_id, case.change)
    results = list(
        bench.connect().push(case.stream, [update, Upsert(case.stream, bench.new_key(), record)])
    )
    lost, other = results
    assert (lost.key, lost.outcome) == (made.external_id, "rejected")
    assert lost.problem is not None
    assert lost.problem.key == made.external_id
    assert lost.problem.message
    assert other.outcome == "created"
    push_one(bench, Delete(case.stream, other.external_id))


def push_one(bench: Bench, change: Upsert | Delete) -> PushResult:
    """Return what came of one change, pushed by a connection of its own."""
    (result,) = bench.connect().push(change.stream, [change])
    return result


def push_story(bench: Bench) -> tuple[str, ...]:
    """Make two records in one batch, change them and delete them; return the outcomes by step.

    Two that differ are told as "rejected/created", and nothing follows a refusal; `tidy` then
    removes what is left. Each starts with what the other is changed to: had their ids been mixed
    up, nothing would be left to change.
    """
    case, record = _sample(bench)
    back = {name: record[name] for name in case.change if name in record}
    made = _push_batch(
        bench,
        [
            Upsert(case.stream, bench.new_key(), fields)
            for fields in (record, {**record, **case.change})
        ],
    )
    ids = [result.external_id for result in made if result.outcome != "rejected"]
    bench.left = [Delete(case.stream, key) for key in ids]
    steps = [made]
    if len(ids) == len(made):
        wishes = zip(ids, (case.change, back), strict=True)
        steps.append(
            _push_batch(bench, [Upsert(case.stream, key, fields) for key, fields in wishes])
        )
        if all(result.outcome == "updated" for result in steps[-1]):
            steps.append(_push_batch(bench, bench.left))
    return tuple("/".join(dict.fromkeys(result.outcome for result in step)) for step in steps)


def tidy(bench: Bench) -> None:
    """Delete what a story left."""
    for change in bench.left:
        push_one(bench, change)
    bench.left = ()


def _push_batch(bench: Bench, changes: Sequence[Upsert | Delete]) -> Sequence[PushResult]:
    results = list(bench.connect().push(changes[0].stream, changes))
    assert [result.key for result in results] == [change.key for change in changes]
    return results


def _sample(bench: Bench) -> tuple[PushCase, Mapping[str, Any]]:
    case = bench.case.push
    assert case is not None, f"{bench.case.slug} exports: its case needs a PushCase"
    record = case.make(bench.upserts())
    assert case.change.items() - record.items()
    return case, record


def _shown(bench: Bench, key: str, wanted: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the wanted fields of a record as they are now."""
    push = bench.case.push
    assert push is not None
    (found,) = bench.connect().get(push.stream, [key])
    assert isinstance(found, Upsert)
    return {name: found.record.get(name) for name in wanted}
