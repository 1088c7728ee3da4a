"""Which warehouse an instance's tables go to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.domain.instances import Instance
from shared.domain.providers import ProviderSpec, SinkKind
from shared.domain.warehouses import WarehouseTarget
from shared.errors import InvalidInputError, NotFoundError, PermanentError, TransientError
from shared.ports.vault import Vault
from shared.services.deps import OpenUow

if TYPE_CHECKING:
    from shared.store.unit_of_work import UnitOfWork


def require_destination(
    uow: UnitOfWork,
    destination: str,
    *,
    profile_id: str,
    spec: ProviderSpec,
    has_default: bool,
) -> None:
    """Return where tables of this provider may go to `destination`, '' for the default place.

    Raise NotFoundError for a warehouse that is not the profile's, InvalidInputError where the
    provider goes to LinkHub, or where there is no default warehouse.
    """
    problem = ""
    if destination and spec.sink is SinkKind.LINKHUB:
        problem = f"{spec.name} goes to LinkHub: leave the destination empty."
    elif destination:
        uow.warehouses.get(destination, profile_id=profile_id)
    elif spec.sink is SinkKind.WAREHOUSE and not has_default:
        problem = "Choose one of your warehouses: this app has none of its own."
    if problem:
        raise InvalidInputError(problem, errors=[("destination", problem)])


def target_of(instance: Instance, *, open_uow: OpenUow, vault: Vault) -> WarehouseTarget:
    """Return where the instance's warehouse is and how to sign in at it.

    Raise PermanentError where it was deleted, TransientError where its password is not there: it
    may have been changed between two looks.
    """
    try:
        with open_uow(read_only=True) as uow:
            warehouse = uow.warehouses.get(instance.destination, profile_id=instance.profile_id)
    except NotFoundError:
        raise PermanentError(
            f"The warehouse of {instance.name} was deleted: choose another destination."
        ) from None
    try:
        return warehouse.target(vault.get(warehouse.secret_ref)["password"])
    except NotFoundError:
        raise TransientError(
            f"The password of the warehouse {warehouse.name} is not in the vault. If that stays "
            "so, save it again."
        ) from None
