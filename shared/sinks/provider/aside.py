"""The books of an export of single records, beside the read of changes."""

from __future__ import annotations

from shared.domain.checkpoints import Checkpoint, Mode, SavedCheckpoint, Stage
from shared.domain.tallies import Tally
from shared.sinks.provider.books import Books


class BooksAside(Books):
    """Keeps links, conflicts and what is to be tried again; no checkpoint moves."""

    def load(self, scope: str) -> SavedCheckpoint | None:
        """Return the checkpoint of a read of changes which begins now."""
        super().load(scope)
        return SavedCheckpoint(
            checkpoint=Checkpoint(),
            fingerprint="",
            mode=Mode.INCREMENTAL,
            stage=Stage.READING,
            job_id=self._job_id,
            tally=Tally(),
        )

    def save(self, scope: str, saved: SavedCheckpoint | None) -> None:
        """Store what was put, in one transaction."""
        del saved
        super().save(scope, None)
