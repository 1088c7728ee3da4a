"""Credentials on their way into the vault and out of it; none is left there that nobody uses.

A name is noted in `secret_removals` before its secret exists, and the transaction that takes the
secret into use takes the note back. Whatever happens in between, `remove_secrets` finds it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from shared.domain.ids import new_id
from shared.errors import SyncError
from shared.ports.vault import Vault
from shared.services.deps import Now, OpenUow

if TYPE_CHECKING:
    from shared.store.unit_of_work import UnitOfWork

_log = logging.getLogger(__name__)

_UNUSED_AFTER = timedelta(hours=1)
_BATCH = 100


def put_secret(
    owner_id: str,
    values: Mapping[str, str],
    *,
    kind: str = "instance",
    open_uow: OpenUow,
    vault: Vault,
    now: Now,
) -> str:
    """Keep credentials of an instance, or another `kind` of owner, in the vault under a new name.

    Return the name. `use_secret` must take it into use within the hour; else it is removed again.
    Each connecting has a name of its own: what is in use is never overwritten by what is not saved
    in the end.
    """
    name = f"{kind}-{owner_id}-{new_id()}"
    moment = now()
    with open_uow() as uow:
        uow.secret_removals.add(name, owner_id, due_at=moment + _UNUSED_AFTER, now=moment)
        uow.commit()
    vault.put(name, values)
    return name


def use_secret(uow: UnitOfWork, name: str, *, owner_id: str, old: str, now: datetime) -> None:
    """Take back the note that `name` is to go, and note `old` ('' for none) instead."""
    uow.secret_removals.cancel(name)
    retire_secret(uow, old, owner_id=owner_id, now=now)


def retire_secret(uow: UnitOfWork, name: str, *, owner_id: str, now: datetime) -> None:
    """Note that a secret ('' for none) goes once no unfinished job of its instance may need it."""
    if name:
        uow.secret_removals.add(name, owner_id, due_at=now, now=now)


def give_up_secret(
    name: str,
    *,
    owner_id: str,
    open_uow: OpenUow,
    now: Now,
    in_use: Callable[[UnitOfWork], str] | None = None,
) -> None:
    """Note that a secret that was put, but not taken into use, goes now.

    Nothing happens where it is in use after all: where saving it was answered by an error, it may
    have been saved. `in_use` tells the name of the owner's present secret; None means that the
    owner is an instance.
    """
    with open_uow() as uow:
        present = in_use(uow) if in_use else uow.instances.get_state(owner_id).secret_ref
        if present != name:
            retire_secret(uow, name, owner_id=owner_id, now=now())
            uow.commit()


def remove_secrets(
    *,
    open_uow: OpenUow,
    vault: Vault,
    now: Now,
    owner_id: str | None = None,
    revoke: Callable[[str], None] = lambda _name: None,
) -> int:
    """Remove from the vault what is to go by now (of one owner, or of all); return how many.

    `revoke(name)` may end at the provider what a secret opens; it is called before each removal.

    Nothing is raised where the vault or the database does not answer: the next time will do.
    """
    removed = 0
    try:
        with open_uow(read_only=True) as uow:
            names = uow.secret_removals.list_due(now=now(), limit=_BATCH, owner_id=owner_id)
        for name in names:
            revoke(name)
            vault.delete(name)
            with open_uow() as uow:
                uow.secret_removals.cancel(name)
                uow.commit()
            removed += 1
    except SyncError as error:
        _log.warning("Secrets that are to go stay in the vault for now: %s", error)
    return removed
