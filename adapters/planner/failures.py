"""Graph's own view of an error answer.

Source: learn.microsoft.com/graph/errors, and "Common Planner error conditions" in
learn.microsoft.com/graph/api/resources/planner-overview.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from shared.errors import AuthError, PermanentError, SyncError
from shared.http.errors import Failure

QUOTAS: Mapping[str, str] = {
    "MaximumProjectsOwnedByUser": "the account owns as many plans as it may",
    "MaximumProjectsSharedWithUser": "as many plans are shared with the account as may be",
    "MaximumTasksCreatedByUser": "the account has created as many tasks as it may",
    "MaximumTasksAssignedToUser": "an assignee has as many tasks as anybody may have",
    "MaximumTasksInProject": "the plan has as many tasks as fit",
    "MaximumActiveTasksInProject": "the plan has as many open tasks as fit",
    "MaximumBucketsInProject": "the plan has as many buckets as fit",
    "MaximumUsersSharedWithProject": "the plan is shared with as many people as it may be",
    "MaximumReferencesOnTask": "the task has as many references as fit",
    "MaximumChecklistItemsOnTask": "the checklist has as many items as fit",
    "MaximumAssigneesInTasks": "the task has as many assignees as it may have",
    "MaximumPlannerPlans": "the group has as many plans as it may have",
    "MaximumFavoritePlansForUser": "the account has as many favourite plans as it may have",
}
"""What each quota's code means. Waiting ends none of them: somebody must make room."""

_PREFIX = "Maximum"
_ONE_CALL = frozenset({400, 404, 409, 410, 412})


class RefusedError(PermanentError):
    """Graph refused one call for what it asked, not for who asked; `failure` is its answer."""

    def __init__(self, message: str, *, failure: Failure) -> None:
        super().__init__(message)
        self.failure = failure

    @property
    def status(self) -> int:
        """The answer's status."""
        return self.failure.status


def quota_of(failure: Failure) -> str:
    """Return which quota a 403 names, as a sentence's middle; '' where it names none.

    A code that is new here is still known by how they all begin.
    """
    if failure.status != HTTPStatus.FORBIDDEN or not failure.code.startswith(_PREFIX):
        return ""
    return QUOTAS.get(failure.code, f"a limit is reached ({failure.code})")


def classify(failure: Failure, text: str) -> SyncError | None:
    """Return the error where Graph says more than the status."""
    if quota_of(failure):
        text = f"{text} In Planner {quota_of(failure)}: make room there."
        return RefusedError(text, failure=failure)
    if failure.status == HTTPStatus.FORBIDDEN:
        return AuthError(
            f"{text} The signed-in person must be a member of the group that owns the plan, and "
            "an administrator must have allowed Group.Read.All. Then connect the instance again."
        )
    if failure.status in _ONE_CALL:
        return RefusedError(text, failure=failure)
    return None
