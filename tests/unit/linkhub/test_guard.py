"""The question before many deletes, by itself."""

from __future__ import annotations

import pytest

from shared.errors import ApprovalNeededError
from shared.sinks.linkhub.guard import DeleteGuard


def guard(*, approved: int, percent: int = 20) -> DeleteGuard:
    return DeleteGuard(percent=percent, approved=approved, count_live=lambda: 40)


@pytest.mark.parametrize(
    ("approved", "deleted", "count"), [(10, 0, 10), (10, 0, 18), (10, 10, 4), (0, 0, 8), (0, 39, 0)]
)
def test_what_was_approved_and_the_usual_share_beyond_it_may_go(
    approved: int, deleted: int, count: int
) -> None:
    """The share is counted from the approved number on."""
    guard(approved=approved).check(count, deleted=deleted)


@pytest.mark.parametrize(("approved", "deleted", "count"), [(10, 0, 19), (10, 10, 9), (0, 8, 1)])
def test_what_goes_beyond_both_is_asked_with_the_number_of_the_whole_job(
    approved: int, deleted: int, count: int
) -> None:
    """Whoever approves it approves all of it."""
    with pytest.raises(ApprovalNeededError) as caught:
        guard(approved=approved).check(count, deleted=deleted)
    assert caught.value.deletes == deleted + count


def test_too_many_are_counted_again_before_anybody_is_asked() -> None:
    """Fewer may be left to do."""
    guard(approved=0).check(30, deleted=0, recount=lambda: 8)
    guard(approved=0).check(30, deleted=8, recount=lambda: 0)


def test_the_question_names_what_was_counted_again() -> None:
    """It is about those that would really go."""
    with pytest.raises(ApprovalNeededError, match="delete 9 of 40 records") as caught:
        guard(approved=0).check(30, deleted=0, recount=lambda: 9)
    assert caught.value.deletes == 9


def test_few_are_not_counted_again() -> None:
    """The second count is the dear one."""
    guard(approved=0).check(8, deleted=0, recount=lambda: pytest.fail("not needed"))
