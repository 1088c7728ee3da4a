"""Repositories: `get` raises NotFoundError, `find` returns None, lists are pages.

Each is loaded, with its tables, when it is first used.
"""

from typing import TYPE_CHECKING

from shared.lazy import exports

if TYPE_CHECKING:
    from shared.store.repositories.checkpoints import (
        SqlCheckpointRepository as SqlCheckpointRepository,
    )
    from shared.store.repositories.conflicts import (
        SqlConflictRepository as SqlConflictRepository,
    )
    from shared.store.repositories.dead_letters import (
        SqlDeadLetterRepository as SqlDeadLetterRepository,
    )
    from shared.store.repositories.discoveries import (
        SqlDiscoveryRepository as SqlDiscoveryRepository,
    )
    from shared.store.repositories.history import SqlAuditRepository as SqlAuditRepository
    from shared.store.repositories.history import SqlGenerationRepository as SqlGenerationRepository
    from shared.store.repositories.instances import SqlInstanceRepository as SqlInstanceRepository
    from shared.store.repositories.jobs import SqlJobRepository as SqlJobRepository
    from shared.store.repositories.journal import SqlJournalRepository as SqlJournalRepository
    from shared.store.repositories.links import SqlLinkRepository as SqlLinkRepository
    from shared.store.repositories.logs import SqlLogRepository as SqlLogRepository
    from shared.store.repositories.notifications import (
        SqlNotificationRepository as SqlNotificationRepository,
    )
    from shared.store.repositories.oauth_states import (
        SqlOAuthStateRepository as SqlOAuthStateRepository,
    )
    from shared.store.repositories.outbox import SqlOutboxRepository as SqlOutboxRepository
    from shared.store.repositories.profiles import SqlProfileRepository as SqlProfileRepository
    from shared.store.repositories.provider_health import (
        SqlBreakerRepository as SqlBreakerRepository,
    )
    from shared.store.repositories.provider_health import (
        SqlLedgerRepository as SqlLedgerRepository,
    )
    from shared.store.repositories.providers import SqlProviderRepository as SqlProviderRepository
    from shared.store.repositories.rate_buckets import (
        SqlRateBucketRepository as SqlRateBucketRepository,
    )
    from shared.store.repositories.secret_removals import (
        SqlSecretRemovalRepository as SqlSecretRemovalRepository,
    )
    from shared.store.repositories.setup import SqlMappingRepository as SqlMappingRepository
    from shared.store.repositories.setup import SqlSelectionRepository as SqlSelectionRepository
    from shared.store.repositories.warehouses import (
        SqlWarehouseRepository as SqlWarehouseRepository,
    )

__getattr__ = exports(
    __name__,
    {
        "checkpoints": "SqlCheckpointRepository",
        "conflicts": "SqlConflictRepository",
        "dead_letters": "SqlDeadLetterRepository",
        "discoveries": "SqlDiscoveryRepository",
        "history": "SqlAuditRepository SqlGenerationRepository",
        "instances": "SqlInstanceRepository",
        "jobs": "SqlJobRepository",
        "journal": "SqlJournalRepository",
        "links": "SqlLinkRepository",
        "logs": "SqlLogRepository",
        "notifications": "SqlNotificationRepository",
        "oauth_states": "SqlOAuthStateRepository",
        "outbox": "SqlOutboxRepository",
        "profiles": "SqlProfileRepository",
        "provider_health": "SqlBreakerRepository SqlLedgerRepository",
        "providers": "SqlProviderRepository",
        "rate_buckets": "SqlRateBucketRepository",
        "secret_removals": "SqlSecretRemovalRepository",
        "setup": "SqlMappingRepository SqlSelectionRepository",
        "warehouses": "SqlWarehouseRepository",
    },
)
