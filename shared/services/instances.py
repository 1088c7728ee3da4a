"""Instances: made, connected, listed, deleted."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from shared.domain.ids import new_id
from shared.domain.instances import Instance, InstanceStatus, SetupStep
from shared.domain.paging import ListQuery, Slice
from shared.domain.profiles import Caller
from shared.domain.providers import AuthType
from shared.errors import AuthError, ConflictError, InvalidInputError, NotFoundError, PermanentError
from shared.ports.provider import CheckResult, Credentials, ProviderDefinition
from shared.ports.vault import Vault
from shared.services.audit import record_act
from shared.services.catalogue import find_choice
from shared.services.connections import Connector, checked_options
from shared.services.deps import Now, OpenUow
from shared.services.profiles import require_profile


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


def connect_with_key(
    instance_id: str,
    *,
    caller: Caller,
    api_key: str,
    options: Mapping[str, str],
    open_uow: OpenUow,
    vault: Vault,
    connector: Connector,
    now: Now,
) -> tuple[Instance, CheckResult]:
    """Try the key live, then keep it in the vault and the rest in the instance.

    The provider's default mapping is written where there is none, so the instance can sync at
    once. Raises InvalidInputError where the provider refuses the key or an option is wrong, and
    TransientError where it does not answer; then nothing is kept.
    """
    with open_uow(read_only=True) as uow:
        profile = require_profile(uow, caller)
        instance = uow.instances.get(instance_id, profile_id=profile.id)
    definition = connector.find_provider(instance.provider)
    spec = definition.spec
    if spec.auth_type is not AuthType.API_KEY and not spec.api_key_label:
        raise ConflictError(f"{spec.name} takes no key: connect it by {spec.auth_type.value}.")
    credentials = Credentials(values={"api_key": api_key})
    chosen = checked_options(spec, options)
    check = _check_live(instance.provider, credentials, chosen, connector)

    secret_ref = f"instance-{instance.id}"
    vault.put(secret_ref, credentials.values)
    try:
        saved = _save_connection(
            replace(instance, options=chosen),
            caller=caller,
            definition=definition,
            check=check,
            secret_ref=secret_ref,
            open_uow=open_uow,
            moment=now(),
        )
    except NotFoundError:  # deleted meanwhile: nobody would ever remove this secret
        vault.delete(secret_ref)
        raise
    return saved, check


def _save_connection(
    instance: Instance,
    *,
    caller: Caller,
    definition: ProviderDefinition,
    check: CheckResult,
    secret_ref: str,
    open_uow: OpenUow,
    moment: datetime,
) -> Instance:
    with open_uow() as uow:
        state = uow.instances.get_state(instance.id)
        uow.instances.save_state(
            replace(state, secret_ref=secret_ref, last_error="", failures_in_a_row=0), now=moment
        )
        if definition.default_mappings and not uow.mappings.list_for(instance.id):
            uow.mappings.replace(instance.id, definition.default_mappings, now=moment)
        saved = uow.instances.save(
            replace(
                instance,
                setup_step=SetupStep.COMPLETED,
                status=InstanceStatus.ACTIVE,
                status_reason="",
                updated_at=moment,
            ),
            expected_version=instance.config_version,
        )
        record_act(
            uow,
            caller,
            profile_id=instance.profile_id,
            action="instance.connect",
            target=instance.id,
            after={"account": check.account, "options": dict(instance.options)},
            now=moment,
        )
        uow.commit()
    return saved


def _check_live(
    provider: str, credentials: Credentials, options: Mapping[str, str], connector: Connector
) -> CheckResult:
    try:
        connection = connector.open(
            provider, credentials=credentials, options=options, sleep=time.sleep, interactive=True
        )
        try:
            return connection.check()
        finally:
            connection.close()
    except (AuthError, PermanentError) as error:
        raise InvalidInputError(f"The connection does not work: {error}") from error


def delete_instance(
    instance_id: str, *, caller: Caller, open_uow: OpenUow, vault: Vault, now: Now
) -> None:
    """Delete one of the caller's instances, cancel its open job and remove its credentials."""
    moment = now()
    with open_uow() as uow:
        profile = require_profile(uow, caller)
        instance = uow.instances.get(instance_id, profile_id=profile.id)
        secret_ref = uow.instances.get_state(instance.id).secret_ref
        open_job = uow.jobs.find_open(instance.id)
        if open_job is not None:
            uow.jobs.request_cancel(open_job.id, now=moment)
        uow.instances.soft_delete(instance.id, now=moment)
        record_act(
            uow,
            caller,
            profile_id=profile.id,
            action="instance.delete",
            target=instance.id,
            before={"provider": instance.provider, "name": instance.name},
            now=moment,
        )
        uow.commit()
    if secret_ref:
        vault.delete(secret_ref)
