"""The driving side: thin handlers that parse, call one service and answer."""

from __future__ import annotations

from functions import (
    dead_letters,
    health,
    instances,
    jobs,
    logs,
    profiles,
    providers,
    queues,
    timers,
)

BLUEPRINTS = (
    health.bp,
    providers.bp,
    profiles.bp,
    instances.bp,
    jobs.bp,
    logs.bp,
    dead_letters.bp,
    queues.bp,
    timers.bp,
)
