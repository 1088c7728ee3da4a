"""One transaction and the repositories that write in it."""

from __future__ import annotations

from sqlalchemy import Connection

from shared.store.repositories.checkpoints import SqlCheckpointRepository
from shared.store.repositories.dead_letters import SqlDeadLetterRepository
from shared.store.repositories.discoveries import SqlDiscoveryRepository
from shared.store.repositories.history import SqlAuditRepository, SqlGenerationRepository
from shared.store.repositories.instances import SqlInstanceRepository
from shared.store.repositories.jobs import SqlJobRepository
from shared.store.repositories.links import SqlLinkRepository
from shared.store.repositories.logs import SqlLogRepository
from shared.store.repositories.notifications import SqlNotificationRepository
from shared.store.repositories.oauth_states import SqlOAuthStateRepository
from shared.store.repositories.outbox import SqlOutboxRepository
from shared.store.repositories.profiles import SqlProfileRepository
from shared.store.repositories.providers import SqlProviderRepository
from shared.store.repositories.rate_buckets import SqlRateBucketRepository
from shared.store.repositories.secret_removals import SqlSecretRemovalRepository
from shared.store.repositories.setup import SqlMappingRepository, SqlSelectionRepository
from shared.store.session import SqlSession


class UnitOfWork:
    """Everything written here counts together, at `commit`, or not at all.

    Opened by `Database.open_uow`. After an error, redo the whole of it in a new one.
    """

    def __init__(self, connection: Connection, *, read_only: bool = False) -> None:
        self._session = SqlSession(connection, read_only=read_only)
        self.providers = SqlProviderRepository(self._session)
        self.profiles = SqlProfileRepository(self._session)
        self.instances = SqlInstanceRepository(self._session)
        self.mappings = SqlMappingRepository(self._session)
        self.selections = SqlSelectionRepository(self._session)
        self.oauth_states = SqlOAuthStateRepository(self._session)
        self.discoveries = SqlDiscoveryRepository(self._session)
        self.secret_removals = SqlSecretRemovalRepository(self._session)
        self.jobs = SqlJobRepository(self._session)
        self.logs = SqlLogRepository(self._session)
        self.checkpoints = SqlCheckpointRepository(self._session)
        self.links = SqlLinkRepository(self._session)
        self.dead_letters = SqlDeadLetterRepository(self._session)
        self.audit = SqlAuditRepository(self._session)
        self.generations = SqlGenerationRepository(self._session)
        self.notifications = SqlNotificationRepository(self._session)
        self.outbox = SqlOutboxRepository(self._session)
        self.rate_buckets = SqlRateBucketRepository(self._session)

    def commit(self) -> None:
        """Make what was written durable and visible to others."""
        self._session.commit()
