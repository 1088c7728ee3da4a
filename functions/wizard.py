"""The wizard after the connection: what is synced, when, and the start of it."""

from __future__ import annotations

import azure.functions as func

from functions import schemas
from functions.bootstrap import app
from functions.http_support import endpoint
from shared.domain.field_mappings import FieldMapping
from shared.domain.policies import Policies
from shared.domain.profiles import Caller
from shared.domain.selections import TableSelection
from shared.services import steps

bp = func.Blueprint()
_INSTANCE = "api/v1/instances/{instance_id}"


@bp.route(f"{_INSTANCE}/streams", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@endpoint()
def get_streams(instance_id: str, caller: Caller) -> schemas.Streams:
    """Return what the provider has now, what LinkHub takes, and what may fit."""
    from shared.services.streams import list_streams

    choice = list_streams(
        instance_id,
        caller=caller,
        open_uow=app().open_uow,
        discoverer=app().discoverer,
    )
    return schemas.Streams.of(choice)


@bp.route(f"{_INSTANCE}/mappings", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@endpoint()
def get_mappings(instance_id: str, caller: Caller) -> schemas.FieldMappings:
    """Return the rules of an instance: the provider's defaults until others are saved."""
    from shared.services.mappings import list_mappings

    instance, rules = list_mappings(instance_id, caller=caller, open_uow=app().open_uow)
    return schemas.FieldMappings.of(instance, rules)


@bp.route(f"{_INSTANCE}/mappings", methods=["PUT"], auth_level=func.AuthLevel.ANONYMOUS)
@endpoint()
def put_mappings(
    instance_id: str, caller: Caller, body: schemas.FieldMappingsInput, expected: steps.Versions
) -> schemas.FieldMappings:
    """Save the rules, checked against both sides; step two of LinkHub's providers."""
    from shared.services.mappings import save_mappings

    instance, rules = save_mappings(
        instance_id,
        [FieldMapping(**rule.model_dump()) for rule in body.mappings],
        caller=caller,
        expected=expected,
        open_uow=app().open_uow,
        discoverer=app().discoverer,
        now=app().now,
    )
    return schemas.FieldMappings.of(instance, rules)


@bp.route(f"{_INSTANCE}/mappings/preview", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
@endpoint()
def preview_mappings(
    instance_id: str, caller: Caller, body: schemas.PreviewInput
) -> schemas.Preview:
    """Show what rules make of the first live records; nothing is written."""
    from shared.services import previews

    rules = body.mappings
    preview = previews.preview_mappings(
        instance_id,
        mappings=None if rules is None else [FieldMapping(**rule.model_dump()) for rule in rules],
        stream=body.stream,
        limit=body.limit,
        caller=caller,
        open_uow=app().open_uow,
        discoverer=app().discoverer,
        open_linkhub=app().open_linkhub,
    )
    return schemas.Preview.of(preview)


@bp.route(f"{_INSTANCE}/tables", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@endpoint()
def get_tables(instance_id: str, caller: Caller) -> schemas.Tables:
    """Return the tables offered at the last look, and those chosen."""
    return _tables_of(instance_id, caller)


@bp.route(f"{_INSTANCE}/tables", methods=["PUT"], auth_level=func.AuthLevel.ANONYMOUS)
@endpoint()
def put_tables(
    instance_id: str, caller: Caller, body: schemas.TablesInput, expected: steps.Versions
) -> schemas.Tables:
    """Choose the tables to load, none for all; step two of a warehouse's providers."""
    from shared.services import tables

    tables.save_tables(
        instance_id,
        [TableSelection(**table.model_dump()) for table in body.tables],
        caller=caller,
        expected=expected,
        open_uow=app().open_uow,
        find_provider=app().connector.find_provider,
        now=app().now,
    )
    return _tables_of(instance_id, caller)


@bp.route(f"{_INSTANCE}/tables/discover", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
@endpoint(status=202)
def discover_tables(instance_id: str, caller: Caller) -> schemas.Job:
    """Queue a look at the source's tables, or return the one under way."""
    from shared.services.tables import request_discovery

    job = request_discovery(
        instance_id,
        caller=caller,
        open_uow=app().open_uow,
        find_provider=app().connector.find_provider,
        queue=app().queue,
        now=app().now,
    )
    return schemas.Job.of(job)


@bp.route(f"{_INSTANCE}/sync-config", methods=["PUT"], auth_level=func.AuthLevel.ANONYMOUS)
@endpoint()
def put_sync_config(
    instance_id: str, caller: Caller, body: schemas.SyncConfigInput, expected: steps.Versions
) -> schemas.SyncConfig:
    """Say which way, when and by which policies to sync; step three."""
    from shared.services.sync_configs import save_sync_config

    values = body.model_dump()
    policies = Policies(**values.pop("policies"))
    instance, upcoming = save_sync_config(
        instance_id,
        **values,
        policies=policies,
        has_default_warehouse=app().has_default_warehouse,
        caller=caller,
        expected=expected,
        open_uow=app().open_uow,
        find_provider=app().connector.find_provider,
        now=app().now,
    )
    return schemas.SyncConfig.of(instance, upcoming)


@bp.route(f"{_INSTANCE}/activate", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
@endpoint()
def activate_instance(
    instance_id: str, caller: Caller, expected: steps.Versions
) -> schemas.Activation:
    """Test all of it live, then start syncing: a first, full job is queued; step four."""
    from shared.services import activation

    instance, job = activation.activate_instance(
        instance_id,
        caller=caller,
        expected=expected,
        open_uow=app().open_uow,
        discoverer=app().discoverer,
        queue=app().queue,
        now=app().now,
    )
    return schemas.Activation.of(instance, job)


@bp.route(f"{_INSTANCE}/pause", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
@endpoint()
def pause_instance(instance_id: str, caller: Caller, expected: steps.Versions) -> schemas.Instance:
    """Stop syncing until somebody resumes; a run under way goes on to its end."""
    from shared.services import activation

    instance = activation.pause_instance(
        instance_id,
        caller=caller,
        expected=expected,
        open_uow=app().open_uow,
        now=app().now,
    )
    return schemas.Instance.of(instance)


@bp.route(f"{_INSTANCE}/resume", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
@endpoint()
def resume_instance(instance_id: str, caller: Caller, expected: steps.Versions) -> schemas.Instance:
    """Sync again, by schedule too, after a pause or a failure."""
    from shared.services import activation

    instance = activation.resume_instance(
        instance_id,
        caller=caller,
        expected=expected,
        open_uow=app().open_uow,
        now=app().now,
    )
    return schemas.Instance.of(instance)


def _tables_of(instance_id: str, caller: Caller) -> schemas.Tables:
    from shared.services.tables import get_tables

    found = get_tables(
        instance_id,
        caller=caller,
        open_uow=app().open_uow,
        find_provider=app().connector.find_provider,
    )
    return schemas.Tables.of(found)
