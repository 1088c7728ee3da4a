"""What SQL Server's error numbers mean for a load, and what a person can do about them.

Numbers are from "Database engine events and errors" and "Resource governance errors in Azure SQL
Database" of Microsoft's documentation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """`what` went wrong, `do`: what helps. `passes`: trying again may help by itself. `is_ours`: it
    is our login that is refused.
    """

    what: str
    do: str
    passes: bool = False
    is_ours: bool = False

    def said(self, text: str) -> str:
        """Return what a person is told; `text` is the server's own."""
        return f"{self.what}: {text.rstrip('.')}. {self.do}"


NO_ROOM: Final = Refusal(
    what="The warehouse is full",
    do="Make room for it, or let it grow: a full load needs as much again as the tables have.",
    passes=True,
)
MISSING: Final = Refusal(
    what="A table or column of LinkHub is not there any more",
    do="Whoever renamed or dropped it gives it its name back, or you start a full sync, which "
    "makes it anew.",
)
_LOGIN: Final = Refusal(
    what="The warehouse refuses the login",
    do="Save its right password: its syncs go on then. Or mend the login there, and resume them.",
    is_ours=True,
)
_FORBIDDEN: Final = Refusal(
    what="The login may not do that in the warehouse",
    do="Have the database's owner run the grant script again (`grantScript` of the warehouse's "
    "test), then resume.",
    is_ours=True,
)
_TIED: Final = Refusal(
    what="Something of yours in the warehouse ties a table of LinkHub down",
    do="Drop that statistics, constraint, index, computed column or schema-bound view, then "
    "resume; a plain view upon the table's own view stands in nobody's way.",
)
_READ_ONLY: Final = Refusal(
    what="The warehouse cannot be written",
    do="Make the database read-write, or name the primary replica, then resume.",
    is_ours=True,
)
_LOCKED: Final = Refusal(
    what="Somebody keeps a table of the warehouse locked",
    do="Look for a long query or an open transaction on it; the sync tries again by itself.",
    passes=True,
)
_BUSY: Final = Refusal(
    what="The warehouse cannot answer now", do="The sync tries again by itself.", passes=True
)
_OTHER: Final = Refusal(
    what="The warehouse refused what it was asked",
    do="Show this to whoever keeps the database, then resume.",
)

_NUMBERS: Final[Mapping[Refusal, frozenset[int]]] = {
    _LOGIN: frozenset({18452, 18456, 18470, 18486, 18487, 18488}),
    NO_ROOM: frozenset({1101, 1105, 1132, 5149, 9002, 40544}),
    MISSING: frozenset({207, 208, 3701, 4902, 4924, 15225, 15248}),
    _FORBIDDEN: frozenset({229, 230, 262, 297, 300, 916, 1088, 2760, 15151, 15247}),
    _TIED: frozenset({3729, 4922, 5074, 15336}),
    _READ_ONLY: frozenset({3906, 3908}),
    _LOCKED: frozenset({1222}),
    _BUSY: frozenset(
        {
            701,  # no memory
            922,  # recovering
            927,  # restoring
            942,  # offline
            952,  # in transition
            976,  # a replica that is not the primary one yet
            978,
            983,
            1204,  # no locks left
            1205,  # deadlock
            2714,  # another run made the same table a moment before
            4060,  # database not open to us yet (Azure SQL fails over)
            8645,  # no memory within the time
            10928,
            10929,
            10936,
            40143,
            40197,
            40501,
            40540,
            40549,
            40550,
            40551,
            40552,
            40553,
            40613,
            42108,  # a serverless database that wakes up
            42109,
            49918,
            49919,
            49920,
        }
    ),
}
_PASSING_STATES: Final = ("08", "40", "HYT")


def refusal_of(state: str, numbers: set[int]) -> Refusal:
    """Return what an error amounts to, by its SQLSTATE and the numbers it holds."""
    if state == "28000":
        return _LOGIN
    for refusal, known in _NUMBERS.items():
        if numbers & known:
            return refusal
    return _BUSY if state.startswith(_PASSING_STATES) else _OTHER
