"""Connecting an instance: credentials tried live, kept in the vault, bound to one account."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from shared.domain.ids import new_id
from shared.domain.instances import Instance, InstanceState, InstanceStatus, SetupStep
from shared.domain.profiles import Caller
from shared.domain.providers import AuthType
from shared.errors import AuthError, ConflictError, InvalidInputError, PermanentError, SyncError
from shared.ports.provider import CheckResult, Credentials, ProviderDefinition
from shared.ports.vault import Vault
from shared.services.audit import record_act
from shared.services.connections import Connector, checked_options
from shared.services.deps import Now, OpenUow
from shared.services.profiles import require_profile

if TYPE_CHECKING:
    from shared.store.unit_of_work import UnitOfWork

_log = logging.getLogger(__name__)


def new_secret_ref(instance_id: str) -> str:
    """Return a name for new credentials of an instance.

    Each connecting has a name of its own: what is in use is never overwritten by credentials that
    are not saved in the end.
    """
    return f"instance-{instance_id}-{new_id()}"


def connect_with_key(
    instance_id: str,
    *,
    caller: Caller,
    api_key: str,
    options: Mapping[str, str],
    replace_account: bool = False,
    open_uow: OpenUow,
    vault: Vault,
    connector: Connector,
    now: Now,
) -> tuple[Instance, CheckResult]:
    """Try the key live, then keep it in the vault and the rest in the instance.

    Raises InvalidInputError where the provider refuses the key or an option is wrong,
    TransientError where it does not answer, ConflictError where the key opens another account than
    before (see `require_account`); then nothing is kept.
    """
    with open_uow(read_only=True) as uow:
        profile = require_profile(uow, caller)
        instance = uow.instances.get(instance_id, profile_id=profile.id)
        state = uow.instances.get_state(instance.id)
    definition = connector.find_provider(instance.provider)
    spec = definition.spec
    if spec.auth_type is not AuthType.API_KEY and not spec.api_key_label:
        raise ConflictError(f"{spec.name} takes no key: connect it by {spec.auth_type.value}.")
    credentials = Credentials(values={"api_key": api_key})
    chosen = checked_options(spec, options)
    check = check_live(instance.provider, credentials, chosen, connector=connector)
    require_account(instance, state, check, is_replacing=replace_account)

    secret_ref = new_secret_ref(instance.id)
    vault.put(secret_ref, credentials.values)
    try:
        with open_uow() as uow:
            saved = save_connection(
                uow,
                instance=instance,
                definition=definition,
                secret_ref=secret_ref,
                check=check,
                options=chosen,
                caller=caller,
                profile_id=profile.id,
                now=now(),
                expected_version=instance.config_version,
                replace_account=replace_account,
            )
            uow.commit()
    except Exception:
        remove_unused_secret(instance.id, secret_ref, open_uow=open_uow, vault=vault)
        raise
    remove_unused_secret(instance.id, state.secret_ref, open_uow=open_uow, vault=vault)
    return saved, check


def save_connection(
    uow: UnitOfWork,
    *,
    instance: Instance,
    definition: ProviderDefinition,
    secret_ref: str,
    check: CheckResult,
    options: Mapping[str, str],
    caller: Caller,
    profile_id: str,
    now: datetime,
    expected_version: int,
    token_expires_at: datetime | None = None,
    replace_account: bool = False,
) -> Instance:
    """Bind the instance to the account its credentials open, and return it; does not commit.

    `secret_ref` names credentials that are in the vault already. The provider's default mappings
    are written where there are none, as a starting point. Another account clears what was chosen
    for the old one. Raises ConflictError for an account `require_account` refuses, or where
    somebody changed the instance since `expected_version`.
    """
    state = uow.instances.get_state(instance.id)
    require_account(instance, state, check, is_replacing=replace_account)
    is_other = bool(state.account) and state.account != check.account
    uow.instances.save_state(
        replace(
            state,
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
    saved = uow.instances.save(
        replace(
            instance,
            options=dict(options),
            setup_step=SetupStep.COMPLETED,
            status=InstanceStatus.ACTIVE,
            status_reason="",
            updated_at=now,
        ),
        expected_version=expected_version,
    )
    record_act(
        uow,
        caller,
        profile_id=profile_id,
        action="instance.connect",
        target=instance.id,
        before={"account": state.account, "options": dict(instance.options)},
        after={"account": check.account, "options": dict(options)},
        now=now,
    )
    return saved


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
    if instance.setup_step is SetupStep.COMPLETED:
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


def remove_unused_secret(
    instance_id: str, secret_ref: str, *, open_uow: OpenUow, vault: Vault
) -> None:
    """Remove credentials from the vault unless the instance uses them."""
    if not secret_ref:
        return
    with open_uow(read_only=True) as uow:
        if uow.instances.get_state(instance_id).secret_ref == secret_ref:
            return
    try:
        vault.delete(secret_ref)
    except SyncError as error:
        _log.warning("A secret that nobody uses is still in the vault: %s", error)
