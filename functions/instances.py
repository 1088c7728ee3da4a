"""Instances: create, list, read, delete, connect by key or password."""

from __future__ import annotations

import azure.functions as func

from functions import schemas
from functions.bootstrap import app
from functions.http_support import endpoint, from_camel
from shared.domain.paging import ListQuery
from shared.domain.profiles import Caller
from shared.services import connecting, instances, steps

bp = func.Blueprint()


@bp.route("api/v1/instances", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
@endpoint(status=201)
def create_instance(caller: Caller, body: schemas.InstanceInput) -> schemas.Instance:
    """Make an instance of a provider."""
    instance = instances.create_instance(
        caller, **body.model_dump(), open_uow=app().open_uow, now=app().now
    )
    return schemas.Instance.of(instance)


@bp.route("api/v1/instances", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@endpoint()
def list_instances(caller: Caller, query: ListQuery) -> schemas.Page[schemas.Instance]:
    """Return the caller's instances, newest first."""
    part = instances.list_instances(query, caller=caller, open_uow=app().open_uow)
    return schemas.Page[schemas.Instance].of(part, schemas.Instance.of)


@bp.route("api/v1/instances/{instance_id}", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@endpoint()
def get_instance(instance_id: str, caller: Caller) -> schemas.Instance:
    """Return one of the caller's instances."""
    instance = instances.get_instance(instance_id, caller=caller, open_uow=app().open_uow)
    return schemas.Instance.of(instance)


@bp.route("api/v1/instances/{instance_id}", methods=["DELETE"], auth_level=func.AuthLevel.ANONYMOUS)
@endpoint(status=204)
def delete_instance(instance_id: str, caller: Caller, expected: steps.Versions) -> None:
    """Delete one of the caller's instances and its credentials."""
    instances.delete_instance(
        instance_id,
        caller=caller,
        expected=expected,
        open_uow=app().open_uow,
        vault=app().vault,
        now=app().now,
        revoke=app().revoke_sign_in,
    )


@bp.route(
    "api/v1/instances/{instance_id}/connection",
    methods=["PUT"],
    auth_level=func.AuthLevel.ANONYMOUS,
)
@endpoint()
def put_connection(
    instance_id: str, caller: Caller, body: schemas.ConnectionInput, expected: steps.Versions
) -> schemas.Connection:
    """Connect by key, or by user name and password; tried live first, answered by nobody."""
    instance, check = connecting.connect_with_credentials(
        instance_id,
        caller=caller,
        given=body.credentials(),
        options={from_camel(name): value for name, value in body.options.items()},
        replace_account=body.replace_account,
        expected=expected,
        open_uow=app().open_uow,
        vault=app().vault,
        connector=app().connector,
        now=app().now,
    )
    return schemas.Connection(
        instance=schemas.Instance.of(instance), account=check.account, label=check.label
    )
