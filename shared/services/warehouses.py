"""A profile's warehouses: made, looked at, changed and deleted, their passwords in the vault."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from shared.domain.ids import new_id
from shared.domain.paging import ListQuery, Slice
from shared.domain.profiles import Caller
from shared.domain.warehouses import Warehouse, WarehouseCheck, WarehouseTarget
from shared.errors import (
    ConflictError,
    InvalidInputError,
    NotFoundError,
    PreconditionError,
)
from shared.ports.vault import Vault
from shared.ports.warehouse import WarehouseProbe
from shared.services.audit import record_act
from shared.services.deps import Now, OpenUow
from shared.services.profiles import require_profile
from shared.services.resuming import resume_users
from shared.services.secrets import (
    give_up_secret,
    put_secret,
    remove_secrets,
    retire_secret,
    use_secret,
)
from shared.services.steps import Versions

if TYPE_CHECKING:
    from shared.store.unit_of_work import UnitOfWork

_PLACE = ("host", "port", "login", "trust_server_certificate")
"""Who changes one of these must know the password: it would go to another server, or less safely"""
_WIRE = {"trust_server_certificate": "trustServerCertificate"}


@dataclass(frozen=True, slots=True, kw_only=True)
class WarehouseFields:
    """What a person says of a warehouse; `password` None is the one it has already."""

    name: str
    host: str
    port: int
    database_name: str
    schema_name: str
    login: str
    trust_server_certificate: bool
    password: str | None = field(repr=False)

    def values(self) -> dict[str, Any]:
        """Return what is stored in the database: all but the password."""
        return {
            "name": self.name or f"{self.database_name} on {self.host}",
            "host": self.host,
            "port": self.port,
            "database_name": self.database_name,
            "schema_name": self.schema_name,
            "login": self.login,
            "trust_server_certificate": self.trust_server_certificate,
        }

    def target(self, password: str) -> WarehouseTarget:
        """Return the place they describe."""
        return WarehouseTarget(
            host=self.host,
            port=self.port,
            database=self.database_name,
            schema=self.schema_name,
            login=self.login,
            password=password,
            trust_server_certificate=self.trust_server_certificate,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class WarehousePorts:
    """What these use cases reach the outside through."""

    open_uow: OpenUow
    vault: Vault
    probe: WarehouseProbe
    now: Now


def get_warehouse(warehouse_id: str, *, caller: Caller, open_uow: OpenUow) -> Warehouse:
    """Return one of the caller's warehouses; raise NotFoundError for any other id."""
    with open_uow(read_only=True) as uow:
        return _take_own(uow, warehouse_id, caller=caller)


def list_warehouses(query: ListQuery, *, caller: Caller, open_uow: OpenUow) -> Slice[Warehouse]:
    """Return a page of the caller's warehouses, newest first."""
    with open_uow(read_only=True) as uow:
        return uow.warehouses.list_page(require_profile(uow, caller).id, query)


def check_fields(
    fields: WarehouseFields, *, caller: Caller, ports: WarehousePorts
) -> WarehouseCheck:
    """Return what each hop to a warehouse that is not saved is like."""
    with ports.open_uow(read_only=True) as uow:
        require_profile(uow, caller)
    return ports.probe(fields.target(_required_password(fields)))


def check_warehouse(
    warehouse_id: str, *, caller: Caller, ports: WarehousePorts
) -> tuple[Warehouse, WarehouseCheck]:
    """Return one of the caller's warehouses and what each hop to it is like."""
    warehouse = get_warehouse(warehouse_id, caller=caller, open_uow=ports.open_uow)
    return warehouse, ports.probe(warehouse.target(_stored_password(warehouse, ports.vault)))


def create_warehouse(
    fields: WarehouseFields, *, caller: Caller, ports: WarehousePorts
) -> Warehouse:
    """Look at every hop, then keep the password in the vault and the rest; return the warehouse.

    Raise InvalidInputError naming the first hop that does not work; nothing is kept then.
    """
    password = _required_password(fields)
    with ports.open_uow(read_only=True) as uow:
        profile_id = require_profile(uow, caller).id
    _require_way(ports.probe(fields.target(password)))
    moment = ports.now()
    made = Warehouse(
        id=new_id(),
        profile_id=profile_id,
        **fields.values(),
        secret_ref="",
        created_at=moment,
        updated_at=moment,
    )

    def save(uow: UnitOfWork, warehouse: Warehouse, now: datetime) -> Warehouse:
        uow.warehouses.add(warehouse)
        _record(uow, caller, warehouse, "warehouse.create", after=_described(warehouse), now=now)
        return warehouse

    return _with_password(made, password, old="", save=save, ports=ports)


def update_warehouse(
    warehouse_id: str,
    fields: WarehouseFields,
    *,
    caller: Caller,
    expected: Versions = None,
    ports: WarehousePorts,
) -> Warehouse:
    """Change one of the caller's warehouses and return it; the same again changes nothing.

    The way to it is looked at first unless only its name changes. Who changes the server, the
    login or the trust in certificates gives the password too. Instances that stopped because it
    refused its login go on once the way was found good. Raise InvalidInputError naming the
    first hop that does not work, PreconditionError where it is not at an `expected` version,
    ConflictError where somebody else changes it meanwhile.
    """
    with ports.open_uow(read_only=True) as uow:
        read = _take_own(uow, warehouse_id, caller=caller, expected=expected)
    changed = replace(read, **fields.values(), updated_at=ports.now())
    moved = [name for name in _PLACE if getattr(read, name) != getattr(changed, name)]
    if moved and fields.password is None:
        raise InvalidInputError(
            f"Give the password too: {_WIRE.get(moved[0], moved[0])} changes.",
            errors=[("password", "it is required where the server or the login changes")],
        )
    stored = _stored_password(read, ports.vault) if fields.password is None else None
    password = fields.password if stored is None else stored
    is_new = fields.password is not None and not _holds(ports.vault, read, fields.password)
    if not is_new and _described(changed) == _described(read):
        return read
    assert password is not None  # noqa: S101  for the type checker: one of both is there
    is_tried = is_new or changed.target(password) != read.target(password)
    if is_tried:
        _require_way(ports.probe(changed.target(password)))

    def save(uow: UnitOfWork, warehouse: Warehouse, now: datetime) -> Warehouse:
        saved = uow.warehouses.save(warehouse, expected_version=read.config_version)
        before, after = _described(read), _described(saved)
        if is_new:
            after["password"] = "changed"  # noqa: S105  that it was, not which
        _record(uow, caller, read, "warehouse.update", before=before, after=after, now=now)
        if is_tried:
            resume_users(uow, saved, caller=caller, now=now)
        return saved

    if is_new:
        return _with_password(changed, password, old=read.secret_ref, save=save, ports=ports)
    with ports.open_uow() as uow:
        saved = save(uow, changed, ports.now())
        uow.commit()
    return saved


def delete_warehouse(
    warehouse_id: str, *, caller: Caller, expected: Versions = None, ports: WarehousePorts
) -> None:
    """Forget one of the caller's warehouses and its password; what was loaded into it stays.

    Raise ConflictError naming the instances that use it.
    """
    with ports.open_uow() as uow:
        warehouse = _take_own(uow, warehouse_id, caller=caller, expected=expected)
        users = [name for name, _ in uow.warehouses.list_users(warehouse)]
        if users:
            raise ConflictError(
                f"{warehouse.name} is the destination of {', '.join(users)}: give them another "
                "one, or delete them, first."
            )
        moment = ports.now()
        uow.warehouses.soft_delete(warehouse.id, now=moment)
        retire_secret(uow, warehouse.secret_ref, owner_id=warehouse.id, now=moment)
        before = _described(warehouse)
        _record(uow, caller, warehouse, "warehouse.delete", before=before, now=moment)
        uow.commit()
    _remove_secrets(warehouse.id, ports)


def _take_own(
    uow: UnitOfWork, warehouse_id: str, *, caller: Caller, expected: Versions = None
) -> Warehouse:
    warehouse = uow.warehouses.get(warehouse_id, profile_id=require_profile(uow, caller).id)
    if expected is not None and warehouse.config_version not in expected:
        raise PreconditionError(
            f"{warehouse.name} is at version {warehouse.config_version} by now: read it again "
            "before you change it."
        )
    return warehouse


def _with_password(
    warehouse: Warehouse,
    password: str,
    *,
    old: str,
    save: Callable[[UnitOfWork, Warehouse, datetime], Warehouse],
    ports: WarehousePorts,
) -> Warehouse:
    """Put the password into the vault and `save` the warehouse with it; else take it out again."""
    open_uow, vault, now = ports.open_uow, ports.vault, ports.now
    secret_ref = put_secret(
        warehouse.id,
        {"password": password},
        kind="warehouse",
        open_uow=open_uow,
        vault=vault,
        now=now,
    )
    try:
        with open_uow() as uow:
            moment = now()
            saved = save(uow, replace(warehouse, secret_ref=secret_ref), moment)
            use_secret(uow, secret_ref, owner_id=warehouse.id, old=old, now=moment)
            uow.commit()
    except Exception:
        give_up_secret(
            secret_ref,
            owner_id=warehouse.id,
            open_uow=open_uow,
            now=now,
            in_use=lambda uow: _secret_of(uow, warehouse.id),
        )
        raise
    finally:
        _remove_secrets(warehouse.id, ports)
    return saved


def _remove_secrets(warehouse_id: str, ports: WarehousePorts) -> None:
    remove_secrets(open_uow=ports.open_uow, vault=ports.vault, now=ports.now, owner_id=warehouse_id)


def _secret_of(uow: UnitOfWork, warehouse_id: str) -> str:
    try:
        return uow.warehouses.get(warehouse_id, profile_id=None).secret_ref
    except NotFoundError:
        return ""


def _required_password(fields: WarehouseFields) -> str:
    if fields.password is None:
        raise InvalidInputError("A password is required.", errors=[("password", "it is required")])
    return fields.password


def _stored_password(warehouse: Warehouse, vault: Vault) -> str:
    try:
        return vault.get(warehouse.secret_ref)["password"]
    except NotFoundError:
        raise ConflictError(f"The password of {warehouse.name} is gone: save it again.") from None


def _holds(vault: Vault, warehouse: Warehouse, password: str) -> bool:
    try:
        return vault.get(warehouse.secret_ref).get("password") == password
    except NotFoundError:
        return False


def _require_way(check: WarehouseCheck) -> None:
    failed = check.failed
    if failed is not None:
        raise InvalidInputError(
            f"The warehouse cannot be reached: {failed.hop.value}: {failed.message}",
            errors=[(f"hops.{failed.hop.value}", failed.message)],
        )


def _record(
    uow: UnitOfWork, caller: Caller, warehouse: Warehouse, action: str, **more: Any
) -> None:
    record_act(
        uow, caller, profile_id=warehouse.profile_id, action=action, target=warehouse.id, **more
    )


def _described(warehouse: Warehouse) -> dict[str, Any]:
    return {
        "name": warehouse.name,
        "host": warehouse.host,
        "port": warehouse.port,
        "database": warehouse.database_name,
        "schema": warehouse.schema_name,
        "login": warehouse.login,
        "trustServerCertificate": warehouse.trust_server_certificate,
    }
