"""Warehouses, and what a look at the way to one found."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Self

from functions.schemas.base import Wire
from shared.domain.warehouses import Hop, HopState
from shared.errors import InvalidInputError

if TYPE_CHECKING:
    from shared.domain.warehouses import Warehouse as DomainWarehouse
    from shared.domain.warehouses import WarehouseCheck


@dataclass(frozen=True, slots=True, kw_only=True)
class Warehouse(Wire):
    """A warehouse, without its password."""

    id: str
    name: str
    host: str
    port: int
    database: str
    schema: str
    login: str
    trust_server_certificate: bool
    config_version: int
    created_at: datetime
    updated_at: datetime

    @property
    def etag(self) -> str:
        """The version a later change of it may name with `If-Match`."""
        return f'"{self.config_version}"'

    @classmethod
    def of(cls, warehouse: DomainWarehouse) -> Self:
        """Return the warehouse as its owner sees it."""
        return cls.like(warehouse, database=warehouse.database_name, schema=warehouse.schema_name)


@dataclass(frozen=True, slots=True, kw_only=True)
class WarehouseHop(Wire):
    """One hop; `state` is ok, failed, or not_tried behind a failed one."""

    hop: Hop
    state: HopState
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WarehouseTest(Wire):
    """Every hop to a warehouse in its order, and the first that does not work (null where all do).

    `grantScript` is the T-SQL that gives the login what loading takes; '' where the schema is one
    that no login can have for itself, such as dbo.
    """

    ok: bool
    failed_hop: Hop | None
    hops: list[WarehouseHop]
    grant_script: str

    @classmethod
    def of(cls, check: WarehouseCheck, *, schema: str, login: str) -> Self:
        """Return what was found, and the script for this schema and login."""
        from shared.domain.warehouse_grants import grant_sql

        try:
            script = grant_sql(schema=schema, login=login)
        except InvalidInputError:
            script = ""
        failed = check.failed
        return cls(
            ok=failed is None,
            failed_hop=failed.hop if failed else None,
            hops=[WarehouseHop.like(one) for one in check.hops],
            grant_script=script,
        )
