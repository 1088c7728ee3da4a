from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from local.vault_emulator.server import RunningVault, running_vault
from shared.backends.key_vault import KeyVault
from shared.errors import PermanentError, TransientError
from tests.vault_kit import FakeCredential, key_vault


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningVault]:
    with running_vault(tmp_path_factory.mktemp("vault")) as running:
        yield running


def test_throttling_is_transient_with_its_delay(emulator: RunningVault) -> None:
    """A 429 comes back at once with the vault's own wish, so that the caller decides to wait."""
    emulator.state.throttled = 1
    before = emulator.state.calls
    with pytest.raises(TransientError, match="throttling") as caught:
        key_vault(emulator).put("throttled", {"k": "v"})
    assert caught.value.retry_after == 7
    assert emulator.state.calls == before + 1


def test_outage_is_transient(emulator: RunningVault) -> None:
    """A 503 is transient, and the vault works again afterwards."""
    vault = key_vault(emulator)
    emulator.state.broken = 1
    with pytest.raises(TransientError, match="503"):
        vault.ping()
    vault.ping()


def test_unreachable_vault_is_transient(tmp_path: Path) -> None:
    """A vault that is not there is transient, not a crash."""
    with running_vault(tmp_path) as gone:
        vault = KeyVault(
            gone.url,
            credential=lambda _client_id: FakeCredential(),
            client_options={"verify_challenge_resource": False, "retry_total": 0},
        )
    with pytest.raises(TransientError, match="cannot be reached"):
        vault.get("a")


def test_unknown_certificate_is_refused(emulator: RunningVault) -> None:
    """A server that nobody vouches for gets no token."""
    vault = KeyVault(
        emulator.url,
        credential=lambda _client_id: FakeCredential(),
        client_options={"verify_challenge_resource": False, "retry_total": 0},
    )
    with pytest.raises(TransientError, match="cannot be reached"):
        vault.get("a")


def test_foreign_challenge_is_refused(emulator: RunningVault) -> None:
    """Without the emulator's exception the client sends its token only to a real vault."""
    vault = KeyVault(
        emulator.url,
        credential=lambda _client_id: FakeCredential(),
        client_options={"connection_verify": str(emulator.certificate)},
    )
    with pytest.raises(PermanentError, match="KEY_VAULT_URL"):
        vault.get("a")


def test_address_must_be_https() -> None:
    """A vault without TLS is a wrong setting and is named as one."""
    with pytest.raises(PermanentError, match="KEY_VAULT_URL"):
        KeyVault("http://vault.example").ping()


@pytest.mark.parametrize("text", ["plain", "[1]", '{"k": 1}'])
def test_value_of_a_foreign_form_is_named(emulator: RunningVault, text: str) -> None:
    """A secret that an operator stored in another form is reported by name, without its value."""
    emulator.state.put("foreign", {"value": text})
    with pytest.raises(PermanentError, match="'foreign' is not a JSON object") as caught:
        key_vault(emulator).get("foreign")
    assert "plain" not in str(caught.value)


def test_disabled_secret_tells_what_to_look_at(emulator: RunningVault) -> None:
    """A refusal names the role and the other reasons there can be."""
    made = emulator.state.put("disabled", {"value": "{}"})
    emulator.state.update("disabled", made["id"].rsplit("/", 1)[1], {"attributes": {"enabled": 0}})
    with pytest.raises(TransientError, match="Secrets Officer"):
        key_vault(emulator).get("disabled")


def test_old_versions_stay(emulator: RunningVault) -> None:
    """A new version leaves the older ones in place, marked with their content type."""
    vault = key_vault(emulator)
    vault.put("versions", {"k": "1"})
    vault.put("versions", {"k": "2"})
    versions = emulator.state.versions("versions")
    assert [version["contentType"] for version in versions] == ["application/json"] * 2


def test_recovered_secret_is_back(emulator: RunningVault) -> None:
    """What an operator recovers in Azure within the retention is readable again."""
    vault = key_vault(emulator)
    vault.put("mistake", {"k": "1"})
    vault.delete("mistake")
    emulator.state.recover("mistake")
    assert vault.get("mistake") == {"k": "1"}
