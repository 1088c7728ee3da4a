"""The settings a deployment sets are the settings the code reads."""

from __future__ import annotations

import json
import re
from typing import Any

from adapters import all_providers
from shared.services.platform import PlatformSettings
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
    "WAREHOUSE_URL",
}
"""What only a development machine sets."""

_DEFAULT_FITS = {
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
    union = config["properties"]["function"]
    assert union["type"] == "union"
    parts: dict[str, Any] = union["parameters"]
    assert parts["arg_1"] == "providerSettings"  # the fixed ones, which come later, win
    made: dict[str, Any] = parts["arg_2"]
    return made


def providers_example() -> dict[str, str]:
    """Return the settings of providers in the example of a deployment."""
    text = (ROOT / "infra" / "main.bicepparam").read_text(encoding="utf-8")
    (block,) = re.findall(r"(?s)param providerSettings = \{\n(.*?)\n\}", text)
    return dict(re.findall(r"(\w+): '(.*)'", block))


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
    read = Settings.from_env(values)
    assert set(values) - {"FUNCTIONS_WORKER_RUNTIME", *read.providers} <= names_read()
    assert read.providers
    PlatformSettings.read(all_providers(), read.providers, allow_private_hosts=True)
    assert example["IsEncrypted"] is False
    assert read.storage_connection_string


def test_the_example_of_a_deployment_knows_the_providers() -> None:
    """What it sets of providers are settings they declare, and every registration is there."""
    example = providers_example()
    read = PlatformSettings.read(all_providers(), example, allow_private_hosts=False)
    assert {client.variable for client in read.clients.values()} == set(example)
