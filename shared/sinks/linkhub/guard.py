"""The question before many deletes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from shared.errors import ApprovalNeededError

FEWEST = 5
"""Fewer deletes than this in one job are nothing unusual, however few records there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteGuard:
    """Lets a job delete what a person has approved, and up to `percent` of an instance's records.

    `approved` is how many deletes the last question named that was answered with yes: what goes
    beyond them is counted from nothing again. `count_live` says how many records there were when
    the job began; it is asked only where enough are to go. `where` they would go is told to the
    person who is asked.
    """

    percent: int
    approved: int
    count_live: Callable[[], int]
    where: str = "in LinkHub"

    def check(self, count: int, *, deleted: int, recount: Callable[[], int] | None = None) -> None:
        """Return if `count` more deletes are fine after `deleted` of this job.

        Where they are not, `recount` may find that fewer of them are left to do. Raise
        ApprovalNeededError where they are more than may go without a person's word.
        """
        if self._is_fine(count, deleted):
            return
        if recount is not None:
            count = recount()
            if self._is_fine(count, deleted):
                return
        in_all, live = deleted + count, self.count_live()
        share = f"{in_all * 100 / live:.0f}" if live else "100"
        approved = f" {self.approved:,} of them are approved." if self.approved else ""
        raise ApprovalNeededError(
            f"This sync would delete {in_all:,} of {live:,} records {self.where}: {share} %, "
            f"more than the {self.percent} % that may go without asking.{approved} Approve the job "
            "to let it, or reject it to keep them.",
            deletes=in_all,
        )

    def _is_fine(self, count: int, deleted: int) -> bool:
        unasked = deleted + count - self.approved
        if not count or unasked < FEWEST:
            return True
        return unasked * 100 <= self.percent * self.count_live()
