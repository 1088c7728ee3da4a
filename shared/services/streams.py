"""What a provider offers right now, beside what LinkHub takes."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

from shared.domain.instances import Instance, InstanceState, SetupStep
from shared.domain.linkhub import ENTITIES, Entity
from shared.domain.profiles import Caller
from shared.domain.providers import SinkKind, Stream
from shared.domain.suggestions import Suggestion, suggest_mappings
from shared.domain.wizard import require_step
from shared.ports.vault import Vault
from shared.services.connections import Connector
from shared.services.deps import OpenUow
from shared.services.live import live_connection
from shared.services.steps import read_own

_FRESH_SECONDS = 60.0
_KEPT = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamChoice:
    """Both sides of a mapping; a warehouse takes everything, so there is nothing to suggest."""

    streams: Sequence[Stream]
    entities: Sequence[Entity]
    suggestions: Sequence[Suggestion]


class StreamCache:
    """What instances offered within the last minute, in this process only. Safe to share.

    A key is all that what is offered depends on: the account, the credentials' name, the options.
    Refused and failed discoveries are not kept.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._found: OrderedDict[Any, tuple[float, Sequence[Stream]]] = OrderedDict()

    def get(
        self, instance: Instance, state: InstanceState, discover: Callable[[], Sequence[Stream]]
    ) -> Sequence[Stream]:
        """Return what is known and fresh, else what `discover` returns."""
        options = tuple(sorted(instance.options.items()))
        key = (instance.id, state.account, state.secret_ref, options)
        with self._lock:
            kept_at, streams = self._found.get(key, (float("-inf"), ()))
        if self._clock() - kept_at < _FRESH_SECONDS:
            return streams
        streams = tuple(discover())
        with self._lock:
            self._found[key] = self._clock(), streams
            self._found.move_to_end(key)
            while len(self._found) > _KEPT:
                self._found.popitem(last=False)
        return streams


@dataclass(frozen=True, slots=True, kw_only=True)
class Discoverer:
    """Asks providers what they offer; `cache` spares them the same question within a minute."""

    vault: Vault
    connector: Connector
    cache: StreamCache

    def streams_of(self, instance: Instance, state: InstanceState) -> Sequence[Stream]:
        """Return the streams with their fields; raise ConflictError or TransientError."""

        def discover() -> Sequence[Stream]:
            with live_connection(
                instance, state, vault=self.vault, connector=self.connector
            ) as connection:
                return connection.discover()

        return self.cache.get(instance, state, discover)


def list_streams(
    instance_id: str, *, caller: Caller, open_uow: OpenUow, discoverer: Discoverer
) -> StreamChoice:
    """Return what the instance's provider offers, LinkHub's entities, and which fields may fit.

    Raises ConflictError before it is connected, or where the provider refuses.
    """
    instance, state = read_own(instance_id, caller=caller, open_uow=open_uow)
    require_step(instance.setup_step, SetupStep.CONNECTION)
    streams = discoverer.streams_of(instance, state)
    definition = discoverer.connector.find_provider(instance.provider)
    if definition.spec.sink is SinkKind.WAREHOUSE:
        return StreamChoice(streams=streams, entities=(), suggestions=())
    return StreamChoice(
        streams=streams,
        entities=tuple(ENTITIES.values()),
        suggestions=suggest_mappings(streams, default_transform=definition.default_transform),
    )
