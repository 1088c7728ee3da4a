"""What the deployment promises: no secret travels, every door needs an identity."""

from __future__ import annotations

import json
import re

import pytest

from shared.domain.messages import POISON_SUFFIX, QUEUES
from tests.infra_kit import ROOT, bicep_files, resources_of, words_of

_ROLES = {
    "storageBlobDataOwner": "b7e6dc6d-f1e8-4753-8033-0f276bb0955b",
    "storageQueueDataContributor": "974c5e8b-45b9-4653-ba55-5f855dd0fb88",
    "storageTableDataContributor": "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3",
    "keyVaultSecretsOfficer": "b86a8fe4-44ce-4948-aee5-eccb2c155cd7",
    "monitoringMetricsPublisher": "3913510d-42f4-4e42-8a64-420c390055eb",
}
"""Azure's built-in roles, from its list of them."""


@pytest.mark.parametrize("name", sorted(bicep_files()))
def test_no_key_is_asked_for(name: str) -> None:
    """No file reads an account key, a listed secret or a secure parameter."""
    found = re.findall(
        r"(?i)list(?:keys|accountsas|connectionstrings|secrets?)?\(|getSecret|AccountKey|"
        r"@secure|password\s*:|sharedAccessSignature|InstrumentationKey",
        bicep_files()[name].text,
    )
    assert found == []


def test_outputs_hold_no_secret() -> None:
    """Outputs stay readable in the deployment's history: they are names and addresses only."""
    for file in bicep_files().values():
        for name, output in file.part("outputs").items():
            words = {word.lower() for word in words_of(output["value"])}
            assert not words & {"connectionstring", "keys", "primarykey", "secret"}, name
            assert output["type"] == "string"


def test_parameters_hold_no_secret() -> None:
    """No parameter is a secret; those that speak of one are its name in the vault."""
    named = [
        name
        for file in bicep_files().values()
        for name in file.part("parameters")
        if re.search(r"(?i)secret|password|token|apikey", name)
    ]
    assert set(named) == {"linkhubApiKeySecret", "smtpPasswordSecret"}


def test_roles_are_the_known_ones() -> None:
    """Each role is one of Azure's, by its published id, and each is assigned."""
    roles = bicep_files()["modules/roles.bicep"].part("variables")
    assert {name: role["value"] for name, role in roles.items()} == _ROLES
    assigned = [
        assignment["properties"]["roleDefinitionId"]["function"]["parameters"]["resource_name_1"]
        for assignment in resources_of("Microsoft.Authorization/roleAssignments")
    ]
    assert sorted(assigned) == sorted(_ROLES)


def test_role_assignments_are_repeatable() -> None:
    """A name made of scope, principal and role makes a second deployment change nothing."""
    for assignment in resources_of("Microsoft.Authorization/roleAssignments"):
        name, properties = assignment["name"]["function"], assignment["properties"]
        assert name["type"] == "guid"
        words = set(words_of(name["parameters"]))
        role = properties["roleDefinitionId"]["function"]["parameters"]["resource_name_1"]
        assert {assignment["scope"], "principalId", role} <= words
        assert properties["principalType"] == "ServicePrincipal"


def test_queues_are_those_of_the_code() -> None:
    """The queues made are the ones the app sends to and reads, with their poison twins."""
    made = bicep_files()["modules/storage.bicep"].part("variables")["queueNames"]["value"]
    assert sorted(made) == sorted([*QUEUES, *(f"{name}{POISON_SUFFIX}" for name in QUEUES)])


def test_storage_takes_no_keys() -> None:
    """Storage is reached by identity over TLS, and nothing in it is public."""
    (account,) = resources_of("Microsoft.Storage/storageAccounts")
    assert account["properties"] == {
        "allowSharedKeyAccess": False,
        "allowBlobPublicAccess": False,
        "defaultToOAuthAuthentication": True,
        "minimumTlsVersion": "TLS1_2",
        "supportsHttpsTrafficOnly": True,
    }
    (container,) = resources_of("Microsoft.Storage/storageAccounts/blobServices/containers")
    assert container["properties"] == {"publicAccess": "None"}


def test_vault_is_recoverable_and_by_role() -> None:
    """Secrets are read by role only; nobody, an owner included, can purge them early."""
    (vault,) = resources_of("Microsoft.KeyVault/vaults")
    properties = vault["properties"]
    assert properties["enableRbacAuthorization"] is True
    assert properties["enableSoftDelete"] is True
    assert properties["enablePurgeProtection"] is True
    assert properties["softDeleteRetentionInDays"] == 90


def test_sql_has_no_password() -> None:
    """The SQL server knows Entra identities only, and the database URL carries no sign-in."""
    (server,) = resources_of("Microsoft.Sql/servers")
    assert server["properties"]["administrators"]["azureADOnlyAuthentication"] is True
    assert "administratorLogin" not in server["properties"]
    url = bicep_files()["modules/sql.bicep"].part("outputs")["databaseUrl"]["value"]
    assert url.startswith("mssql+pyodbc://@${")


def test_app_is_reached_by_tls_and_identity() -> None:
    """HTTPS only, no publishing password, and the deployment is read by the same identity."""
    (app,) = resources_of("Microsoft.Web/sites")
    assert app["properties"]["httpsOnly"] is True
    assert app["identity"]["type"] == "UserAssigned"
    storage = app["properties"]["functionAppConfig"]["deployment"]["storage"]
    assert storage["authentication"]["type"] == "UserAssignedIdentity"
    policies = resources_of("Microsoft.Web/sites/basicPublishingCredentialsPolicies")
    assert {policy["name"]: policy["properties"]["allow"] for policy in policies} == {
        "scm": False,
        "ftp": False,
    }


def test_plan_is_flex_consumption() -> None:
    """The plan is FC1, Linux, with one of the Python versions the code is kept clean for."""
    (plan,) = resources_of("Microsoft.Web/serverfarms")
    assert plan["sku"] == {"name": "FC1", "tier": "FlexConsumption"}
    assert plan["properties"] == {"reserved": True}
    version = bicep_files()["main.bicep"].part("parameters")["pythonVersion"]
    allowed = {item["type"]: item["argument"] for item in version["decorators"]}["allowed"]
    assert allowed == ["3.11", "3.12", "3.13"]
    assert version["default"] in allowed


def test_threads_suffice_for_the_queue() -> None:
    """A worker never has fewer threads than jobs the host gives it at a time."""
    host = json.loads((ROOT / "host.json").read_text(encoding="utf-8"))
    queues = host["extensions"]["queues"]
    param = bicep_files()["main.bicep"].part("parameters")["concurrency"]
    lowest = {item["type"]: item["argument"] for item in param["decorators"]}["min_value"]
    assert lowest >= queues["batchSize"] + queues["newBatchThreshold"]
