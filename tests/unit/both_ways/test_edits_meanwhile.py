"""What a person edits in LinkHub between the merge and the write is not lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from shared.domain.merge import Fate
from shared.domain.policies import ConflictPolicy
from shared.sinks.provider.exchange import Exchange
from shared.sinks.provider.linkhub import write_to_linkhub
from tests.both_ways_kit import INITIATIVES, BothWays, both_ways
from tests.sandbox_kit import Running


def once(pair: BothWays, step: str, act: Callable[[], None]) -> list[str]:
    """Have something done before the first request to LinkHub of a kind; return when it was."""
    done: list[str] = []

    def cut(name: str) -> None:
        if name == step and not done:
            done.append(name)
            act()

    pair.cut = cut
    return done


@pytest.mark.parametrize(
    ("policy", "here", "there"),
    [
        (ConflictPolicy.ASK, "Mine", "Theirs"),
        (ConflictPolicy.LINKHUB, "Mine", "Mine"),
        (ConflictPolicy.EXTERNAL, "Theirs", "Theirs"),
    ],
)
def test_an_edit_of_the_very_field_meets_the_policy(
    tmp_path: Path, sandbox: Running, policy: ConflictPolicy, here: str, there: str
) -> None:
    """The merge saw one side's change; LinkHub refuses what came of that, and both count."""
    with both_ways(tmp_path, sandbox, policy=policy) as pair:
        id_ = pair.add_task("Roof")
        pair.sync()
        pair.graph.edit(id_, title="Theirs")
        done = once(pair, "ask upsert", lambda: pair.edit_record("Roof", name="Mine"))
        pair.sync()
        assert done
        assert (set(pair.records()), set(pair.tasks())) == ({here}, {there})
        assert [each.field for each in pair.conflicts()] == ["name"] * (here != there)


def test_an_edit_saves_a_record_that_is_about_to_be_deleted(
    tmp_path: Path, sandbox: Running
) -> None:
    """The import has decided for the delete; it decides anew, and the record stays."""
    with both_ways(tmp_path, sandbox, policy=ConflictPolicy.NEWEST) as pair:
        id_ = pair.add_task("Roof")
        pair.add_task("Wall")
        pair.sync()
        pair.remove_task(id_)
        done = once(pair, "ask delete", lambda: pair.edit_record("Roof", name="Roof II"))
        log = pair.sync()
        assert done
        assert log.tally.deleted == 0
        assert set(pair.records()) == {"Roof II", "Wall"}
        pair.sync()
        pair.assert_in_step()
        pair.assert_quiet()


def test_a_delete_that_meets_an_edit_asks(tmp_path: Path, sandbox: Running) -> None:
    """It would have travelled; with the edit a person has to say."""
    with both_ways(tmp_path, sandbox, policy=ConflictPolicy.ASK) as pair:
        id_ = pair.add_task("Roof")
        pair.sync()
        pair.remove_task(id_)
        done = once(pair, "ask delete", lambda: pair.edit_record("Roof", name="Roof II"))
        log = pair.sync()
        assert done
        assert (log.tally.deleted, log.tally.warning > 0) == (0, True)
        assert "Roof II" in pair.records()
        (conflict,) = pair.conflicts()
        assert conflict.field == ""


def test_a_record_edited_again_and_again_is_an_error_and_stays(
    tmp_path: Path, sandbox: Running
) -> None:
    """The job ends; the next one deletes it, once people leave it alone, if they meant to."""
    with both_ways(tmp_path, sandbox, policy=ConflictPolicy.EXTERNAL) as pair:
        id_ = pair.add_task("Roof")
        pair.sync()
        pair.remove_task(id_)
        linkhub_id = pair.records()["Roof"].id
        names = iter(f"Roof {number}" for number in range(100))

        def edit(step: str) -> None:
            if step == "ask delete":
                pair.edit(patch=[{"id": linkhub_id, "fields": {"name": next(names)}}])

        pair.cut = edit
        log = pair.sync()
        assert log.tally.error == 1
        assert len(pair.records()) == 1
        pair.cut = lambda _step: None
        pair.sync()
        assert not pair.records()
        pair.assert_quiet()


def test_an_export_deletes_only_what_it_has_seen(pair: BothWays) -> None:
    """A record that is at another version by now is kept, and so is its link."""
    pair.add_task("Roof")
    pair.add_task("Wall")
    pair.sync()
    records, links = pair.records(), pair.links()
    roof, wall = (
        Exchange(
            linkhub_id=record.id,
            stream="tasks",
            present={"fields": record.fields, "version": record.version},
            link=links[record.id],
            fate=Fate.DELETE_LINKHUB,
        )
        for record in (records["Roof"], records["Wall"])
    )
    pair.edit_record("Roof", name="Roof II")
    write_to_linkhub(
        pair.client,
        INITIATIVES,
        [roof, wall],
        source=pair.instance.id,
        key_of=lambda each: each.link.key_at_linkhub if each.link else "",
    )
    assert set(pair.records()) == {"Roof II"}
    assert [(each.is_delete, each.sent) for each in (roof, wall)] == [(False, False), (True, True)]
