"""How far a scope has been read, and under which set-up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Self

from shared.domain.tallies import Tally


class Mode(StrEnum):
    """FULL enumerates everything; INCREMENTAL reads what changed since the watermark."""

    FULL = "full"
    INCREMENTAL = "incremental"


class Stage(StrEnum):
    """READING: pages are missing. READ: all pages are in. FINISHED: the sink has settled them."""

    READING = "reading"
    READ = "read"
    FINISHED = "finished"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """What an adapter needs to go on; opaque to everybody else, and plain JSON.

    `resume` set: a read is under way, the next page comes after it. `resume` None: the read is
    complete, and `watermark` (None where the source has none) is where the next incremental one
    starts.
    """

    resume: Any = None
    watermark: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedCheckpoint:
    """A checkpoint as a sink keeps it: with the set-up, the job and the counts it belongs to.

    `tally` counts this job's records of the scope up to here, so that a log written from it is
    right after any crash; `totals` are the rows the source counted so far, by stream; `unread` are
    the streams of which it could not hand over every record: what was not seen of them may exist.
    """

    checkpoint: Checkpoint
    fingerprint: str
    mode: Mode
    stage: Stage
    job_id: str
    tally: Tally
    totals: Mapping[str, int] = field(default_factory=dict)
    unread: frozenset[str] = frozenset()

    @property
    def is_under_way(self) -> bool:
        """Whether a read has begun that goes on from here."""
        return self.checkpoint.resume is not None or self.stage is not Stage.READING

    def moved(
        self,
        *,
        checkpoint: Checkpoint,
        stage: Stage,
        tally: Tally,
        totals: Mapping[str, int],
        unread: Iterable[str] = (),
    ) -> Self:
        """Return the checkpoint after one more page of the same job."""
        return replace(
            self,
            checkpoint=checkpoint,
            stage=stage,
            tally=tally,
            totals={**self.totals, **totals},
            unread=self.unread.union(unread),
        )

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object that `from_json` turns back into an equal value."""
        return {
            "resume": self.checkpoint.resume,
            "watermark": self.checkpoint.watermark,
            "fingerprint": self.fingerprint,
            "mode": self.mode.value,
            "stage": self.stage.value,
            "jobId": self.job_id,
            "tally": self.tally.to_json(),
            "totals": dict(self.totals),
            "unread": sorted(self.unread),
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Return the value `to_json` described."""
        return cls(
            checkpoint=Checkpoint(resume=data["resume"], watermark=data["watermark"]),
            fingerprint=data["fingerprint"],
            mode=Mode(data["mode"]),
            stage=Stage(data["stage"]),
            job_id=data["jobId"],
            tally=Tally.from_json(data["tally"]),
            totals=data.get("totals", {}),
            unread=frozenset(data.get("unread", ())),
        )
