"""What every vault must do; the embedded one and Key Vault's run the same tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from local.vault_emulator.server import RunningVault, running_vault
from shared.backends.local_vault import LocalVault
from shared.backends.vault_rules import LARGEST_VALUE
from shared.errors import ConflictError, IntegratorError, InvalidInputError, NotFoundError
from shared.ports.vault import Vault
from tests.vault_kit import key_vault


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningVault]:
    with running_vault(tmp_path_factory.mktemp("vault")) as running:
        yield running


@pytest.fixture(params=["local", "key-vault"])
def vault(request: pytest.FixtureRequest, tmp_path: Path) -> Vault:
    if request.param == "local":
        return LocalVault(tmp_path / "vault.bin")
    emulator: RunningVault = request.getfixturevalue("emulator")
    emulator.state.live.clear()
    emulator.state.deleted.clear()
    return key_vault(emulator)


def test_value_comes_back(vault: Vault) -> None:
    """What was put is what is got, text of any script included."""
    value = {"api_key": "pat-na1-äöü-日本-🙂", "empty": ""}
    vault.put("instance-1", value)
    assert vault.get("instance-1") == value


def test_newest_version_wins(vault: Vault) -> None:
    """A second put replaces the first."""
    vault.put("instance-1", {"refresh_token": "old"})
    vault.put("instance-1", {"refresh_token": "new"})
    assert vault.get("instance-1") == {"refresh_token": "new"}


def test_secrets_are_apart(vault: Vault) -> None:
    """Each name has its own value, and deleting one leaves the others."""
    vault.put("a", {"k": "1"})
    vault.put("b", {"k": "2"})
    vault.delete("a")
    assert vault.get("b") == {"k": "2"}


def test_names_have_no_case(vault: Vault) -> None:
    """A name in other letters' case is the same secret, as Key Vault has it."""
    vault.put("Instance-A", {"k": "1"})
    assert vault.get("instance-a") == {"k": "1"}


def test_missing_name_is_not_found(vault: Vault) -> None:
    """A name that was never put has no value, and the error names it."""
    with pytest.raises(NotFoundError, match="never-put"):
        vault.get("never-put")


def test_deleted_secret_is_gone_for_good(vault: Vault) -> None:
    """After a delete there is no value, and the name is refused from then on."""
    vault.put("gone", {"k": "1"})
    vault.delete("gone")
    with pytest.raises(NotFoundError):
        vault.get("gone")
    with pytest.raises(ConflictError, match="was deleted"):
        vault.put("gone", {"k": "2"})


def test_delete_is_idempotent(vault: Vault) -> None:
    """Deleting twice, or what never was, is fine and does not take the name."""
    vault.put("twice", {"k": "1"})
    vault.delete("twice")
    vault.delete("twice")
    vault.delete("never-was")
    vault.put("never-was", {"k": "1"})
    assert vault.get("never-was") == {"k": "1"}


@pytest.mark.parametrize("name", ["", "a_b", "a/b", "../up", "a b", "ä", "x" * 128, "a\n"])
def test_bad_names_are_refused(vault: Vault, name: str) -> None:
    """A name outside letters, digits and dashes is refused by each call."""
    for call in (lambda: vault.get(name), lambda: vault.put(name, {}), lambda: vault.delete(name)):
        with pytest.raises(InvalidInputError, match="letters, digits and dashes"):
            call()


def test_longest_name_is_fine(vault: Vault) -> None:
    """127 characters are allowed."""
    vault.put("x" * 127, {"k": "1"})
    assert vault.get("x" * 127) == {"k": "1"}


def test_size_limit_counts_bytes(vault: Vault) -> None:
    """25,000 bytes as JSON pass, one more does not, and the old value stays."""
    overhead = len('{"k":""}')
    largest = "ä" * ((LARGEST_VALUE - overhead) // 2)
    vault.put("large", {"k": largest})
    with pytest.raises(InvalidInputError, match="25,000 bytes"):
        vault.put("large", {"k": largest + "x"})
    assert vault.get("large") == {"k": largest}


def test_only_strings_are_values(vault: Vault) -> None:
    """A number among the values is refused before anything is stored."""
    with pytest.raises(InvalidInputError, match="all strings"):
        vault.put("typed", {"k": 1})  # type: ignore[dict-item]
    with pytest.raises(NotFoundError):
        vault.get("typed")


def test_errors_hold_no_secret(vault: Vault) -> None:
    """No error about a value repeats it."""
    secret = "canary-5f1c"
    vault.put("used", {"k": secret})
    vault.delete("used")
    for value in ({"k": secret}, {"k": secret * LARGEST_VALUE}, {"k": secret + "\ud800"}):
        with pytest.raises(IntegratorError) as caught:
            vault.put("used", value)
        assert secret not in str(caught.value)


def test_ping_of_a_working_vault(vault: Vault) -> None:
    """A vault that answers says so, even an empty one, and nothing is left behind by asking."""
    vault.ping()
    with pytest.raises(NotFoundError):
        vault.get("linkhub-integrator-ping")
