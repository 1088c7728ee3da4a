"""Step two for a provider whose tables go to a warehouse: which of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from shared.domain.checkpoints import Mode
from shared.domain.discoveries import Discovery, OfferedTable
from shared.domain.ids import new_id
from shared.domain.instances import Instance, SetupStep
from shared.domain.jobs import Job, JobKind
from shared.domain.profiles import Caller
from shared.domain.providers import ProviderSpec, SinkKind
from shared.domain.selections import TableSelection
from shared.domain.wizard import advance, require_step
from shared.errors import ConflictError, InvalidInputError
from shared.ports.queue import JobQueue
from shared.services.audit import record_act
from shared.services.deps import FindProvider, Now, OpenUow
from shared.services.jobs import enqueue
from shared.services.steps import Versions, save_step, take_own


@dataclass(frozen=True, slots=True, kw_only=True)
class TableChoice:
    """A table that is offered, chosen, or both. `selection` says how it is or would be loaded."""

    selection: TableSelection
    is_selected: bool
    offered: OfferedTable | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """An instance's tables; `discovered_at` is None before anybody looked. None chosen means all.

    `job` is the look at the source that is under way, if any.
    """

    instance: Instance
    choices: Sequence[TableChoice]
    discovered_at: datetime | None
    job: Job | None


def get_tables(
    instance_id: str, *, caller: Caller, open_uow: OpenUow, find_provider: FindProvider
) -> Tables:
    """Return what the source offered when it was looked at last, and what is chosen of it."""
    with open_uow(read_only=True) as uow:
        instance = take_own(uow, instance_id, caller=caller)
        spec = find_provider(instance.provider).spec
        _require_warehouse(spec)
        found = uow.discoveries.find(instance.id)
        selections = uow.selections.list_for(instance.id)
        job = uow.jobs.find_open(instance.id)
    return Tables(
        instance=instance,
        choices=_choices(found, selections, mode=_mode_of(spec)),
        discovered_at=found.discovered_at if found else None,
        job=job if job is not None and job.kind is JobKind.DISCOVER else None,
    )


def save_tables(
    instance_id: str,
    selections: Sequence[TableSelection],
    *,
    caller: Caller,
    expected: Versions,
    open_uow: OpenUow,
    find_provider: FindProvider,
    now: Now,
) -> Instance:
    """Make these the tables that are loaded, none meaning all there are; step two is done.

    The same tables again change nothing. Raises InvalidInputError naming each that was looked for
    and not found, is named twice, or has a mode its source does not know.
    """
    moment = now()
    with open_uow() as uow:
        instance = take_own(uow, instance_id, caller=caller, expected=expected)
        step = advance(instance.setup_step, SetupStep.MAPPING)
        spec = find_provider(instance.provider).spec
        _require_warehouse(spec)
        selections = [replace(s, mode=s.mode or _mode_of(spec)) for s in selections]
        _check(selections, uow.discoveries.find(instance.id), spec)
        old = uow.selections.list_for(instance.id)
        if list(selections) == list(old) and instance.setup_step is not SetupStep.CONNECTION:
            return instance
        uow.selections.replace(instance.id, selections, now=moment)
        saved = save_step(
            uow,
            replace(instance, setup_step=step, updated_at=moment),
            read=instance,
            caller=caller,
            action="instance.choose_tables",
            before={"tables": [selection.stream for selection in old]},
            after={"tables": [selection.stream for selection in selections]},
            now=moment,
        )
        uow.commit()
    return saved


def request_discovery(
    instance_id: str,
    *,
    caller: Caller,
    open_uow: OpenUow,
    find_provider: FindProvider,
    queue: JobQueue,
    now: Now,
) -> Job:
    """Return a job that looks at the source's tables: a new one, or the one under way.

    Raises ConflictError before the instance is connected, and while it syncs.
    """
    moment = now()
    with open_uow() as uow:
        instance = take_own(uow, instance_id, caller=caller)
        require_step(instance.setup_step, SetupStep.CONNECTION)
        _require_warehouse(find_provider(instance.provider).spec)
        job = uow.jobs.find_open(instance.id)
        if job is not None and job.kind is not JobKind.DISCOVER:
            raise ConflictError(f"{instance.name} is syncing: its tables are looked at after that.")
        if job is None:
            job = Job(
                id=new_id(),
                instance_id=instance.id,
                kind=JobKind.DISCOVER,
                mode=Mode.FULL,
                created_at=moment,
                updated_at=moment,
            )
            uow.jobs.add(job)
            record_act(
                uow,
                caller,
                profile_id=instance.profile_id,
                action="instance.discover",
                target=instance.id,
                after={"job": job.id},
                now=moment,
            )
            uow.commit()
    if job.enqueued_at is None:
        enqueue(job, open_uow=open_uow, queue=queue, now=now)
    return job


def _require_warehouse(spec: ProviderSpec) -> None:
    if spec.sink is not SinkKind.WAREHOUSE:
        raise ConflictError(f"{spec.name} goes to LinkHub: map its fields (PUT …/mappings).")


def _mode_of(spec: ProviderSpec) -> Mode:
    """Return how tables are loaded where nobody said: their changes, where the source knows."""
    return Mode.INCREMENTAL if spec.incremental else Mode.FULL


def _choices(
    found: Discovery | None, selections: Sequence[TableSelection], *, mode: Mode
) -> Sequence[TableChoice]:
    offered = {table.stream: table for table in (found.tables if found else ())}
    chosen = {selection.stream: selection for selection in selections}
    return [
        TableChoice(
            selection=chosen.get(stream) or selection_of(stream, mode),
            is_selected=stream in chosen,
            offered=offered.get(stream),
        )
        for stream in dict.fromkeys([*offered, *chosen])
    ]


def selection_of(stream: str, mode: Mode) -> TableSelection:
    """Return how a table is loaded where nothing else was said."""
    component, _, table = stream.rpartition("/")
    return TableSelection(component=component, table=table, mode=mode)


def _check(
    selections: Sequence[TableSelection], found: Discovery | None, spec: ProviderSpec
) -> None:
    offered = {table.stream for table in (found.tables if found else ())}
    streams = [selection.stream for selection in selections]
    errors = []
    for index, selection in enumerate(selections):
        stream = selection.stream
        if streams.index(stream) != index:
            errors.append((f"tables.{index}", f"{stream} is chosen twice."))
        if offered and stream not in offered:
            errors.append((f"tables.{index}", f"{spec.name} has no table {stream}."))
        if selection.mode is not Mode.FULL and not spec.incremental:
            message = f"{spec.name} cannot tell what changed: choose the mode full."
            errors.append((f"tables.{index}.mode", message))
    if errors:
        text = " ".join(f"{where}: {message}" for where, message in errors)
        raise InvalidInputError(f"The tables cannot be chosen so. {text}", errors=errors)
