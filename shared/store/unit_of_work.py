"""One transaction and the repositories that write in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from sqlalchemy import Connection

from shared.store import repositories
from shared.store.session import SqlSession

Repository = TypeVar("Repository")


class _Part(Generic[Repository]):
    """A repository of the unit of work, loaded and made when it is first asked for."""

    def __init__(self, load: Callable[[], Callable[[SqlSession], Repository]]) -> None:
        self._load = load

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, uow: UnitOfWork, owner: type | None = None) -> Repository:
        made = self._load()(uow._session)  # noqa: SLF001  it is a part of it
        uow.__dict__[self._name] = made  # found there before this is asked again
        return made


class UnitOfWork:
    """Everything written here counts together, at `commit`, or not at all.

    Opened by `Database.open_uow`. After an error, redo the whole of it in a new one.
    """

    providers = _Part(lambda: repositories.SqlProviderRepository)
    profiles = _Part(lambda: repositories.SqlProfileRepository)
    instances = _Part(lambda: repositories.SqlInstanceRepository)
    mappings = _Part(lambda: repositories.SqlMappingRepository)
    selections = _Part(lambda: repositories.SqlSelectionRepository)
    oauth_states = _Part(lambda: repositories.SqlOAuthStateRepository)
    discoveries = _Part(lambda: repositories.SqlDiscoveryRepository)
    secret_removals = _Part(lambda: repositories.SqlSecretRemovalRepository)
    jobs = _Part(lambda: repositories.SqlJobRepository)
    logs = _Part(lambda: repositories.SqlLogRepository)
    checkpoints = _Part(lambda: repositories.SqlCheckpointRepository)
    links = _Part(lambda: repositories.SqlLinkRepository)
    journal = _Part(lambda: repositories.SqlJournalRepository)
    conflicts = _Part(lambda: repositories.SqlConflictRepository)
    dead_letters = _Part(lambda: repositories.SqlDeadLetterRepository)
    audit = _Part(lambda: repositories.SqlAuditRepository)
    generations = _Part(lambda: repositories.SqlGenerationRepository)
    notifications = _Part(lambda: repositories.SqlNotificationRepository)
    outbox = _Part(lambda: repositories.SqlOutboxRepository)
    warehouses = _Part(lambda: repositories.SqlWarehouseRepository)
    rate_buckets = _Part(lambda: repositories.SqlRateBucketRepository)
    ledgers = _Part(lambda: repositories.SqlLedgerRepository)
    breakers = _Part(lambda: repositories.SqlBreakerRepository)

    def __init__(self, connection: Connection, *, read_only: bool = False) -> None:
        self._session = SqlSession(connection, read_only=read_only)

    def commit(self) -> None:
        """Make what was written durable and visible to others."""
        self._session.commit()
