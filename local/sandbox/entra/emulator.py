"""Entra's place in the sandbox."""

from __future__ import annotations

import secrets
import uuid

from local.sandbox.emulators import Built, Emulator, Premises
from local.sandbox.entra.app import Entra
from local.sandbox.entra.consent import PROVIDER
from local.sandbox.entra.errors import error_body
from local.sandbox.entra.settings import EntraSettings
from local.sandbox.oauth.clients import Client


def _build(premises: Premises) -> Built:
    url, kept = premises.url, premises.secrets
    client = Client(
        id=kept.get("entra_client_id", lambda: str(uuid.uuid4())),
        secret=kept.get("entra_client_secret", lambda: secrets.token_urlsafe(30)),
    )
    settings = EntraSettings(redirect_uris=list(premises.options.redirect_uris))
    entra = Entra(
        url=url,
        state_dir=premises.options.state_dir,
        client=client,
        settings=settings,
        faults=premises.faults,
    )

    def entry() -> dict[str, object]:
        return {
            "oauth": {
                "clientId": client.id,
                "clientSecret": client.secret,
                "authorizeUrl": f"{url}/organizations/oauth2/v2.0/authorize",
                "tokenUrl": f"{url}/organizations/oauth2/v2.0/token",
                "redirectUris": settings.redirect_uris,
            },
            "settings": {
                "SIGN_IN_ENTRA_AUTHORITY_URL": url,
                "SIGN_IN_ENTRA_CLIENT_ID": client.id,
                "SIGN_IN_ENTRA_CLIENT_SECRET": client.secret,
            },
        }

    return Built(app=entra.app(), error_body=error_body, entry=entry, shared=entra)


EMULATOR = Emulator(name=PROVIDER, build=_build)
