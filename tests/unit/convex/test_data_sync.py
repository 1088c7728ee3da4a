from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from adapters.convex.data_sync import selection_of
from shared.domain.changes import Delete, Truncate, Upsert
from shared.domain.checkpoints import Checkpoint
from shared.errors import AuthError, PermanentError, TransientError
from tests.convex_kit import Server, read_all

STREAMS = {"cars", "empty", "wheels", "shop/cars", "shop/till/bills"}
CAR = "c0000000000000000000000000000003"


@pytest.fixture
def pro(server: Server) -> Server:
    """Return an emulator whose plan has data syncs, in small pages."""
    server.settle(plan="pro", pageRows=4)
    return server


def _through_json(checkpoint: Checkpoint) -> Checkpoint:
    return Checkpoint(
        resume=json.loads(json.dumps(checkpoint.resume)),
        watermark=json.loads(json.dumps(checkpoint.watermark)),
    )


def test_a_first_sync_brings_everything(pro: Server, work_dir: Path) -> None:
    """Every table comes once, begun by a truncate that says that it may repeat itself."""
    pages, changes = read_all(pro.connect(work_dir))
    begun = [change for change in changes if isinstance(change, Truncate)]
    assert {change.stream for change in begun} == STREAMS
    assert all(change.repeats for change in begun)
    upserts = {change.key: change for change in changes if isinstance(change, Upsert)}
    assert len(upserts) == 12
    assert upserts[CAR].record == pro.documents("cars")[CAR]
    assert len(pages) == 4
    assert all(page.size > 0 for page in pages)
    assert pro.answered("/zip") == []


def test_only_what_changed_comes_after_the_watermark(pro: Server, work_dir: Path) -> None:
    """Records as they are, tombstones as deletes, new tables begun; then nothing any more."""
    pages, _ = read_all(pro.connect(work_dir))
    pro.mutate(
        {"op": "patch", "table": "cars", "id": CAR, "document": {"n": "four"}},
        {"op": "delete", "table": "wheels", "id": "w0000000000000000000000000000001"},
        {"op": "insert", "table": "boats", "document": {"_id": "b1", "_creationTime": 1.0}},
    )
    again, changes = read_all(pro.connect(work_dir), _through_json(pages[-1].checkpoint))
    assert Delete("wheels", "w0000000000000000000000000000001") in changes
    assert Truncate("boats", repeats=True) in changes
    assert Upsert("cars", CAR, pro.documents("cars")[CAR]) in changes
    assert len(changes) == 4
    third, nothing = read_all(pro.connect(work_dir), _through_json(again[-1].checkpoint))
    assert nothing == []
    assert third[-1].checkpoint == again[-1].checkpoint


def test_values_are_those_of_the_snapshot(pro: Server, work_dir: Path) -> None:
    """Integers, floats, bytes and odd floats come as they do in a ZIP, nested ones encoded."""
    document: dict[str, Any] = {
        "_id": "odd",
        "_creationTime": 1.5,
        "int": 2**63 - 1,
        "float": 123.0,
        "zero": -0.0,
        "nan": {"$float": "AAAAAAAA+H8="},
        "raw": {"$bytes": "AP8="},
        "deep": {"raw": {"$bytes": "AP8="}, "int": 1, "float": 1.0},
        "text": "nul \0 and 😀",
    }
    pro.mutate({"op": "insert", "table": "odds", "document": document})
    wanted = {"odds": ()}
    _, synced = read_all(pro.connect(work_dir, selection=wanted))
    _, exported = read_all(pro.connect(work_dir, selection=wanted, source="snapshot"))
    assert [repr(change) for change in synced[1:]] == [repr(change) for change in exported[1:]]
    assert "nan" in repr(synced[1])
    assert isinstance(synced[1], Upsert)
    assert synced[1].record["raw"] == b"\x00\xff"


def test_an_import_begins_a_table_again(pro: Server, work_dir: Path) -> None:
    """A table that was replaced by `npx convex import` comes whole, after its truncate."""
    pages, _ = read_all(pro.connect(work_dir))
    pro.mutate({"op": "import", "table": "cars", "documents": [{"_id": "z", "n": 1}]})
    _, changes = read_all(pro.connect(work_dir), pages[-1].checkpoint)
    assert changes == [
        Truncate("cars", repeats=True),
        Upsert("cars", "z", pro.documents("cars")["z"]),
    ]


def test_only_chosen_tables_and_fields_come(pro: Server, work_dir: Path) -> None:
    """The server is asked for them; `_id` comes anyway; a table that is gone is a problem."""
    wanted = {"shop/cars": ("n",), "wheels": (), "lost": ()}
    pages, changes = read_all(pro.connect(work_dir, selection=wanted))
    assert {change.stream for change in changes} == {"shop/cars", "wheels"}
    car = next(c for c in changes if isinstance(c, Upsert) and c.stream == "shop/cars")
    assert set(car.record) == {"_id", "n"}
    assert [problem.stream for problem in pages[-1].problems] == ["lost"]
    later, _ = read_all(pro.connect(work_dir, selection=wanted), pages[-1].checkpoint)
    assert later[-1].problems == []


def test_what_was_not_asked_for_is_passed_over(pro: Server, work_dir: Path) -> None:
    """A server that sends all tables and fields whatever it is asked does no harm."""
    connection: Any = pro.connect(work_dir, selection={"shop/cars": ("n",)})
    connection._syncs._selection = None
    _, changes = read_all(connection)
    assert {change.stream for change in changes} == {"shop/cars"}
    assert all(set(c.record) == {"_id", "n"} for c in changes if isinstance(c, Upsert))


def test_the_selection_has_the_form_convex_reads() -> None:
    """Every level says what becomes of the others; no selection asks for everything."""
    assert selection_of({}) is None
    assert selection_of({"users": (), "a/b/posts": ("title",)}) == {
        "_other": "excluded",
        "": {"_other": "excluded", "users": {"_other": "included"}},
        "a/b": {
            "_other": "excluded",
            "posts": {"_other": "excluded", "_id": "included", "title": "included"},
        },
    }


@pytest.mark.parametrize("fault", ["cursor_expired", "cursor_invalid"])
@pytest.mark.parametrize("page", [0, -1])
def test_a_cursor_past_its_time_begins_afresh(
    pro: Server, work_dir: Path, fault: str, page: int
) -> None:
    """In the middle as at the watermark: everything comes again, after truncates."""
    pages, changes = read_all(pro.connect(work_dir))
    pro.fault(fault)
    again, all_of_it = read_all(pro.connect(work_dir), _through_json(pages[page].checkpoint))
    assert all_of_it == changes
    assert again[-1].checkpoint.watermark is not None


def test_syncs_end_three_days_after_their_last_call(pro: Server, work_dir: Path) -> None:
    """An expired sync is refused by the deployment, and read from its start."""
    pages, changes = read_all(pro.connect(work_dir))
    pro.expire()
    _, all_of_it = read_all(pro.connect(work_dir), pages[-1].checkpoint)
    assert all_of_it == changes
    assert 400 in pro.answered("/data/sync")


def test_a_cursor_that_never_lasts_is_transient(pro: Server, work_dir: Path) -> None:
    """Two lost cursors in one read end it, to be tried later."""
    pro.fault("cursor_expired", count=None)
    with pytest.raises(TransientError, match="while it is read"):
        read_all(pro.connect(work_dir))


@pytest.mark.parametrize("fault", ["no_data_sync", "forbidden"])
def test_auto_reads_a_snapshot_where_there_are_no_syncs(
    pro: Server, work_dir: Path, fault: str
) -> None:
    """An old back end and a key without the right leave the export, and that is remembered."""
    pro.fault(fault, count=None, path="/data/sync")
    pages, changes = read_all(pro.connect(work_dir))
    assert sum(isinstance(change, Upsert) for change in changes) == 12
    assert pages[-1].checkpoint == Checkpoint()
    asked = len(pro.answered("/data/sync"))
    for page in pages[:-1]:
        read_all(pro.connect(work_dir), _through_json(page.checkpoint))
    assert len(pro.answered("/data/sync")) == asked == 1


def test_auto_takes_up_syncs_once_the_plan_has_them(server: Server, work_dir: Path) -> None:
    """After a snapshot the next read asks again, and ends with a watermark."""
    pages, _ = read_all(server.connect(work_dir))
    assert pages[-1].checkpoint == Checkpoint()
    server.settle(plan="pro")
    pages, _ = read_all(server.connect(work_dir), None)
    assert pages[-1].checkpoint.watermark is not None


@pytest.mark.parametrize("page", [0, -1])
def test_auto_goes_on_by_snapshot_when_the_plan_is_lost(
    pro: Server, work_dir: Path, page: int
) -> None:
    """A deployment that fell back to the free plan is read whole, whatever had come before."""
    pages, _ = read_all(pro.connect(work_dir))
    pro.settle(plan="free")
    later, changes = read_all(pro.connect(work_dir), pages[page].checkpoint)
    assert {change.stream for change in changes if isinstance(change, Truncate)} == STREAMS
    assert later[-1].checkpoint == Checkpoint()


def test_a_chosen_source_is_kept_to(server: Server, work_dir: Path) -> None:
    """`sync` fails where there is none and says what else there is; `snapshot` never asks."""
    with pytest.raises(PermanentError, match="Pro plan"):
        read_all(server.connect(work_dir, source="sync"))
    with pytest.raises(PermanentError, match="Pro plan"):
        server.connect(work_dir, source="sync").check()
    server.settle(plan="pro")
    asked = len(server.answered("/data/sync"))
    pages, _ = read_all(server.connect(work_dir, source="snapshot"))
    assert pages[-1].checkpoint == Checkpoint()
    assert len(server.answered("/data/sync")) == asked
    server.connect(work_dir, source="sync").check()
    server.connect(work_dir, source="snapshot").check()
    with pytest.raises(PermanentError, match="auto, sync, snapshot"):
        server.connect(work_dir, source="carrier pigeon")


def test_a_key_without_the_right_is_told_which(pro: Server, work_dir: Path) -> None:
    """Where data syncs are wanted and the key may not, the right's name is in the error."""
    pro.fault("forbidden", path="/data/sync")
    with pytest.raises(AuthError, match="deployment:data:view"):
        read_all(pro.connect(work_dir, source="sync"))


def test_a_document_that_cannot_be_decoded_is_a_problem(pro: Server, work_dir: Path) -> None:
    """It is named and left out; the rest of its page comes."""
    broken = {"_id": "bad", "_creationTime": 1.0, "seal": {"$bytes": "not base64!"}}
    pro.mutate({"op": "insert", "table": "cars", "document": broken})
    pages, changes = read_all(pro.connect(work_dir))
    (problem,) = [problem for page in pages for problem in page.problems]
    assert (problem.stream, problem.key) == ("cars", "bad")
    assert "seal" in problem.message
    assert sum(isinstance(change, Upsert) for change in changes) == 12


def test_changes_during_the_first_sync_come_again(pro: Server, work_dir: Path) -> None:
    """What was passed and changes meanwhile comes once more, its last state last."""
    reading = pro.connect(work_dir).read("*", None)
    first = next(reading)
    passed = next(change for change in first.changes if isinstance(change, Upsert))
    for n in range(10):  # more than the deployment lets a walk be behind
        pro.mutate({"op": "patch", "table": passed.stream, "id": passed.key, "document": {"n": n}})
    pro.mutate({"op": "delete", "table": passed.stream, "id": passed.key})
    later = [change for page in reading for change in page.changes]
    its_own = [c for c in later if not isinstance(c, Truncate) and c.key == passed.key]
    assert len(its_own) > 1
    assert its_own[-1] == Delete(passed.stream, passed.key)
