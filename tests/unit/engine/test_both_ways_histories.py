"""Random histories of edits on both sides: both ends converge, and no acknowledged edit is lost.

Each is one seed, told by the failing test.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.histories import HISTORIES
from tests.histories.history import Fate, History
from tests.histories.rig import House

CHUNK = 50
TWICE = 10
"""One in so many calm histories is played again without anything going wrong."""


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with House.opened(tmp_path_factory.mktemp("house")) as opened:
        yield opened


@pytest.mark.parametrize("first", range(0, HISTORIES, CHUNK))
def test_both_sides_converge_and_keep_every_edit(house: House, first: int) -> None:
    """Whatever people do, and wherever runs end, both sides come to what the edits explain."""
    for seed in range(first, min(first + CHUNK, HISTORIES)):
        try:
            History(house, seed, Fate()).play()
        except AssertionError as error:
            error.add_note(f"seed {seed}")
            raise


def test_what_goes_wrong_changes_nothing_of_the_outcome(house: House) -> None:
    """Power cuts, lost answers and pauses leave both sides as a quiet day would have."""
    for seed in range(0, HISTORIES, TWICE):
        bad = History(house, seed, Fate(meddling=False)).play()
        good = History(house, seed, Fate(blows=False, meddling=False)).play()
        assert bad == good, f"seed {seed}"
