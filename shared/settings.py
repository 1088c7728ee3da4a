"""Every setting of the product, read once from the environment.

Nothing is required to import the app; what a backend needs is checked when it is first used. A
dataclass, not a pydantic model: an answer that needs no input must not wait for pydantic to load.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from math import isfinite
from typing import Any, Final, Self

from shared.domain.platform_options import PREFIXES
from shared.errors import PermanentError

_PROVIDERS: Final = "providers"


def _as(variable: str, default: Any = "") -> Any:
    """Return the field of a setting whose variable is not its name in capitals."""
    return field(default=default, repr=False, metadata={"variable": variable})


def _secret() -> Any:
    """Return the field of a text that no `repr` shows."""
    return field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The app's settings; each is the environment variable of the same name in capitals.

    The type of a default says how its variable is read. `providers` alone is many variables.
    """

    database_url: str = _secret()
    """SQLAlchemy URL: `sqlite:///path` or `mssql+pyodbc://server/database`."""
    database_use_managed_identity: bool = False
    """Sign in at Azure SQL with an access token of `azure_client_id` instead of a password."""
    azure_client_id: str = ""
    """Client id of the user-assigned managed identity."""

    storage_connection_string: str = _as("AzureWebJobsStorage")
    """Queue storage by connection string (local only)."""
    storage_queue_url: str = _as("AzureWebJobsStorage__queueServiceUri")
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
    linkhub_api_key: str = _secret()
    linkhub_api_key_secret: str = ""
    """The vault name of LinkHub's API key, used where `linkhub_api_key` is empty."""

    warehouse_url: str = _secret()
    """The warehouse of instances that name none: a `sqlite:///path` of its own."""
    warehouse_networks: str = ""
    """Private networks in which warehouses may be all the same, such as `10.20.0.0/16`."""
    public_url: str = ""
    """Where providers reach this app; sign-ins come back to `<public_url>/oauth/callback/…`."""
    allow_private_hosts: bool = False
    work_dir: str = ""
    """A folder for downloads; the system's temporary one where empty."""

    smtp_host: str = ""
    """The mail server. Without one, mails stay in the outbox."""
    smtp_port: int = 587
    """465 means TLS from the first byte, any other port STARTTLS."""
    smtp_user: str = ""
    smtp_password: str = _secret()
    smtp_password_secret: str = ""
    """The vault name of `smtp_user`'s password, used where `smtp_password` is empty."""
    smtp_from: str = ""
    """The sender, such as `LinkHub Integrator <integrator@example.com>`."""
    smtp_starttls: bool = True
    """False sends mails in clear, which no password may cross but on loopback."""
    dashboard_url: str = ""
    """Where people see the dashboard; mails link to it, sign-ins end there."""

    writes_per_minute: float = 60.0
    """How many requests that change something a caller may make, and how many of them at once."""
    writes_burst: int = 10
    reads_per_minute: float = 600.0
    """The same for requests that only read."""
    reads_burst: int = 100

    lease_seconds: float = 180.0
    heartbeat_seconds: float = 30.0
    time_budget_seconds: float = 600.0
    record_error_limit: int = 1000
    log_records_cap: int = 1000
    redrive_seconds: tuple[float, ...] = _as(
        "REDRIVE_DELAYS", (300.0, 900.0, 2700.0, 8100.0, 24300.0)
    )
    """Seconds before each re-drive of a job that ended in a poison queue with a transient error."""
    log_records_days: int = 90

    providers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Every variable that begins as those of providers and sign-ins do, as it stands: what they
    mean is declared by the providers (`shared/domain/platform_options.py`)."""

    @classmethod
    def variables(cls) -> Mapping[str, str]:
        """Return the environment variable of every setting, by the setting's name."""
        return {
            one.name: one.metadata.get("variable", one.name.upper())
            for one in fields(cls)
            if one.name != _PROVIDERS
        }

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None) -> Self:
        """Return the settings of `env`; raise PermanentError naming each that cannot be read.

        A variable that is empty counts as absent.
        """
        env = os.environ if env is None else env
        values: dict[str, Any] = {
            _PROVIDERS: {name: text for name, text in env.items() if name.startswith(PREFIXES)}
        }
        wrong = []
        variables = cls.variables()
        for one in fields(cls):
            if one.name == _PROVIDERS:
                continue
            variable = variables[one.name]
            text = env.get(variable, "").strip()
            if not text:
                continue
            try:
                values[one.name] = _READERS[type(one.default)](text)
            except ValueError as error:
                wrong.append(f"{variable}: {error}")
        if wrong:
            raise PermanentError(f"These settings cannot be read: {'; '.join(wrong)}.")
        return cls(**values)


def _flag(text: str) -> bool:
    if text.lower() in {"true", "1", "yes", "on"}:
        return True
    if text.lower() in {"false", "0", "no", "off"}:
        return False
    raise ValueError("write true or false")


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError("write a whole number") from None


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not isfinite(number):
        raise ValueError("write a number")
    return number


def _numbers(text: str) -> tuple[float, ...]:
    return tuple(_number(part) for part in text.split(",") if part.strip())


# A wrong text is never repeated in the error: it may be a secret in the wrong place.
_READERS: Final[Mapping[type, Callable[[str], Any]]] = {
    str: str,
    bool: _flag,
    int: _whole,
    float: _number,
    tuple: _numbers,
}
