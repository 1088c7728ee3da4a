"""What a person decided for the cases that need a decision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self


class ConflictPolicy(StrEnum):
    """Whose value stays where a record changed on both sides; ASK leaves it to a person."""

    EXTERNAL = "external"
    LINKHUB = "linkhub"
    NEWEST = "newest"
    ASK = "ask"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policies:
    """An instance's policies.

    `delete_approval_percent`: a job that would delete more than this share of the records waits
    for an approval. `record_error_limit`: a job with more bad records fails; None for the app's
    own limit, which it never exceeds.
    """

    on_conflict: ConflictPolicy = ConflictPolicy.EXTERNAL
    delete_approval_percent: int = 10
    record_error_limit: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object that `from_json` turns back into an equal value."""
        return {
            "onConflict": self.on_conflict.value,
            "deleteApprovalPercent": self.delete_approval_percent,
            "recordErrorLimit": self.record_error_limit,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Return the value `to_json` described, defaults for what is absent."""
        default = cls()
        return cls(
            on_conflict=ConflictPolicy(data.get("onConflict", default.on_conflict)),
            delete_approval_percent=data.get(
                "deleteApprovalPercent", default.delete_approval_percent
            ),
            record_error_limit=data.get("recordErrorLimit"),
        )
