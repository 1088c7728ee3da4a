"""A database for a test: SQLite in memory and in a file always, SQL Server where there is one.

from tests.store_kit import database  # noqa: F401 - a fixture
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from shared.domain.breakers import Breaker
from shared.domain.checkpoints import Mode
from shared.domain.conflicts import Conflict
from shared.domain.ids import new_id
from shared.domain.instances import Instance
from shared.domain.jobs import Job, SyncLog
from shared.domain.journal import JournalAction, JournalEntry
from shared.domain.links import RecordLink
from shared.domain.notifications import Notice, NotificationEvent
from shared.domain.oauth import OAuthState
from shared.domain.providers import AuthType, Direction, ProviderSpec, SinkKind
from shared.domain.tallies import Tally
from shared.store.database import Database
from tests.factories import NOW, make_instance, make_job, make_profile

KINDS = ["memory", "file", pytest.param("sqlserver", marks=pytest.mark.sqlserver)]
LATER = NOW + timedelta(minutes=10)


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """Yield an empty database with every table."""
    made = make_database(request.param, tmp_path)
    yield made
    made.dispose()


@pytest.fixture(params=KINDS)
def strict_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """Yield an empty database that refuses a row whose foreign key names no row."""
    if request.param == "sqlserver":
        from tests.sqlserver_kit import open_store

        made = open_store(foreign_keys=True)
    else:
        made = make_database(request.param, tmp_path)
    yield made
    made.dispose()


def make_database(kind: str = "memory", folder: Path = Path()) -> Database:
    if kind == "sqlserver":
        from tests.sqlserver_kit import open_store

        return open_store()
    from shared.store.tables import metadata

    made = Database({"memory": "sqlite://", "file": f"sqlite:///{folder / 'app.db'}"}[kind])
    metadata.create_all(made.engine)
    return made


def make_spec(**values: Any) -> ProviderSpec:
    defaults: dict[str, Any] = {
        "slug": "fake",
        "name": "Fake",
        "description": "A provider for tests.",
        "categories": ("tests",),
        "directions": (Direction.IMPORT,),
        "sink": SinkKind.LINKHUB,
        "auth_type": AuthType.API_KEY,
        "docs_url": "https://docs.test",
    }
    return ProviderSpec(**{**defaults, **values})


def make_log(job: Job, **values: Any) -> SyncLog:
    defaults: dict[str, Any] = {
        "id": new_id(),
        "job_id": job.id,
        "instance_id": job.instance_id,
        "provider": "fake",
        "operation": "import",
        "stream": "deals",
        "entity": "indicators",
        "status": "running",
        "mode": Mode.INCREMENTAL,
        "tally": Tally(),
        "success": False,
        "logged_at": NOW,
        "created_at": NOW,
        "updated_at": NOW,
    }
    return SyncLog(**{**defaults, **values})


def make_link(instance_id: str, external_id: str, **values: Any) -> RecordLink:
    defaults: dict[str, Any] = {
        "id": new_id(),
        "instance_id": instance_id,
        "stream": "deals",
        "external_id": external_id,
        "entity": "indicators",
        "linkhub_id": f"lh-{external_id[:20]}",
        "created_at": NOW,
        "updated_at": NOW,
    }
    return RecordLink(**{**defaults, **values})


def make_breaker(**values: Any) -> Breaker:
    defaults: dict[str, Any] = {
        "id": new_id(),
        "provider": "fake",
        "account": "4711",
        "created_at": NOW,
        "updated_at": NOW,
    }
    return Breaker(**{**defaults, **values})


def make_conflict(instance: Instance, link_id: str, **values: Any) -> Conflict:
    defaults: dict[str, Any] = {
        "id": new_id(),
        "instance_id": instance.id,
        "profile_id": instance.profile_id,
        "provider": instance.provider,
        "record_link_id": link_id,
        "field": "budget",
        "external_value": "12.50",
        "linkhub_value": "13.00",
        "base_value": "10.00",
        "created_at": NOW,
        "updated_at": NOW,
    }
    return Conflict(**{**defaults, **values})


def make_entry(job_id: str, sequence: int, **values: Any) -> JournalEntry:
    defaults: dict[str, Any] = {
        "id": new_id(),
        "job_id": job_id,
        "sequence": sequence,
        "action": JournalAction.CREATE,
        "stream": "deals",
        "external_id": str(sequence),
        "entity": "initiatives",
        "linkhub_key": f"deals/{sequence}",
        "after_hash": "a" * 64,
        "created_at": NOW,
        "updated_at": NOW,
    }
    return JournalEntry(**{**defaults, **values})


def make_notice(instance: Instance, **values: Any) -> Notice:
    defaults: dict[str, Any] = {
        "id": new_id(),
        "profile_id": instance.profile_id,
        "instance_id": instance.id,
        "event": NotificationEvent.SYNC_FAILED,
        "detail": "broken",
        "dedupe_key": new_id(),
        "not_before": NOW,
        "created_at": NOW,
        "updated_at": NOW,
    }
    return Notice(**{**defaults, **values})


def make_oauth_state(instance: Instance, **values: Any) -> OAuthState:
    defaults: dict[str, Any] = {
        "id": new_id(),
        "state_hash": "0" * 64,
        "instance_id": instance.id,
        "profile_id": instance.profile_id,
        "provider": instance.provider,
        "expires_at": LATER,
        "created_at": NOW,
        "updated_at": NOW,
    }
    return OAuthState(**{**defaults, **values})


def seed_instance(database: Database, **values: Any) -> Instance:
    """Store an instance with a profile and a provider of its own, unless `values` name them."""
    with database.open_uow() as uow:
        uow.providers.upsert(make_spec(slug=values.get("provider", "fake")), now=NOW)
        if "profile_id" not in values:
            profile = make_profile(subject=new_id())
            uow.profiles.add(profile)
            values["profile_id"] = profile.id
        instance = make_instance(**values)
        uow.instances.add(instance)
        uow.commit()
    return instance


def seed_job(database: Database, instance: Instance | None = None, **values: Any) -> Job:
    """Store a job, of an instance of its own unless one is given."""
    instance = instance or seed_instance(database)
    job = make_job(instance_id=instance.id, **values)
    with database.open_uow() as uow:
        uow.jobs.add(job)
        uow.commit()
    return job


def seed_running(database: Database, instance: Instance | None = None, **values: Any) -> Job:
    """Store a job and claim it for `run-1` until LATER."""
    job = seed_job(database, instance, **values)
    with database.open_uow() as uow:
        running = uow.jobs.claim(job.id, run_id="run-1", now=NOW, lease_until=LATER)
        uow.commit()
    assert running is not None
    return running
