"""The settings a deployment sets are the settings the code reads."""

from __future__ import annotations

import json
from typing import Any

from shared.settings import Settings
from tests.infra_kit import ROOT, resources_of

_PLATFORM = {
    "AzureWebJobsStorage__blobServiceUri",
    "AzureWebJobsStorage__tableServiceUri",
    "AzureWebJobsStorage__credential",
    "AzureWebJobsStorage__clientId",
    "APPLICATIONINSIGHTS_CONNECTION_STRING",
    "APPLICATIONINSIGHTS_AUTHENTICATION_STRING",
    "PYTHON_THREADPOOL_THREAD_COUNT",
}
"""Read by the Functions host or its Python worker, not by our code."""

_FORBIDDEN_ON_FLEX = {
    "FUNCTIONS_EXTENSION_VERSION",
    "FUNCTIONS_WORKER_RUNTIME",
    "SCM_DO_BUILD_DURING_DEPLOYMENT",
    "WEBSITE_RUN_FROM_PACKAGE",
    "WEBSITE_TIME_ZONE",
}
"""Settings that Flex Consumption replaced or refuses."""

_LOCAL_ONLY = {
    "AzureWebJobsStorage",
    "STORAGE_API_VERSION",
    "LOCAL_VAULT_PATH",
    "LINKHUB_API_KEY",
    "ALLOW_PRIVATE_HOSTS",
    "SMTP_PASSWORD",
    "HUBSPOT_CLIENT_SECRET",
    "ENTRA_CLIENT_SECRET",
    "WAREHOUSE_URL",
    "WORK_DIR",
}
"""What only a development machine sets."""

_DEFAULT_FITS = {
    "HUBSPOT_BASE_URL",
    "HUBSPOT_API_VERSION",
    "HUBSPOT_APP_URL",
    "HUBSPOT_CLIENT_SECRET_NAME",
    "ENTRA_AUTHORITY_URL",
    "ENTRA_TENANT",
    "ENTRA_CLIENT_SECRET_NAME",
    "POWERBI_BASE_URL",
    "GRAPH_BASE_URL",
    "WRITES_PER_MINUTE",
    "WRITES_BURST",
    "READS_PER_MINUTE",
    "READS_BURST",
    "LEASE_SECONDS",
    "HEARTBEAT_SECONDS",
    "TIME_BUDGET_SECONDS",
    "RECORD_ERROR_LIMIT",
    "LOG_RECORDS_CAP",
    "LOG_RECORDS_DAYS",
    "REDRIVE_DELAYS",
    "SMTP_STARTTLS",
}
"""Whose default is right in Azure; an operator may still set them."""


def names_read() -> set[str]:
    """Return the name of every variable the code reads."""
    return set(Settings.variables().values())


def settings_made() -> dict[str, Any]:
    """Return the app settings a deployment sets."""
    (config,) = resources_of("Microsoft.Web/sites/config")
    assert config["name"] == "appsettings"
    made: dict[str, Any] = config["properties"]
    return made


def test_every_setting_made_is_read() -> None:
    """A setting that neither the code nor the platform reads is a typing mistake or left over."""
    assert set(settings_made()) - _PLATFORM <= names_read()


def test_every_setting_read_is_made() -> None:
    """A setting the code reads is made, or stands in a list here that says why it is not."""
    assert names_read() - set(settings_made()) == _LOCAL_ONLY | _DEFAULT_FITS


def test_platform_settings_are_all_made() -> None:
    """What the host needs to reach its storage and its logs by identity is there."""
    assert set(settings_made()) >= _PLATFORM


def test_settings_refused_by_the_plan_are_not_made() -> None:
    """Flex Consumption takes its runtime from functionAppConfig."""
    assert not set(settings_made()) & _FORBIDDEN_ON_FLEX


def test_deployed_settings_can_be_read() -> None:
    """The code accepts the kind of text each of them holds."""
    env = {name: value for name, value in settings_made().items() if isinstance(value, str)}
    read = Settings.from_env(env)
    assert read.database_use_managed_identity is True
    assert read.storage_connection_string == ""


def test_local_example_names_only_known_settings() -> None:
    """The example for a development machine has nothing that nobody reads, and no secret."""
    example = json.loads((ROOT / "local.settings.example.json").read_text(encoding="utf-8"))
    values = example["Values"]
    assert set(values) - {"FUNCTIONS_WORKER_RUNTIME"} <= names_read()
    assert example["IsEncrypted"] is False
    assert Settings.from_env(values).storage_connection_string
