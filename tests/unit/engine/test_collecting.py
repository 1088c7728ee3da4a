from __future__ import annotations

import gc

from shared.engine.collecting import NEW_OBJECTS, seldom_collecting


def test_the_collector_rests_until_the_last_run_ends() -> None:
    """Runs may overlap: the setting is changed once, and comes back once."""
    before = gc.get_threshold()
    with seldom_collecting():
        with seldom_collecting():
            assert gc.get_threshold()[0] == NEW_OBJECTS
        assert gc.get_threshold()[0] == NEW_OBJECTS
    assert gc.get_threshold() == before
