"""The app's own backends: SQL, queue, vault, callers' tokens and mail."""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from shared.domain.times import utc_now
from shared.errors import PermanentError

if TYPE_CHECKING:
    from shared.ports.mailer import Mailer
    from shared.ports.queue import JobQueue
    from shared.ports.tokens import TokenVerifier
    from shared.ports.vault import Vault
    from shared.settings import Settings
    from shared.store.database import Database
    from shared.store.unit_of_work import UnitOfWork

_log = logging.getLogger(__name__)


class Backends:
    """What the product stands on, each part made when it is first asked for."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.now = utc_now

    @cached_property
    def database(self) -> Database:
        """The app's SQL database."""
        from shared.store.database import Database

        token = None
        if self.settings.database_use_managed_identity:
            from shared.backends.azure_identity import sql_access_token

            token = sql_access_token(self.settings.azure_client_id)
        url = needed(self.settings.database_url, "DATABASE_URL")
        return Database(url, access_token=token)

    def open_uow(self, *, read_only: bool = False) -> AbstractContextManager[UnitOfWork]:
        """Return a new unit of work."""
        return self.database.open_uow(read_only=read_only)

    @cached_property
    def queue(self) -> JobQueue:
        """The queue of jobs."""
        from shared.backends.storage_queue import StorageJobQueue

        return StorageJobQueue(
            connection_string=self.settings.storage_connection_string,
            account_url=self.settings.storage_queue_url,
            client_id=self.settings.azure_client_id,
            api_version=self.settings.storage_api_version,
        )

    @cached_property
    def vault(self) -> Vault:
        """Key Vault where there is one, else the encrypted file."""
        if self.settings.key_vault_url:
            from shared.backends.key_vault import KeyVault

            return KeyVault(self.settings.key_vault_url, client_id=self.settings.azure_client_id)
        from shared.backends.local_vault import LocalVault

        path = needed(self.settings.local_vault_path, "KEY_VAULT_URL or LOCAL_VAULT_PATH")
        return LocalVault(Path(path))

    @cached_property
    def verifier(self) -> TokenVerifier:
        """Who checks callers' tokens."""
        from shared.backends.oidc import OidcTokenVerifier

        return OidcTokenVerifier(
            issuer=needed(self.settings.oidc_issuer, "OIDC_ISSUER"),
            audience=needed(self.settings.oidc_audience, "OIDC_AUDIENCE"),
            admin_role=self.settings.oidc_admin_role,
        )

    @cached_property
    def mailer(self) -> Mailer | None:
        """Who delivers mails; None, which the log tells once, where SMTP is not set up."""
        settings = self.settings
        if not settings.smtp_host:
            _log.warning("SMTP_HOST is not set: mails stay in the outbox.")
            return None
        from shared.backends.smtp_mailer import SmtpMailer

        return SmtpMailer(
            host=settings.smtp_host,
            port=settings.smtp_port,
            sender=needed(settings.smtp_from, "SMTP_FROM"),
            user=settings.smtp_user,
            password=self._smtp_password() if settings.smtp_user else "",
            starttls=settings.smtp_starttls,
        )

    def _smtp_password(self) -> str:
        if self.settings.smtp_password:
            return self.settings.smtp_password
        name = needed(self.settings.smtp_password_secret, "SMTP_PASSWORD_SECRET")
        return self.vault.get(name)["password"]

    def ping_database(self) -> None:
        """Return if SQL answers; anything raised, a missing setting too, means it does not."""
        self.database.ping()

    def ping_queue(self) -> None:
        """Return if the queue service answers."""
        self.queue.ping()

    def ping_vault(self) -> None:
        """Return if the vault answers."""
        self.vault.ping()


def needed(value: str, name: str) -> str:
    """Return a setting's value; raise PermanentError where it is missing."""
    if not value:
        raise PermanentError(f"The setting {name} is missing: the app cannot do this without it.")
    return value
