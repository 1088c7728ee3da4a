"""Every table, as SQLAlchemy Core metadata; the migrations build exactly this."""

from __future__ import annotations

from shared.store.tables.base import metadata
from shared.store.tables.catalogue import integrator_profiles, providers
from shared.store.tables.instances import (
    discoveries,
    field_mappings,
    instance_state,
    integration_instances,
    oauth_states,
    secret_removals,
    table_selections,
)
from shared.store.tables.jobs import dead_letters, sync_jobs, sync_log_records, sync_logs
from shared.store.tables.operations import (
    audit_events,
    notification_settings,
    outbox,
    provider_health,
    rate_buckets,
)
from shared.store.tables.records import change_journal, checkpoints, conflicts, record_links
from shared.store.tables.warehouses import table_generations, warehouses

__all__ = [
    "audit_events",
    "change_journal",
    "checkpoints",
    "conflicts",
    "dead_letters",
    "discoveries",
    "field_mappings",
    "instance_state",
    "integration_instances",
    "integrator_profiles",
    "metadata",
    "notification_settings",
    "oauth_states",
    "outbox",
    "provider_health",
    "providers",
    "rate_buckets",
    "record_links",
    "secret_removals",
    "sync_jobs",
    "sync_log_records",
    "sync_logs",
    "table_generations",
    "table_selections",
    "warehouses",
]
