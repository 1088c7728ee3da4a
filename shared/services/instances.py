"""Instances: made, listed, deleted."""

from __future__ import annotations

from collections.abc import Callable

from shared.domain.ids import new_id
from shared.domain.instances import Instance, InstanceStatus, SetupStep
from shared.domain.paging import ListQuery, Slice
from shared.domain.profiles import Caller
from shared.errors import InvalidInputError
from shared.ports.vault import Vault
from shared.services.audit import record_act
from shared.services.catalogue import find_choice
from shared.services.deps import Now, OpenUow
from shared.services.profiles import require_profile
from shared.services.secrets import remove_secrets, retire_secret
from shared.services.steps import Versions, take_own


def create_instance(
    caller: Caller,
    *,
    provider: str,
    name: str,
    connection_key: str,
    open_uow: OpenUow,
    now: Now,
) -> Instance:
    """Make an instance of a provider for the caller's profile; nothing is connected yet."""
    moment = now()
    with open_uow() as uow:
        profile = require_profile(uow, caller)
        entry = find_choice(uow, provider)
        if entry is None:
            known = ", ".join(sorted(e.slug for e in uow.providers.list_active() if e.is_public))
            raise InvalidInputError(
                f"There is no provider {provider!r}; there are: {known or 'none yet'}.",
                errors=[("provider", "unknown provider")],
            )
        instance = Instance(
            id=new_id(),
            profile_id=profile.id,
            provider=provider,
            connection_key=connection_key,
            name=name or entry.name,
            setup_step=SetupStep.NOT_STARTED,
            status=InstanceStatus.SETUP_INCOMPLETE,
            created_at=moment,
            updated_at=moment,
        )
        uow.instances.add(instance)
        record_act(
            uow,
            caller,
            profile_id=profile.id,
            action="instance.create",
            target=instance.id,
            after={"provider": provider, "name": instance.name},
            now=moment,
        )
        uow.commit()
    return instance


def get_instance(instance_id: str, *, caller: Caller, open_uow: OpenUow) -> Instance:
    """Return one of the caller's instances; raise NotFoundError for any other id."""
    with open_uow(read_only=True) as uow:
        return uow.instances.get(instance_id, profile_id=require_profile(uow, caller).id)


def list_instances(query: ListQuery, *, caller: Caller, open_uow: OpenUow) -> Slice[Instance]:
    """Return a page of the caller's instances, newest first."""
    with open_uow(read_only=True) as uow:
        return uow.instances.list_page(require_profile(uow, caller).id, query)


def delete_instance(
    instance_id: str,
    *,
    caller: Caller,
    expected: Versions = None,
    open_uow: OpenUow,
    vault: Vault,
    now: Now,
    revoke: Callable[[str], None],
) -> None:
    """Delete one of the caller's instances and cancel its open job.

    Its credentials are revoked at the provider, where that can be done, and leave the vault: at
    once, or, where a run is under way, once that has ended.
    """
    moment = now()
    with open_uow() as uow:
        instance = take_own(uow, instance_id, caller=caller, expected=expected)
        open_job = uow.jobs.find_open(instance.id)
        if open_job is not None:
            uow.jobs.request_cancel(open_job.id, now=moment)
        state = uow.instances.get_state(instance.id)
        retire_secret(uow, state.secret_ref, owner_id=instance.id, now=moment)
        uow.instances.soft_delete(instance.id, now=moment)
        record_act(
            uow,
            caller,
            profile_id=instance.profile_id,
            action="instance.delete",
            target=instance.id,
            before={"provider": instance.provider, "name": instance.name},
            now=moment,
        )
        uow.commit()
    remove_secrets(open_uow=open_uow, vault=vault, now=now, owner_id=instance.id, revoke=revoke)
