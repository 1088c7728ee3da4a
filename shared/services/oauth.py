"""Signing in at a provider: begun by a person, completed by the same person, once.

start      an unguessable state is bound to the profile, instance and provider; only its hash
           is stored. The PKCE verifier is derived from it, so nothing else needs to be.
(consent)  at the provider, whose redirect to our callback exchanges nothing
complete   the person's own token must belong to the profile that started: the code that a
           victim was made to bring along is never redeemed for the attacker. The state is
           marked used first, so it is redeemed at most once, whatever happens.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Final

from shared.domain.ids import new_id
from shared.domain.instances import Instance, InstanceStatus, SetupStep, without_refresh
from shared.domain.oauth import CODE_FORM, OAuthState, TokenGrant, TokenSet, provider_of_state
from shared.domain.profiles import Caller
from shared.errors import (
    AuthError,
    ConflictError,
    InvalidInputError,
    NotFoundError,
    PermanentError,
    TransientError,
)
from shared.ports.provider import CheckResult, Credentials
from shared.ports.vault import Vault
from shared.services.audit import record_act
from shared.services.connecting import check_live, keep_connection
from shared.services.connections import Connector, checked_options
from shared.services.deps import Now, OpenUow
from shared.services.oauth_servers import OAuthServers
from shared.services.profiles import require_profile
from shared.services.secrets import remove_secrets, retire_secret
from shared.services.steps import Versions, read_own, save_step, take_own

STATE_LIFE: Final = timedelta(minutes=10)
PKCE_KEY: Final = "oauth-pkce-key"
"""The vault's name of the key that turns a state into its PKCE verifier; made on first use."""

_UNKNOWN: Final = "This sign-in is not known here. Start again from the instance's page."


def start_sign_in(
    instance_id: str,
    *,
    caller: Caller,
    open_uow: OpenUow,
    vault: Vault,
    servers: OAuthServers,
    now: Now,
) -> str:
    """Return the provider's page on which the caller gives consent, good for ten minutes.

    Raises ConflictError where nobody can sign in at the instance's provider.
    """
    instance, _ = read_own(instance_id, caller=caller, open_uow=open_uow)
    definition = servers.definition(instance.provider)
    checked_options(definition.spec, instance.options)
    state = f"{instance.provider}.{secrets.token_urlsafe(32)}"
    url = servers.get(instance.provider).authorize_url(
        state=state,
        verifier=verifier_of(state, vault=vault),
        redirect_uri=servers.redirect_uri(instance.provider),
        scopes=definition.spec.oauth_scopes,
    )
    moment = now()
    with open_uow() as uow:
        uow.oauth_states.add(
            OAuthState(
                id=new_id(),
                state_hash=_hash(state),
                instance_id=instance.id,
                profile_id=instance.profile_id,
                provider=instance.provider,
                expires_at=moment + STATE_LIFE,
                created_at=moment,
                updated_at=moment,
            )
        )
        record_act(
            uow,
            caller,
            profile_id=instance.profile_id,
            action="oauth.start",
            target=instance.id,
            now=moment,
        )
        uow.commit()
    return url


def complete_sign_in(
    state: str,
    code: str,
    *,
    caller: Caller,
    replace_account: bool = False,
    open_uow: OpenUow,
    vault: Vault,
    servers: OAuthServers,
    connector: Connector,
    now: Now,
) -> tuple[Instance, CheckResult]:
    """Redeem the code for the caller's own sign-in, bind its account and keep its tokens.

    Raises NotFoundError for a state that is unknown or another profile's, ConflictError for one
    that is used or too old or for another account than before, InvalidInputError where the
    provider refuses, TransientError where it does not answer. After any of these but the first,
    the person starts again.
    """
    if not CODE_FORM.fullmatch(code):
        raise InvalidInputError("This is no code of a sign-in.", errors=[("code", "not a code")])
    instance = _use_state(state, caller=caller, open_uow=open_uow, now=now)
    definition = servers.definition(instance.provider)
    asked_at = now()
    grant = _exchange(instance.provider, state, code, vault=vault, servers=servers)
    tokens = TokenSet(
        provider=instance.provider, instance_id=instance.id, account=grant.account
    ).with_grant(grant, resource="", asked_at=asked_at)
    check = check_live(
        instance.provider,
        Credentials(values=tokens.to_secret()),
        instance.options,
        connector=connector,
    )
    check = replace(check, account=grant.account or check.account)
    saved = keep_connection(
        instance,
        tokens.to_secret(),
        definition=definition,
        check=check,
        options=instance.options,
        caller=caller,
        replace_account=replace_account,
        token_life=definition.oauth.idle_life if definition.oauth is not None else None,
        open_uow=open_uow,
        vault=vault,
        now=now,
    )
    return saved, check


def disconnect(
    instance_id: str,
    *,
    caller: Caller,
    expected: Versions = None,
    open_uow: OpenUow,
    vault: Vault,
    now: Now,
    revoke: Callable[[str], None],
) -> Instance:
    """Take an instance's credentials away and return it, back at the step *connection*.

    They are revoked at the provider, where that can be done, and leave the vault: at once, or,
    where a run is under way, once that has ended. The account stays bound: see `require_account`.
    """
    moment = now()
    with open_uow() as uow:
        instance = take_own(uow, instance_id, caller=caller, expected=expected)
        state = uow.instances.get_state(instance.id)
        if not state.secret_ref:
            return instance
        open_job = uow.jobs.find_open(instance.id)
        if open_job is not None:
            uow.jobs.request_cancel(open_job.id, now=moment)
        retire_secret(uow, state.secret_ref, owner_id=instance.id, now=moment)
        uow.instances.save_state(replace(without_refresh(state), secret_ref=""), now=moment)
        saved = save_step(
            uow,
            replace(
                instance,
                setup_step=SetupStep.NOT_STARTED,
                status=InstanceStatus.SETUP_INCOMPLETE,
                status_reason="",
                updated_at=moment,
            ),
            read=instance,
            caller=caller,
            action="instance.disconnect",
            before={"account": state.account},
            now=moment,
        )
        uow.commit()
    remove_secrets(open_uow=open_uow, vault=vault, now=now, owner_id=instance.id, revoke=revoke)
    return saved


def verifier_of(state: str, *, vault: Vault) -> str:
    """Return the PKCE verifier of a state (RFC 7636, section 4.1: 43 characters)."""
    digest = hmac.new(_pkce_key(vault), state.encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _use_state(state: str, *, caller: Caller, open_uow: OpenUow, now: Now) -> Instance:
    """Mark the caller's state used, durably, and return its instance."""
    moment = now()
    with open_uow() as uow:
        profile = require_profile(uow, caller)
        found = None
        if provider_of_state(state) is not None:
            found = uow.oauth_states.find(_hash(state))
        if found is None or found.profile_id != profile.id:
            raise NotFoundError(_UNKNOWN)
        instance = uow.instances.get(found.instance_id, profile_id=profile.id)
        if found.provider != instance.provider or found.provider != provider_of_state(state):
            raise NotFoundError(_UNKNOWN)
        if found.used_at is not None:
            raise ConflictError("This sign-in was completed already. Start a new one if needed.")
        if not uow.oauth_states.use(found.id, now=moment):
            raise ConflictError("This sign-in took longer than ten minutes. Start it again.")
        uow.commit()
    return instance


def _exchange(
    provider: str, state: str, code: str, *, vault: Vault, servers: OAuthServers
) -> TokenGrant:
    try:
        return servers.get(provider).exchange(
            code=code,
            verifier=verifier_of(state, vault=vault),
            redirect_uri=servers.redirect_uri(provider),
        )
    except (AuthError, PermanentError) as error:
        raise InvalidInputError(f"{error} Start the sign-in again.") from error
    except TransientError as error:
        raise TransientError(
            f"{error} Start the sign-in again.", retry_after=error.retry_after
        ) from error


def _pkce_key(vault: Vault) -> bytes:
    """Return the key, made where there is none.

    Never kept in memory: of two processes that make it at once the later one wins, and the other
    must come to use that one too. A sign-in begun in between has to be started again.
    """
    try:
        value = vault.get(PKCE_KEY)
    except NotFoundError:
        vault.put(PKCE_KEY, {"key": secrets.token_urlsafe(32)})
        value = vault.get(PKCE_KEY)
    return value["key"].encode()


def _hash(state: str) -> str:
    return hashlib.sha256(state.encode()).hexdigest()
