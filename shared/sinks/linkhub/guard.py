"""The question before many deletes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from shared.errors import ApprovalNeededError

FEWEST = 5
"""Fewer deletes than this in one job are nothing unusual, however few records there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteGuard:
    """Lets a job delete up to `percent` of an instance's records, and `approved` ones any number.

    `count_live` says how many records there were when the job began; it is asked only where enough
    are to go. `where` they would go is told to the person who is asked.
    """

    percent: int
    approved: bool
    count_live: Callable[[], int]
    where: str = "in LinkHub"

    def check(self, count: int, *, deleted: int) -> None:
        """Return if `count` more deletes are fine after `deleted` of this job.

        Raise ApprovalNeededError where they are more than may go without a person's word.
        """
        in_all = deleted + count
        if not count or self.approved or in_all < FEWEST:
            return
        live = self.count_live()
        if in_all * 100 <= self.percent * live:
            return
        share = f"{in_all * 100 / live:.0f}" if live else "100"
        raise ApprovalNeededError(
            f"This sync would delete {in_all:,} of {live:,} records {self.where}: {share} %, "
            f"more than the {self.percent} % that may go without asking. Approve the job to let "
            "it, or reject it to keep them."
        )
