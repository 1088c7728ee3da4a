"""Domain values with defaults; a test names only what it is about."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from shared.domain.changes import Change, Page, Upsert
from shared.domain.checkpoints import Checkpoint, Mode, SavedCheckpoint, Stage
from shared.domain.ids import new_id
from shared.domain.instances import Instance, InstanceStatus, SetupStep
from shared.domain.jobs import Job
from shared.domain.profiles import Caller, Profile
from shared.domain.tallies import Tally
from shared.engine.opening import SyncPlan

NOW = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)


def make_caller(**values: Any) -> Caller:
    return Caller(**{"issuer": "https://issuer.test", "subject": "ada", **values})


def make_profile(**values: Any) -> Profile:
    defaults: dict[str, Any] = {
        "id": new_id(),
        "issuer": "https://issuer.test",
        "subject": "ada",
        "name": "Ada",
        "email": "ada@example.com",
        "created_at": NOW,
        "updated_at": NOW,
    }
    return Profile(**{**defaults, **values})


def make_instance(**values: Any) -> Instance:
    defaults: dict[str, Any] = {
        "id": new_id(),
        "profile_id": new_id(),
        "provider": "fake",
        "connection_key": "",
        "name": "Fake",
        "setup_step": SetupStep.COMPLETED,
        "status": InstanceStatus.ACTIVE,
        "created_at": NOW,
        "updated_at": NOW,
    }
    return Instance(**{**defaults, **values})


def make_job(**values: Any) -> Job:
    defaults: dict[str, Any] = {
        "id": new_id(),
        "instance_id": new_id(),
        "created_at": NOW,
        "updated_at": NOW,
    }
    return Job(**{**defaults, **values})


def make_plan(**values: Any) -> SyncPlan:
    defaults: dict[str, Any] = {
        "job_id": "job-1",
        "mode": Mode.INCREMENTAL,
        "incremental": True,
        "fingerprint": "set-up-1",
        "scopes": ("deals",),
        "record_error_limit": 10,
    }
    return SyncPlan(**{**defaults, **values})


def make_saved(**values: Any) -> SavedCheckpoint:
    defaults: dict[str, Any] = {
        "checkpoint": Checkpoint(),
        "fingerprint": "set-up-1",
        "mode": Mode.FULL,
        "stage": Stage.READING,
        "job_id": "job-1",
        "tally": Tally(),
    }
    return SavedCheckpoint(**{**defaults, **values})


def make_changes(count: int, *, stream: str = "deals", start: int = 0) -> list[Change]:
    return [Upsert(stream, str(n), {"n": n}) for n in range(start, start + count)]


def make_page(
    changes: list[Change], *, resume: Any = None, watermark: Any = None, **values: Any
) -> Page:
    checkpoint = Checkpoint(resume=resume, watermark=watermark)
    return Page(changes=changes, checkpoint=checkpoint, **values)
