"""What a compiler would say of the Bicep files, as far as that can be known without one."""

from __future__ import annotations

import re

import pytest

from tests.infra_kit import INFRA, BicepFile, bicep_files, owners_of, words_of

_TYPES = {
    "Microsoft.Authorization/roleAssignments@2022-04-01",
    "Microsoft.Insights/components@2020-02-02",
    "Microsoft.KeyVault/vaults@2023-07-01",
    "Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31",
    "Microsoft.OperationalInsights/workspaces@2023-09-01",
    "Microsoft.Sql/servers/databases@2021-11-01",
    "Microsoft.Sql/servers/firewallRules@2021-11-01",
    "Microsoft.Sql/servers@2021-11-01",
    "Microsoft.Storage/storageAccounts/blobServices/containers@2023-05-01",
    "Microsoft.Storage/storageAccounts/blobServices@2023-05-01",
    "Microsoft.Storage/storageAccounts/queueServices/queues@2023-05-01",
    "Microsoft.Storage/storageAccounts/queueServices@2023-05-01",
    "Microsoft.Storage/storageAccounts@2023-05-01",
    "Microsoft.Web/serverfarms@2024-04-01",
    "Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-04-01",
    "Microsoft.Web/sites/config@2024-04-01",
    "Microsoft.Web/sites@2024-04-01",
}
"""Types and versions looked up in Microsoft's resource reference; a new one is looked up first."""

_FILES = sorted(path.relative_to(INFRA).as_posix() for path in INFRA.rglob("*.bicep"))


@pytest.fixture(params=_FILES)
def file(request: pytest.FixtureRequest) -> BicepFile:
    """Return each Bicep file in turn, parsed."""
    return bicep_files()[request.param]


def test_types_and_versions_are_known(file: BicepFile) -> None:
    """A resource type or API version that nobody looked up is a typing mistake until proven."""
    found = {
        f"{resource['type']}@{resource['api_version']}"
        for resource in file.part("resources").values()
    }
    assert found <= _TYPES


def test_allow_list_has_no_leftovers() -> None:
    """The list of types names only what is used."""
    found = {
        f"{resource['type']}@{resource['api_version']}"
        for file in bicep_files().values()
        for resource in file.part("resources").values()
    }
    assert found == _TYPES


def test_everything_declared_is_used(file: BicepFile) -> None:
    """No parameter or variable is left over."""
    parts = ("resources", "modules", "variables", "outputs")
    used = {word for part in parts for word in words_of(file.part(part))}
    defaults = {
        word
        for param in file.part("parameters").values()
        for word in words_of(param.get("default"))
    }
    declared = {*file.part("parameters"), *file.part("variables")}
    assert declared <= used | defaults


def test_every_parameter_of_main_is_described() -> None:
    """Who deploys sees what each parameter is for."""
    for name, param in bicep_files()["main.bicep"].part("parameters").items():
        kinds = [decorator["type"] for decorator in param["decorators"]]
        assert "description" in kinds, name


def test_modules_get_exactly_their_parameters() -> None:
    """Each module exists, gets every parameter it needs, and none it does not know."""
    for name, module in bicep_files()["main.bicep"].part("modules").items():
        called = bicep_files()[module["detail"]["path"]]
        given, known = set(module["config"]["params"]), called.part("parameters")
        needed = {param for param, spec in known.items() if spec["default"] is None}
        assert needed <= given <= set(known), name


def test_every_module_is_called() -> None:
    """No file lies about unused."""
    called = {
        module["detail"]["path"] for module in bicep_files()["main.bicep"].part("modules").values()
    }
    assert called | {"main.bicep"} == set(bicep_files())


def test_outputs_that_are_read_exist() -> None:
    """What is read of a module is one of its outputs, and no module's output is left over."""
    main = bicep_files()["main.bicep"]
    read = set(re.findall(r"(\w+)\.outputs\.(\w+)", main.text))
    offered = {
        (name, output)
        for name, module in main.part("modules").items()
        for output in bicep_files()[module["detail"]["path"]].part("outputs")
    }
    assert read == offered


def test_symbols_have_one_meaning(file: BicepFile) -> None:
    """A name is declared once; Bicep has one name space for all but outputs."""
    declared = [
        name
        for part in ("parameters", "variables", "resources", "modules")
        for name in file.part(part)
    ]
    assert len(declared) == len(set(declared))


def test_members_are_read_of_declared_things(file: BicepFile) -> None:
    """Whatever stands before a dot is declared in the file."""
    declared = {
        name
        for part in ("parameters", "variables", "resources", "modules")
        for name in file.part(part)
    }
    assert set(owners_of(file.parsed)) <= declared


def test_example_parameters_fit() -> None:
    """The example names only parameters that exist, and every one that must be given."""
    text = (INFRA / "main.bicepparam").read_text(encoding="utf-8")
    given = set(re.findall(r"(?m)^param (\w+) =", text))
    known = bicep_files()["main.bicep"].part("parameters")
    needed = {name for name, param in known.items() if param["default"] is None}
    assert re.search(r"(?m)^using 'main\.bicep'$", text)
    assert needed <= given <= set(known)


def test_names_fit_their_limits() -> None:
    """The longest name a person may give leaves every resource name within its limit."""
    longest = next(
        decorator["argument"]
        for decorator in bicep_files()["main.bicep"].part("parameters")["name"]["decorators"]
        if decorator["type"] == "max_length"
    )
    unique_string = 13
    assert len("func--") + longest + unique_string <= 32  # the host id is cut there
