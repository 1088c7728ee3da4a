"""Warehouses: a profile's own SQL Server databases, tried before they are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import azure.functions as func

from functions import schemas
from functions.bootstrap import app
from functions.http_support import endpoint
from shared.domain.paging import ListQuery
from shared.domain.profiles import Caller
from shared.services import steps

if TYPE_CHECKING:
    from shared.services.warehouses import WarehousePorts

bp = func.Blueprint()
_WAREHOUSES = "api/v1/warehouses"
_WAREHOUSE = f"{_WAREHOUSES}/{{warehouse_id}}"


@bp.route(_WAREHOUSES, methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
@endpoint(status=201)
def create_warehouse(caller: Caller, body: schemas.WarehouseInput) -> schemas.Warehouse:
    """Try every hop to a database, then keep it; its password goes to the vault."""
    from shared.services import warehouses

    made = warehouses.create_warehouse(body.fields(), caller=caller, ports=_ports())
    return schemas.Warehouse.of(made)


@bp.route(_WAREHOUSES, methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@endpoint()
def list_warehouses(caller: Caller, query: ListQuery) -> schemas.Page[schemas.Warehouse]:
    """Return the caller's warehouses, newest first."""
    from shared.services import warehouses

    part = warehouses.list_warehouses(query, caller=caller, open_uow=app().open_uow)
    return schemas.Page[schemas.Warehouse].of(part, schemas.Warehouse.of)


@bp.route(f"{_WAREHOUSES}/test", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
@endpoint()
def test_new_warehouse(caller: Caller, body: schemas.WarehouseInput) -> schemas.WarehouseTest:
    """Try every hop to a database that is not saved: name, port, TLS, login and the rest."""
    from shared.services import warehouses

    check = warehouses.check_fields(body.fields(), caller=caller, ports=_ports())
    return schemas.WarehouseTest.of(check, schema=body.schema_name, login=body.login)


@bp.route(_WAREHOUSE, methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@endpoint()
def get_warehouse(warehouse_id: str, caller: Caller) -> schemas.Warehouse:
    """Return one of the caller's warehouses."""
    from shared.services import warehouses

    found = warehouses.get_warehouse(warehouse_id, caller=caller, open_uow=app().open_uow)
    return schemas.Warehouse.of(found)


@bp.route(_WAREHOUSE, methods=["PUT"], auth_level=func.AuthLevel.ANONYMOUS)
@endpoint()
def put_warehouse(
    warehouse_id: str, caller: Caller, body: schemas.WarehouseInput, expected: steps.Versions
) -> schemas.Warehouse:
    """Change a warehouse; the way to it is tried first."""
    from shared.services import warehouses

    changed = warehouses.update_warehouse(
        warehouse_id, body.fields(), caller=caller, expected=expected, ports=_ports()
    )
    return schemas.Warehouse.of(changed)


@bp.route(_WAREHOUSE, methods=["DELETE"], auth_level=func.AuthLevel.ANONYMOUS)
@endpoint(status=204)
def delete_warehouse(warehouse_id: str, caller: Caller, expected: steps.Versions) -> None:
    """Forget a warehouse that no instance uses, and its password; its tables stay."""
    from shared.services import warehouses

    warehouses.delete_warehouse(warehouse_id, caller=caller, expected=expected, ports=_ports())


@bp.route(f"{_WAREHOUSE}/test", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
@endpoint()
def test_warehouse(warehouse_id: str, caller: Caller) -> schemas.WarehouseTest:
    """Try every hop to a warehouse with the password it has."""
    from shared.services import warehouses

    found, check = warehouses.check_warehouse(warehouse_id, caller=caller, ports=_ports())
    return schemas.WarehouseTest.of(check, schema=found.schema_name, login=found.login)


def _ports() -> WarehousePorts:
    from shared.services.warehouses import WarehousePorts

    return WarehousePorts(
        open_uow=app().open_uow,
        vault=app().vault,
        probe=app().warehouse_probe,
        now=app().now,
    )
