"""Two instances that would export the same native record: one does, and the other has no copy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.domain.tallies import Tally
from tests.both_ways_kit import BothWays, both_ways
from tests.sandbox_kit import Running


@pytest.fixture
def rival(pair: BothWays, tmp_path: Path, sandbox: Running) -> Iterator[BothWays]:
    """Another plan, in another account, of the same LinkHub profile."""
    folder = tmp_path / "rival"
    folder.mkdir()
    with both_ways(folder, sandbox, profile_id=pair.instance.profile_id) as made:
        yield made


@pytest.mark.parametrize(("step", "is_first"), [("ask upsert", False), ("answer upsert", True)])
def test_one_of_them_creates_it(
    pair: BothWays, rival: BothWays, step: str, *, is_first: bool
) -> None:
    """Whoever claims it in LinkHub first; the other one counts nothing and tries no more."""
    id_ = pair.add_record("Solar")
    steps: list[str] = []

    def meet(name: str) -> None:
        if name == step and not steps:
            steps.append(name)
            rival.sync()

    pair.cut = meet
    log = pair.sync()
    assert steps
    assert log.tally == (Tally(success=1) if is_first else Tally())
    pair.cut = lambda _step: None
    winner, loser = (pair, rival) if is_first else (rival, pair)
    for one in (pair, rival, pair, rival):
        assert one.sync().tally.error == 0
    assert set(winner.tasks()) == {"Solar"}
    assert not loser.tasks()
    assert winner.records()["Solar"].source == winner.instance.id
    assert winner.records()["Solar"].id == id_
    winner.assert_in_step()


def test_what_was_claimed_and_not_created_is_created_by_the_next_job(pair: BothWays) -> None:
    """Planner refuses it once; it is still this instance's to create, and is created once."""
    pair.add_record("Solar")
    pair.graph.fault("quota", count=1)
    assert pair.sync().tally == Tally(error=1)
    record = pair.records()["Solar"]
    assert (record.source, record.external_key) == (pair.instance.id, f"claimed-{record.id}")
    pair.sync()
    pair.assert_in_step()
    pair.assert_quiet()


def test_what_is_edited_before_it_is_claimed_is_created_as_it_is_then(pair: BothWays) -> None:
    """Nothing outdated reaches Planner: the feed shows the record again within the job or next."""
    id_ = pair.add_record("Solar")
    steps: list[str] = []

    def edit(name: str) -> None:
        if name == "ask upsert" and not steps:
            steps.append(name)
            pair.edit(patch=[{"id": id_, "fields": {"name": "Solar II"}}])

    pair.cut = edit
    pair.sync()
    pair.cut = lambda _step: None
    pair.sync()
    assert steps
    assert set(pair.tasks()) == {"Solar II"}
    pair.assert_in_step()
    pair.assert_quiet()
