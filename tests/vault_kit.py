"""Vaults for tests: the embedded one in a folder, Key Vault's client before an emulator."""

from __future__ import annotations

import time
from pathlib import Path

from azure.core.credentials import AccessToken

from local.vault_emulator.server import RunningVault
from shared.backends.key_vault import KeyVault


class FakeCredential:
    """Gives a token that the emulator takes."""

    def get_token(self, *scopes: str, **options: object) -> AccessToken:
        return AccessToken("development", int(time.time()) + 3600)


def key_vault(emulator: RunningVault) -> KeyVault:
    """Return the product's Key Vault backend, pointed at the emulator."""
    return KeyVault(
        emulator.url,
        credential=lambda _client_id: FakeCredential(),
        client_options={
            "connection_verify": str(emulator.certificate),
            "verify_challenge_resource": False,
        },
    )


def files_of(folder: Path) -> dict[str, bytes]:
    """Return the bytes of every file of a folder by name."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}
