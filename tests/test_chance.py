"""No test passes by luck, and none fails by it."""

from __future__ import annotations

import random
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.internal.conjecture import providers

from shared import errors
from tests import chance


def fault_of(**own: Any) -> str:
    """Return what is found wrong with a property that has these settings of its own."""

    def holds(value: int) -> None:
        assert isinstance(value, int)

    test: Callable[[], None] = settings(**own)(given(st.integers())(holds))
    item: Any = SimpleNamespace(obj=test)
    return chance.fault_of(item)


def test_a_property_with_no_clock_of_its_own_is_let_in() -> None:
    """The profile gives it the same examples in every run, however slow the machine is."""
    assert fault_of() == ""
    assert fault_of(max_examples=7, deadline=None) == ""


@pytest.mark.parametrize(
    ("own", "fault"),
    [
        ({"deadline": 200}, "deadline"),
        ({"derandomize": False}, "others in every run"),
        ({"suppress_health_check": [HealthCheck.function_scoped_fixture]}, "too_slow"),
    ],
)
def test_a_property_that_depends_on_luck_or_the_clock_is_refused(
    own: dict[str, Any], fault: str
) -> None:
    """The run ends before it starts, with what to change."""
    assert fault in fault_of(**own)


def test_whoever_explores_may_throw_other_dice() -> None:
    """Another profile than that of the usual run is for hunting, where anything goes."""
    usual = settings.get_current_profile_name()
    settings.load_profile("exploring")
    try:
        assert fault_of(deadline=200) == ""
    finally:
        settings.load_profile(usual)


def test_no_constant_of_a_module_that_is_loaded_is_mixed_in() -> None:
    """What a property is tried on does not change with the tests it runs among."""
    mixed_in = vars(providers)["is_local_module_file"]
    assert len(providers._get_local_constants()) == 0
    assert not mixed_in(errors.__file__)
    usual = settings.get_current_profile_name()
    settings.load_profile("exploring")
    try:
        assert mixed_in(errors.__file__)
    finally:
        settings.load_profile(usual)


def test_the_dice_of_the_product_fall_the_same_way(request: pytest.FixtureRequest) -> None:
    """A test begins with the dice of its name, in any order and in any process."""
    thrown = random.getstate()
    random.random()  # noqa: S311  no secret
    chance.throw_same_dice(request.node.nodeid)
    assert random.getstate() == thrown
    chance.throw_same_dice("another")
    assert random.getstate() != thrown
