from __future__ import annotations

import gc
import sys

import pytest

from shared.engine.collecting import NEW_OBJECTS, TURN_SECONDS, seldom_collecting


def test_the_collector_rests_until_the_last_run_ends() -> None:
    """Runs may overlap: the setting is changed once, and comes back once."""
    before, turn = gc.get_threshold(), sys.getswitchinterval()
    with seldom_collecting():
        with seldom_collecting():
            assert gc.get_threshold()[0] == NEW_OBJECTS
            assert sys.getswitchinterval() == pytest.approx(TURN_SECONDS)
        assert gc.get_threshold()[0] == NEW_OBJECTS
    assert gc.get_threshold() == before
    assert sys.getswitchinterval() == turn
