"""Where a scope starts: afresh, after the last page, or from the watermark."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from shared.domain.checkpoints import Checkpoint, Mode, SavedCheckpoint, Stage
from shared.domain.tallies import Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncPlan:
    """What one job is to read.

    `fingerprint` names the set-up (mapping, selection, options): a checkpoint of another one is
    worth nothing. `incremental` is False where the source cannot tell what changed.
    `record_error_limit`: more failed records than this fail the job. `is_rejected` says of an
    earlier job whether a person rejected what it was about to do: nothing it has read counts.
    """

    job_id: str
    mode: Mode
    incremental: bool
    fingerprint: str
    scopes: Sequence[str]
    record_error_limit: int
    is_rejected: Callable[[str], bool] = lambda _job_id: False


def open_scope(saved: SavedCheckpoint | None, plan: SyncPlan) -> SavedCheckpoint:
    """Return the checkpoint this job goes on from.

    - begun by this very job under the same set-up: go on, whatever stage it is in;
    - never read, another set-up, or a full job: a fresh full read;
    - an earlier job left a read unfinished: finish it, in its mode, unless it was rejected: what
      was asked about is then read afresh, and not asked about for ever;
    - else: what changed since the watermark.
    """
    if saved is not None and saved.fingerprint == plan.fingerprint:
        if saved.job_id == plan.job_id:
            return saved
        if plan.mode is Mode.INCREMENTAL and plan.incremental:
            if saved.stage is not Stage.FINISHED:
                if not plan.is_rejected(saved.job_id):
                    return replace(saved, job_id=plan.job_id, tally=Tally())
            elif saved.checkpoint.watermark is not None:
                return _fresh(plan, Mode.INCREMENTAL, watermark=saved.checkpoint.watermark)
    return _fresh(plan, Mode.FULL, watermark=None)


def starting_point(saved: SavedCheckpoint) -> Checkpoint | None:
    """Return what to hand to the adapter's `read`: None for everything from the start."""
    checkpoint = saved.checkpoint
    nothing_read_yet = checkpoint.resume is None and checkpoint.watermark is None
    return None if nothing_read_yet else checkpoint


def _fresh(plan: SyncPlan, mode: Mode, *, watermark: object) -> SavedCheckpoint:
    return SavedCheckpoint(
        checkpoint=Checkpoint(watermark=watermark),
        fingerprint=plan.fingerprint,
        mode=mode,
        stage=Stage.READING,
        job_id=plan.job_id,
        tally=Tally(),
    )
