"""Every table, as SQLAlchemy Core metadata; the migrations build exactly this.

A table is loaded when it is first used; `metadata` is that of all of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shared.lazy import exports

if TYPE_CHECKING:
    from shared.store.tables.base import metadata as metadata
    from shared.store.tables.catalogue import integrator_profiles as integrator_profiles
    from shared.store.tables.catalogue import providers as providers
    from shared.store.tables.instances import discoveries as discoveries
    from shared.store.tables.instances import field_mappings as field_mappings
    from shared.store.tables.instances import instance_state as instance_state
    from shared.store.tables.instances import integration_instances as integration_instances
    from shared.store.tables.instances import oauth_states as oauth_states
    from shared.store.tables.instances import secret_removals as secret_removals
    from shared.store.tables.instances import table_selections as table_selections
    from shared.store.tables.jobs import dead_letters as dead_letters
    from shared.store.tables.jobs import sync_jobs as sync_jobs
    from shared.store.tables.jobs import sync_log_records as sync_log_records
    from shared.store.tables.jobs import sync_logs as sync_logs
    from shared.store.tables.operations import audit_events as audit_events
    from shared.store.tables.operations import notification_settings as notification_settings
    from shared.store.tables.operations import outbox as outbox
    from shared.store.tables.operations import provider_health as provider_health
    from shared.store.tables.operations import rate_buckets as rate_buckets
    from shared.store.tables.records import change_journal as change_journal
    from shared.store.tables.records import checkpoints as checkpoints
    from shared.store.tables.records import conflicts as conflicts
    from shared.store.tables.records import record_links as record_links
    from shared.store.tables.warehouses import table_generations as table_generations
    from shared.store.tables.warehouses import warehouses as warehouses

_NAMES = {
    "base": "metadata",
    "catalogue": "integrator_profiles providers",
    "instances": "discoveries field_mappings instance_state integration_instances oauth_states "
    "secret_removals table_selections",
    "jobs": "dead_letters sync_jobs sync_log_records sync_logs",
    "operations": "audit_events notification_settings outbox provider_health rate_buckets",
    "records": "change_journal checkpoints conflicts record_links",
    "warehouses": "table_generations warehouses",
}
_find = exports(__name__, _NAMES)


def __getattr__(name: str) -> Any:
    if name == "metadata":
        for names in _NAMES.values():
            _find(names.split()[0])
    return _find(name)
