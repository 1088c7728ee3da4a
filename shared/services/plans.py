"""What a job is to read, made from what a person set up."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shared.domain.checkpoints import Mode
from shared.domain.instances import Instance, InstanceState
from shared.domain.mapping import FieldMapping
from shared.domain.providers import Direction, ProviderSpec, SinkKind
from shared.errors import PermanentError

if TYPE_CHECKING:
    from shared.domain.selections import TableSelection
    from shared.store.unit_of_work import UnitOfWork

ALL_STREAMS = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class SetUp:
    """An instance as a run needs it. `mappings` are those a LinkHub sink applies."""

    instance: Instance
    state: InstanceState
    mappings: Sequence[FieldMapping]
    selections: Sequence[TableSelection]


def load_set_up(uow: UnitOfWork, instance_id: str) -> SetUp:
    """Return what a person set up; raise NotFoundError for a deleted instance."""
    return SetUp(
        instance=uow.instances.get(instance_id, profile_id=None),
        state=uow.instances.get_state(instance_id),
        mappings=tuple(uow.mappings.list_for(instance_id)),
        selections=tuple(uow.selections.list_for(instance_id)),
    )


def scopes_of(set_up: SetUp, spec: ProviderSpec) -> Sequence[str]:
    """Return the scopes to sync: one for all streams, or one for each stream in use."""
    if spec.single_scope:
        return (ALL_STREAMS,)
    scopes = tuple(selected_fields(set_up, spec))
    if not scopes:
        raise PermanentError(f"{set_up.instance.name} maps no field yet: there is nothing to sync.")
    return scopes


def exports(set_up: SetUp, spec: ProviderSpec) -> bool:
    """Whether records travel from LinkHub to the provider."""
    both = spec.sink is SinkKind.LINKHUB
    return both and set_up.instance.sync_direction is not Direction.IMPORT


def imports(set_up: SetUp, spec: ProviderSpec) -> bool:
    """Whether records travel from the provider to LinkHub or the warehouse."""
    only_out = exports(set_up, spec) and set_up.instance.sync_direction is Direction.EXPORT
    return not only_out


def selected_fields(set_up: SetUp, spec: ProviderSpec) -> Mapping[str, Sequence[str]]:
    """Return the external fields wanted of each stream; nothing at all means everything."""
    if spec.sink is SinkKind.WAREHOUSE:
        return {selection.stream: () for selection in set_up.selections}
    fields: dict[str, dict[str, None]] = {}
    for rule in set_up.mappings:
        wanted = fields.setdefault(rule.stream, {})
        if rule.external_field:  # a constant reads none
            wanted[rule.external_field] = None
    return {stream: tuple(names) for stream, names in fields.items()}


def whole_streams(set_up: SetUp) -> frozenset[str]:
    """Return the tables that every sync brings whole, because a person chose so."""
    return frozenset(s.stream for s in set_up.selections if s.mode is Mode.FULL)


def fingerprint_of(set_up: SetUp, spec: ProviderSpec) -> str:
    """Return a hash of all that makes an old checkpoint worthless when it changes."""
    described: dict[str, Any] = {
        "provider": spec.slug,
        "destination": set_up.instance.destination,
        "options": dict(set_up.instance.options),
        "selection": sorted((s.stream, s.mode or Mode.FULL) for s in set_up.selections),
        "mappings": [
            [m.stream, m.external_field, m.entity, m.field, m.transform]
            for m in sorted(set_up.mappings, key=lambda m: (m.stream, m.entity, m.field))
        ],
    }
    text = json.dumps(described, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
