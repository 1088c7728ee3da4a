"""Taking a consent back at the provider when its tokens are thrown away."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from shared.domain.oauth import TokenSet, is_token_set
from shared.errors import IntegratorError, NotFoundError
from shared.ports.vault import Vault
from shared.services.deps import OpenUow
from shared.services.oauth_servers import OAuthServers

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInRevoker:
    """Revokes the refresh token a secret holds; called before the secret leaves the vault."""

    open_uow: OpenUow
    vault: Vault
    servers: OAuthServers

    def __call__(self, secret_ref: str) -> None:
        """Revoke, or leave a note in the log: nothing is raised, the secret goes in any case.

        A secret whose instance has signed in anew is not revoked: a provider may have given the
        new sign-in the same refresh token, and may end all of an account's at once.
        """
        try:
            values = self.vault.get(secret_ref)
            if not is_token_set(values):
                return
            tokens = TokenSet.from_secret(values)
            if not tokens.refresh_token or self._is_replaced(tokens.instance_id, secret_ref):
                return
            if self.servers.get(tokens.provider).revoke(tokens.refresh_token):
                _log.info("The sign-in of instance %s is revoked.", tokens.instance_id)
            else:
                _log.info("%s has nothing that revokes a sign-in.", tokens.provider)
        except NotFoundError:
            return
        except IntegratorError as error:
            _log.warning("A sign-in could not be revoked at its provider: %s", error)

    def _is_replaced(self, instance_id: str, secret_ref: str) -> bool:
        with self.open_uow(read_only=True) as uow:
            if uow.instances.get_state(instance_id).secret_ref in {"", secret_ref}:
                return False
            try:
                uow.instances.get(instance_id, profile_id=None)
            except NotFoundError:  # deleted: it uses nothing
                return False
        return True
