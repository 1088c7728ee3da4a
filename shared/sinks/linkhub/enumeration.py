"""What a full read has seen, so that what it has not seen is proven gone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from shared.domain.checkpoints import SavedCheckpoint, Stage
from shared.engine.batches import RecordKey

MOST_UNLINKED = 2000
"""Records without a link that are remembered by name; beyond it nothing is proven any more."""


class FullRead:
    """One enumeration of a scope, which may go over several runs and jobs.

    Links carry the id of the job that began it (`job_id`); records that were seen and have no link,
    because they could not be written, are remembered here.
    """

    def __init__(self, job_id: str, unlinked: set[RecordKey] | None) -> None:
        self.job_id = job_id
        self._unlinked = unlinked

    @classmethod
    def opened(cls, saved: SavedCheckpoint, stored: Any) -> Self:
        """Return the read `saved` belongs to: a new one, or the one `stored` tells of."""
        if saved.stage is Stage.READING and saved.checkpoint.resume is None:
            return cls(saved.job_id, set())
        if not isinstance(stored, Mapping) or stored["unlinked"] is None:
            return cls(saved.job_id, None)
        return cls(stored["jobId"], {(stream, key) for stream, key in stored["unlinked"]})

    def to_json(self) -> dict[str, Any]:
        """Return what `opened` goes on with."""
        unlinked = None if self._unlinked is None else sorted(self._unlinked)
        return {"jobId": self.job_id, "unlinked": unlinked}

    def add_unlinked(self, key: RecordKey) -> None:
        """Note a record that was seen and has no link."""
        if self._unlinked is None:
            return
        self._unlinked.add(key)
        if len(self._unlinked) > MOST_UNLINKED:
            self._unlinked = None

    def discard_unlinked(self, key: RecordKey) -> None:
        """Note that a record has a link by now."""
        if self._unlinked:
            self._unlinked.discard(key)

    def count_unlinked(self, stream: str) -> int | None:
        """Return how many of a stream's records have no link; None where nobody knows."""
        if self._unlinked is None:
            return None
        return sum(seen == stream for seen, _ in self._unlinked)
