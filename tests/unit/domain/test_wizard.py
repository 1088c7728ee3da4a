"""The order of the wizard's steps."""

from __future__ import annotations

from itertools import pairwise

import pytest

from shared.domain.instances import SetupStep
from shared.domain.wizard import ORDER, advance, require_step
from shared.errors import ConflictError

STEPS = [step for step in ORDER if step is not SetupStep.NOT_STARTED]


def test_the_order_holds_every_step_once() -> None:
    """Nothing the database may hold is unknown here."""
    assert sorted(ORDER) == sorted(SetupStep)


@pytest.mark.parametrize(("before", "done"), list(pairwise(ORDER)))
def test_each_step_follows_the_one_before(before: SetupStep, done: SetupStep) -> None:
    """In order, every step leads to where it says."""
    assert advance(before, done) is done


@pytest.mark.parametrize(
    ("step", "done"),
    [(step, done) for i, step in enumerate(ORDER) for done in ORDER[i + 2 :]],
)
def test_a_step_too_early_names_the_one_missing(step: SetupStep, done: SetupStep) -> None:
    """Whatever was skipped, the next step due is what the answer asks for."""
    missing = ORDER[ORDER.index(step) + 1]
    with pytest.raises(ConflictError, match=f"'{missing.value}' is missing"):
        advance(step, done)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("done", STEPS)
def test_going_back_makes_later_steps_due_again(step: SetupStep, done: SetupStep) -> None:
    """An unfinished set-up stands where it went back to; a completed one stays completed."""
    if ORDER.index(done) <= ORDER.index(step):
        expected = step if step is SetupStep.COMPLETED else done
        assert advance(step, done) is expected
        assert advance(expected, done) is expected


def test_a_step_that_is_done_is_there() -> None:
    """Only what is missing is refused."""
    for i, step in enumerate(ORDER):
        for needed in ORDER[: i + 1]:
            require_step(step, needed)
        for needed in ORDER[i + 1 :]:
            with pytest.raises(ConflictError):
                require_step(step, needed)
