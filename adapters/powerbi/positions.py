"""Where a read of a table stands: what a checkpoint's `resume` holds."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Self

from shared.errors import PermanentError


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """The next query of a read.

    `key`: the columns it goes by, () where rows are named by their content. `after`: the last key
    given, as JSON had it; () before the first. `refreshed`: the last refresh when the read began,
    `is_steady`: none was under way then. `rows`: how many the table had in all, `keyed` with a key;
    `seen`: how many of these have been read.
    """

    key: tuple[str, ...]
    after: tuple[Any, ...] = ()
    refreshed: str | None
    is_steady: bool
    rows: int
    keyed: int
    seen: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON that `from_json` turns back into an equal value."""
        return {**asdict(self), "key": list(self.key), "after": list(self.after)}

    @classmethod
    def from_json(cls, data: Any) -> Self:
        """Return the value `to_json` described; raise PermanentError for anything else."""
        try:
            return cls(**{**data, "key": tuple(data["key"]), "after": tuple(data["after"])})
        except (KeyError, TypeError):
            raise PermanentError(
                "The checkpoint of the Power BI table cannot be read. Start a full sync."
            ) from None
