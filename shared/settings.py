"""Every setting of the product, read once from the environment.

Nothing is required to import the app; what a backend needs is checked when it is first used.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from shared.errors import PermanentError


class Settings(BaseModel):
    """The app's settings; each is the environment variable of the same name in capitals."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    database_url: str = ""
    """SQLAlchemy URL: `sqlite:///path` or `mssql+pyodbc://server/database`."""
    database_use_managed_identity: bool = False
    """Sign in at Azure SQL with an access token of `azure_client_id` instead of a password."""
    azure_client_id: str = ""
    """Client id of the user-assigned managed identity."""

    storage_connection_string: SecretStr = Field(SecretStr(""), alias="AzureWebJobsStorage")
    """Queue storage by connection string (local only)."""
    storage_queue_url: str = Field("", alias="AzureWebJobsStorage__queueServiceUri")
    """Queue storage by address and managed identity."""
    storage_api_version: str = ""
    """Pins the storage protocol; Azurite knows only older ones."""

    key_vault_url: str = ""
    local_vault_path: str = ""
    """The encrypted file used where there is no `key_vault_url`."""

    oidc_issuer: str = ""
    oidc_audience: str = ""
    oidc_admin_role: str = "integrator.admin"

    linkhub_api_url: str = ""
    linkhub_api_key: SecretStr = SecretStr("")
    linkhub_api_key_secret: str = ""
    """The vault name of LinkHub's API key, used where `linkhub_api_key` is empty."""

    warehouse_url: str = ""
    """The warehouse of instances that name none: a `sqlite:///path` of its own."""
    hubspot_base_url: str = "https://api.hubapi.com"
    hubspot_api_version: str = "2026-03"
    allow_private_hosts: bool = False
    work_dir: str = ""
    """A folder for downloads; the system's temporary one where empty."""

    lease_seconds: float = 180
    heartbeat_seconds: float = 30
    time_budget_seconds: float = 600
    record_error_limit: int = 1000
    log_records_cap: int = 1000
    redrive_delays: str = "300,900,2700,8100,24300"
    """Seconds before each re-drive of a job that ended in a poison queue with a transient error."""
    log_records_days: int = 90

    @property
    def redrive_seconds(self) -> tuple[float, ...]:
        """Return `redrive_delays` as numbers."""
        return tuple(float(part) for part in self.redrive_delays.split(",") if part.strip())

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None) -> Self:
        """Return the settings of `env`; raise PermanentError naming each that cannot be read."""
        env = os.environ if env is None else env
        values = {}
        for name, info in cls.model_fields.items():
            key = info.alias or name
            variable = info.alias or name.upper()
            if variable in env:
                values[key] = env[variable]
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            wrong = "; ".join(
                f"{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors(include_input=False)
            )
            message = f"These settings cannot be read: {wrong}."
            raise PermanentError(message) from None
