"""The driving side: thin handlers that parse, call one service and answer."""

from __future__ import annotations

from functions import (
    breakers,
    conflicts,
    dead_letters,
    health,
    instances,
    jobs,
    logs,
    oauth,
    openapi,
    profiles,
    providers,
    queues,
    timers,
    warehouses,
    wizard,
)

BLUEPRINTS = (
    health.bp,
    openapi.bp,
    providers.bp,
    profiles.bp,
    instances.bp,
    wizard.bp,
    warehouses.bp,
    jobs.bp,
    logs.bp,
    conflicts.bp,
    oauth.bp,
    dead_letters.bp,
    breakers.bp,
    queues.bp,
    timers.bp,
)
