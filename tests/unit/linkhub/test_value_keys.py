"""Values: LinkHub knows them by indicator and day, whichever record brings them."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from shared.domain.changes import Delete, Upsert
from shared.domain.links import MAX_LINKHUB_KEY, natural_key
from shared.domain.tallies import Tally
from shared.ports.sink import WriteResult
from tests.linkhub_kit import Bench, make_client, make_mapper

MAPPER = make_mapper({"kpi": "indicator", "day": "date", "n": "value"}, entity="values")
DAYS = {"a": "2026-11-01", "b": "2026-11-02", "c": "2026-11-03", "d": "2026-11-04"}


def row(key: str, day: str, n: int = 1, kpi: str = "sales") -> Upsert:
    return Upsert("deals", key, {"kpi": kpi, "day": DAYS[day], "n": n})


def sync(bench: Bench, *changes: Upsert | Delete) -> WriteResult:
    return bench.sync(*changes, mapper=MAPPER)


def values(bench: Bench) -> Mapping[str, str]:
    """Return what LinkHub has: the value of each day, by letter."""
    client = make_client(bench.running, bench.instance.profile_id)
    keys = {f"{day}/sales": letter for letter, day in DAYS.items()}
    try:
        found = client.get("values", source=bench.instance.id, external_keys=list(keys))
        return {keys[record.external_key]: record.fields["value"][:1] for record in found}
    finally:
        client.close()


def keys_of(bench: Bench, *keys: str) -> Mapping[str, str]:
    """Return the days the live links have, by letter."""
    letters = {f"{day}/sales": letter for letter, day in DAYS.items()}
    return {
        key: letters[link.linkhub_key]
        for key, link in bench.links(*keys).items()
        if link.deleted_at is None
    }


def test_the_key_is_the_day_and_the_indicator(bench: Bench) -> None:
    """The external id is no part of it; the link keeps it."""
    assert sync(bench, row("1", "a", 5)).tally == Tally(success=1)
    assert values(bench) == {"a": "5"}
    assert keys_of(bench, "1") == {"1": "a"}
    assert bench.links("1")["1"].key_at_linkhub == f"{DAYS['a']}/sales"


def test_a_value_whose_day_changes_moves(bench: Bench) -> None:
    """It stands under the new day, and no more under the old one."""
    sync(bench, row("1", "a", 5), row("2", "b", 6))
    assert sync(bench, row("1", "c", 5)).tally == Tally(success=1)
    assert values(bench) == {"b": "6", "c": "5"}
    assert keys_of(bench, "1", "2") == {"1": "c", "2": "b"}


@pytest.mark.parametrize("together", [True, False])
def test_a_second_record_for_a_day_is_an_error_that_names_the_first(
    bench: Bench, *, together: bool
) -> None:
    """In the same batch or a later one; the first one's value stands."""
    first, second = row("1", "a", 5), row("2", "a", 6)
    if together:
        result = sync(bench, first, second)
        assert result.tally == Tally(success=1, error=1)
    else:
        sync(bench, first)
        result = sync(bench, second)
        assert result.tally == Tally(error=1)
    [problem] = result.problems
    assert (problem.key, problem.field) == ("2", "indicator")
    assert "from the record 1 already" in problem.message
    assert values(bench) == {"a": "5"}
    assert keys_of(bench, "1", "2") == {"1": "a"}


def test_the_owner_of_a_day_keeps_it_whatever_the_order(bench: Bench) -> None:
    """A newcomer that stands before it in the batch does not take its place."""
    sync(bench, row("1", "a", 5))
    result = sync(bench, row("2", "a", 6), row("1", "a", 7))
    assert [problem.key for problem in result.problems] == ["2"]
    assert values(bench) == {"a": "7"}


def test_two_records_may_swap_their_days(bench: Bench) -> None:
    """In one batch each takes the other's place, and nothing is deleted."""
    sync(bench, row("1", "a", 5), row("2", "b", 6))
    assert sync(bench, row("1", "b", 5), row("2", "a", 6)).tally == Tally(success=2)
    assert values(bench) == {"a": "6", "b": "5"}
    assert keys_of(bench, "1", "2") == {"1": "b", "2": "a"}


def test_a_chain_of_moves_leaves_only_the_last_place(bench: Bench) -> None:
    """Each goes where the next one was: the first place is empty then."""
    sync(bench, row("1", "a", 1), row("2", "b", 2), row("3", "c", 3))
    sync(bench, row("1", "b", 1), row("2", "c", 2), row("3", "d", 3))
    assert values(bench) == {"b": "1", "c": "2", "d": "3"}


def test_whoever_cannot_move_keeps_others_from_moving(bench: Bench) -> None:
    """1 wants the place of 2, which wants that of 3, which stays: both stay and say why."""
    sync(bench, row("1", "a", 1), row("2", "b", 2), row("3", "c", 3))
    result = sync(bench, row("1", "b", 7), row("2", "c", 8))
    assert result.tally == Tally(error=2)
    assert {problem.key for problem in result.problems} == {"1", "2"}
    assert values(bench) == {"a": "1", "b": "2", "c": "3"}
    assert keys_of(bench, "1", "2", "3") == {"1": "a", "2": "b", "3": "c"}


def test_a_day_that_is_freed_can_be_taken_at_once(bench: Bench) -> None:
    """One record goes, another one comes in its place: the value is not deleted after all."""
    sync(bench, row("1", "a", 5))
    result = sync(bench, row("2", "a", 6), Delete("deals", "1"))
    assert result.tally == Tally(success=2, deleted=1)
    assert values(bench) == {"a": "6"}
    assert keys_of(bench, "1", "2") == {"2": "a"}
    assert sync(bench, row("1", "a", 5)).tally == Tally(error=1)


def test_a_deleted_value_goes_from_its_day(bench: Bench) -> None:
    """The link knows the key, the tombstone need not."""
    sync(bench, row("1", "a"), row("2", "b"))
    assert sync(bench, Delete("deals", "1")).tally == Tally(success=1, deleted=1)
    assert set(values(bench)) == {"b"}


def test_a_move_linkhub_rejects_leaves_everything_as_it_was(bench: Bench) -> None:
    """The old place is given up only once the new one is taken."""
    sync(bench, row("1", "a", 5))
    bench.running.fault("linkhub", "reject", every=1, count=1)
    assert sync(bench, row("1", "b", 5)).tally == Tally(error=1)
    assert values(bench) == {"a": "5"}
    assert keys_of(bench, "1") == {"1": "a"}


def test_a_move_cut_in_two_is_made_whole(bench: Bench) -> None:
    """The run died after LinkHub had all of it: the next one says so again, and keeps the link."""
    sync(bench, row("1", "a", 5))
    bench.sink(mapper=MAPPER).write("deals", [row("1", "b", 5)])
    bench.claim()
    assert sync(bench, row("1", "b", 5)).tally == Tally(success=1)
    assert values(bench) == {"b": "5"}
    assert keys_of(bench, "1") == {"1": "b"}


def test_an_indicator_that_ends_with_a_space_is_its_records_problem(bench: Bench) -> None:
    """LinkHub could not keep such a key, and the store would not find it again."""
    result = sync(bench, row("1", "a", kpi="sales "), row("2", "b"))
    assert result.tally == Tally(success=1, error=1)
    assert "ends with a space" in result.problems[0].message


def test_long_indicators_have_keys_of_their_own() -> None:
    """However long, no two share one and LinkHub takes each."""
    longest = [{"date": "2026-11-01", "indicator": "x" * length} for length in (244, 245, 255)]
    keys = [natural_key("values", fields) for fields in longest]
    assert [len(key) <= MAX_LINKHUB_KEY for key in keys] == [True] * 3
    assert len(set(keys)) == 3
    assert natural_key("initiatives", {"date": "2026-11-01", "indicator": "x"}) == ""
