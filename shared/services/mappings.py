"""Step two for a provider whose records go to LinkHub: which field fills which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from shared.domain.field_mappings import FieldMapping
from shared.domain.instances import Instance, SetupStep
from shared.domain.mapping_checks import validate_mapping
from shared.domain.profiles import Caller
from shared.domain.providers import Direction, SinkKind, Stream
from shared.domain.wizard import advance, require_step
from shared.errors import ConflictError, InvalidInputError
from shared.ports.provider import ProviderDefinition
from shared.services.deps import Now, OpenUow
from shared.services.steps import Versions, read_own, require_unchanged, save_step, take_own
from shared.services.streams import Discoverer

if TYPE_CHECKING:
    from shared.domain.reverse_mapping import ImportOnly, ReverseMapper


_EXPORTING = {Direction.EXPORT, Direction.BIDIRECTIONAL}


def list_mappings(
    instance_id: str, *, caller: Caller, open_uow: OpenUow
) -> tuple[Instance, Sequence[FieldMapping]]:
    """Return an instance and its rules; before step two is done, the provider's defaults."""
    with open_uow(read_only=True) as uow:
        instance = take_own(uow, instance_id, caller=caller)
        return instance, uow.mappings.list_for(instance.id)


def save_mappings(
    instance_id: str,
    mappings: Sequence[FieldMapping],
    *,
    caller: Caller,
    expected: Versions,
    open_uow: OpenUow,
    discoverer: Discoverer,
    now: Now,
) -> tuple[Instance, Sequence[FieldMapping]]:
    """Make these the rules, checked against the fields both sides have now; step two is done.

    The same rules again change nothing. Raises InvalidInputError naming everything wrong with
    them, ConflictError before the instance is connected or where its provider refuses.
    """
    instance, state = read_own(instance_id, caller=caller, open_uow=open_uow, expected=expected)
    step = advance(instance.setup_step, SetupStep.MAPPING)
    definition = discoverer.connector.find_provider(instance.provider)
    require_linkhub(definition)
    require_valid(mappings, streams=discoverer.streams_of(instance, state), definition=definition)
    moment = now()
    with open_uow() as uow:
        require_unchanged(uow, instance)
        old = uow.mappings.list_for(instance.id)
        if list(mappings) == list(old) and instance.setup_step is not SetupStep.CONNECTION:
            return instance, old
        uow.mappings.replace(instance.id, mappings, now=moment)
        saved = save_step(
            uow,
            replace(instance, setup_step=step, updated_at=moment),
            read=instance,
            caller=caller,
            action="instance.map",
            before={"rules": [_described(rule) for rule in old]},
            after={"rules": [_described(rule) for rule in mappings]},
            now=moment,
        )
        uow.commit()
    return saved, mappings


def require_linkhub(definition: ProviderDefinition) -> None:
    """Raise ConflictError for a provider whose records are not mapped."""
    if definition.spec.sink is not SinkKind.LINKHUB:
        name = definition.spec.name
        raise ConflictError(f"{name} goes to a warehouse: choose its tables (PUT …/tables).")


def require_valid(
    mappings: Sequence[FieldMapping],
    *,
    streams: Sequence[Stream],
    definition: ProviderDefinition,
) -> None:
    """Raise InvalidInputError whose `errors` hold everything wrong with these rules."""
    errors = [
        ("mappings" if problem.index is None else f"mappings.{problem.index}", problem.message)
        for problem in validate_mapping(
            mappings, streams=streams, default_transform=definition.default_transform
        )
    ]
    for external_field, message in definition.validate_mapping(mappings):
        indexes = [i for i, rule in enumerate(mappings) if rule.external_field == external_field]
        errors += [(f"mappings.{index}", message) for index in indexes] or [("mappings", message)]
    if not mappings:
        errors.append(("mappings", "Map at least one field: there would be nothing to sync."))
    if errors:
        text = " ".join(dict.fromkeys(f"{where}: {message}" for where, message in errors))
        raise InvalidInputError(f"The mapping cannot be used. {text}", errors=errors)


def import_only_rules(
    mappings: Sequence[FieldMapping],
    *,
    streams: Sequence[Stream],
    definition: ProviderDefinition,
) -> Sequence[ImportOnly]:
    """Return the rules, of valid ones, by which nothing travels to the provider; none are where it
    is import only.
    """
    if not _EXPORTING & set(definition.spec.directions):
        return ()
    return _reversed(mappings, streams, definition).import_only


def require_exportable(
    mappings: Sequence[FieldMapping],
    *,
    direction: Direction,
    streams: Sequence[Stream],
    definition: ProviderDefinition,
) -> None:
    """Raise InvalidInputError where `direction` is to export and these valid rules cannot.

    Its `errors` name each import-only rule, and what a new record at the provider would lack.
    """
    if direction not in _EXPORTING:
        return
    name = definition.spec.name
    reverse = _reversed(mappings, streams, definition)
    written = [stream for stream in streams if reverse.exportable(stream.name)]
    errors = [
        ("mappings", f"New {stream.name} in {name} need {field.name}: map it to LinkHub.")
        for stream in written
        for field in stream.fields
        if field.required
        and not field.read_only
        and field.name not in reverse.external_fields(stream.name)
    ]
    if not written:
        errors = [
            (f"mappings.{index}", f"{found.field} is import-only: {found.reason}")
            for index, rule in enumerate(mappings)
            for found in reverse.import_only
            if (found.stream, found.field) == (rule.stream, rule.field)
        ]
    if errors:
        text = " ".join(f"{where}: {message}" for where, message in errors)
        raise InvalidInputError(f"The mapping cannot be exported to {name}. {text}", errors=errors)


def _reversed(
    mappings: Sequence[FieldMapping], streams: Sequence[Stream], definition: ProviderDefinition
) -> ReverseMapper:
    from shared.domain.reverse_mapping import ReverseMapper

    return ReverseMapper.compile(
        mappings, streams=streams, default_transform=definition.default_transform
    )


def require_connected(instance: Instance) -> None:
    """Raise ConflictError before step one is done."""
    require_step(instance.setup_step, SetupStep.CONNECTION)


def _described(rule: FieldMapping) -> str:
    return f"{rule.stream}.{rule.external_field} → {rule.entity}.{rule.field}"
