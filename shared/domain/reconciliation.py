"""What a warehouse's tables were found to hold, compared with what was written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True, kw_only=True)
class TableCheck:
    """One table: rows counted and rows due, and whether their hashes add up to what was written.

    `read_back` rows were read again, of which `differing` are not what their hash says.
    `is_refused`: a full load was compared before it was to replace the table, and did not.
    """

    stream: str
    table: str
    rows: int
    rows_due: int
    has_checksum: bool
    read_back: int = 0
    differing: int = 0
    is_refused: bool = False

    @property
    def is_equal(self) -> bool:
        """Whether nothing speaks against the table holding just what was written."""
        return self.rows == self.rows_due and self.has_checksum and not self.differing

    @property
    def message(self) -> str:
        """Say for people what is wrong with the table, and what to do."""
        if self.is_refused:
            return self._refused
        if self.rows != self.rows_due:
            what = f"has {self.rows:,} rows where {self.rows_due:,} were written"
        elif not self.has_checksum:
            what = "has other rows than were written: the sum of their hashes differs"
        else:
            what = f"differs in {self.differing} of {self.read_back} rows that were read back"
        return f"Table {self.table} {what}. Somebody else changed it: start a full sync."

    @property
    def _refused(self) -> str:
        if self.rows != self.rows_due:
            what = f"came with {self.rows:,} rows where {self.rows_due:,} were due"
        elif not self.has_checksum:
            what = "came with other rows than were read: the sum of their hashes differs"
        else:
            return f"Table {self.table} stays as it was: another table of its load differs."
        return (
            f"Table {self.table} {what}. Nothing of this load was taken over, every table stays as "
            "it was. The next sync reads everything again: start one now, or wait for it."
        )

    def to_json(self) -> dict[str, Any]:
        """Return the check as JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Return the value `to_json` described."""
        return cls(**data)
