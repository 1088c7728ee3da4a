"""Connecting an instance: credentials tried live, kept in the vault, bound to one account."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from shared.domain.checkpoints import Mode
from shared.domain.ids import new_id
from shared.domain.instances import (
    Instance,
    InstanceState,
    InstanceStatus,
    SetupStep,
    StatusReason,
    without_refresh,
)
from shared.domain.jobs import Job, JobTrigger
from shared.domain.profiles import Caller
from shared.domain.wizard import advance
from shared.errors import (
    AuthError,
    ConflictError,
    InvalidInputError,
    NotFoundError,
    PermanentError,
)
from shared.ports.provider import CheckResult, Credentials, ProviderDefinition
from shared.ports.vault import Vault
from shared.services.connections import Connector, checked_credentials, checked_options
from shared.services.deps import Now, OpenUow
from shared.services.secrets import give_up_secret, put_secret, remove_secrets, use_secret
from shared.services.steps import Versions, read_own, save_step

if TYPE_CHECKING:
    from shared.store.unit_of_work import UnitOfWork


def connect_with_credentials(
    instance_id: str,
    *,
    caller: Caller,
    given: Mapping[str, str],
    options: Mapping[str, str],
    replace_account: bool = False,
    expected: Versions = None,
    open_uow: OpenUow,
    vault: Vault,
    connector: Connector,
    now: Now,
) -> tuple[Instance, CheckResult]:
    """Try the key, or user name and password, live; keep it in the vault, the rest in the instance.

    Raises InvalidInputError where the provider refuses what was `given` or an option is wrong,
    TransientError where it does not answer, ConflictError where it opens another account than
    before (see `require_account`) or only signing in helps, PreconditionError where the instance
    is not at an `expected` version; then nothing is kept. The same again saves nothing either.
    """
    instance, state = read_own(instance_id, caller=caller, open_uow=open_uow, expected=expected)
    definition = connector.find_provider(instance.provider)
    credentials = Credentials(values=checked_credentials(definition.spec, given))
    chosen = checked_options(definition.spec, options)
    check = check_live(instance.provider, credentials, chosen, connector=connector)
    require_account(instance, state, check, is_replacing=replace_account)
    if (
        instance.status is not InstanceStatus.ERROR
        and not instance.status_reason
        and (check.account, chosen) == (state.account, dict(instance.options))
        and _holds(vault, state.secret_ref, credentials.values)
    ):
        return instance, check

    saved = keep_connection(
        instance,
        credentials.values,
        definition=definition,
        check=check,
        options=chosen,
        caller=caller,
        replace_account=replace_account,
        open_uow=open_uow,
        vault=vault,
        now=now,
    )
    return saved, check


def keep_connection(
    instance: Instance,
    values: Mapping[str, str],
    *,
    definition: ProviderDefinition,
    check: CheckResult,
    options: Mapping[str, str],
    caller: Caller,
    replace_account: bool,
    token_life: timedelta | None = None,
    open_uow: OpenUow,
    vault: Vault,
    now: Now,
) -> Instance:
    """Keep credentials that work in the vault, bind the instance to them and return it.

    See `save_connection`. What is not saved in the end, and what was used before, leaves the vault.
    `token_life`: how long the credentials last without being used, None for ever.
    """
    secret_ref = put_secret(instance.id, values, open_uow=open_uow, vault=vault, now=now)
    try:
        moment = now()
        with open_uow() as uow:
            saved = save_connection(
                uow,
                instance=instance,
                definition=definition,
                secret_ref=secret_ref,
                check=check,
                options=options,
                caller=caller,
                now=moment,
                token_expires_at=None if token_life is None else moment + token_life,
                replace_account=replace_account,
            )
            uow.commit()
    except Exception:
        give_up_secret(secret_ref, owner_id=instance.id, open_uow=open_uow, now=now)
        raise
    finally:
        remove_secrets(open_uow=open_uow, vault=vault, now=now, owner_id=instance.id)
    return saved


def save_connection(
    uow: UnitOfWork,
    *,
    instance: Instance,
    definition: ProviderDefinition,
    secret_ref: str,
    check: CheckResult,
    options: Mapping[str, str],
    caller: Caller,
    now: datetime,
    token_expires_at: datetime | None = None,
    replace_account: bool = False,
) -> Instance:
    """Bind the instance to the account its credentials open, and return it; does not commit.

    `instance` is as the caller read it before its provider was asked. `secret_ref` names what
    `put_secret` kept. The provider's default mappings are written where there are none, as a
    starting point. Other options make the later steps due again, another account also clears what
    was chosen for the old one; a completed set-up stays completed, and where it had to be connected
    again it syncs within a minute. Raises ConflictError for an account `require_account` refuses,
    or where somebody changed the instance meanwhile.
    """
    state = uow.instances.get_state(instance.id)
    require_account(instance, state, check, is_replacing=replace_account)
    is_other = bool(state.account) and state.account != check.account
    uow.instances.save_state(
        replace(
            without_refresh(state),
            account=check.account,
            secret_ref=secret_ref,
            token_expires_at=token_expires_at,
            last_error="",
            failures_in_a_row=0,
        ),
        now=now,
    )
    if is_other or not uow.mappings.list_for(instance.id):
        uow.mappings.replace(instance.id, definition.default_mappings, now=now)
    if is_other:
        uow.selections.replace(instance.id, (), now=now)
        uow.discoveries.remove(instance.id)
    use_secret(uow, secret_ref, owner_id=instance.id, old=state.secret_ref, now=now)
    is_same = not is_other and bool(state.secret_ref) and dict(options) == dict(instance.options)
    step = instance.setup_step if is_same else advance(instance.setup_step, SetupStep.CONNECTION)
    is_failed = instance.status is InstanceStatus.ERROR
    if is_failed and instance.status_reason == StatusReason.NEEDS_RECONNECT:
        _sync_again(uow, instance.id, now=now)
    return save_step(
        uow,
        replace(
            instance,
            options=dict(options),
            setup_step=step,
            status=InstanceStatus.ACTIVE if is_failed else instance.status,
            status_reason="",
            updated_at=now,
        ),
        read=instance,
        caller=caller,
        action="instance.connect",
        before={"account": state.account, "options": dict(instance.options)},
        after={"account": check.account, "options": dict(options)},
        now=now,
    )


def _holds(vault: Vault, secret_ref: str, values: Mapping[str, str]) -> bool:
    """Return whether these credentials are the ones in use."""
    try:
        return bool(secret_ref) and vault.get(secret_ref) == values
    except NotFoundError:
        return False


def _sync_again(uow: UnitOfWork, instance_id: str, *, now: datetime) -> None:
    """Store the job that takes up what waited for the reconnect; the reaper queues it."""
    if uow.jobs.find_open(instance_id) is None:
        uow.jobs.add(
            Job(
                id=new_id(),
                instance_id=instance_id,
                mode=Mode.INCREMENTAL,
                trigger=JobTrigger.RETRY,
                created_at=now,
                updated_at=now,
            )
        )


def require_account(
    instance: Instance, state: InstanceState, check: CheckResult, *, is_replacing: bool
) -> None:
    """Raise ConflictError where credentials open another account than the instance is bound to.

    Records of two accounts may carry the same ids, so an instance that was activated keeps its
    account for good; before that a person may replace it by saying so.
    """
    if not state.account or state.account == check.account:
        return
    other = f"the account {check.account!r}" if check.account else "an account they do not name"
    text = f"{instance.name} is connected to {state.account!r}; these credentials open {other}."
    if instance.setup_step is SetupStep.COMPLETED or state.last_sync_at is not None:
        raise ConflictError(f"{text} Make another instance for another account.")
    if not is_replacing:
        raise ConflictError(f'{text} Send "replaceAccount": true to start over with it.')


def check_live(
    provider: str, credentials: Credentials, options: Mapping[str, str], *, connector: Connector
) -> CheckResult:
    """Return what the provider says to these credentials.

    Raises InvalidInputError where it refuses them, TransientError where it does not answer.
    """
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
