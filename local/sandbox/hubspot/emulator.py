"""HubSpot's place in the sandbox."""

from __future__ import annotations

import uuid

from local.sandbox.emulators import Built, Emulator, Premises
from local.sandbox.hubspot.app import PROVIDER, hubspot_app
from local.sandbox.hubspot.errors import error_body
from local.sandbox.oauth.clients import Client
from local.sandbox.oauth.settings import Settings


def _build(premises: Premises) -> Built:
    url, options, secrets = premises.url, premises.options, premises.secrets
    token = secrets.get("hubspot_token", lambda: f"pat-na1-{uuid.uuid4()}")
    client = Client(
        id=secrets.get("hubspot_client_id", lambda: str(uuid.uuid4())),
        secret=secrets.get("hubspot_client_secret", lambda: str(uuid.uuid4())),
    )
    oauth = Settings(redirect_uris=list(options.redirect_uris))

    def entry() -> dict[str, object]:
        return {
            "token": token,
            "oauth": {
                "clientId": client.id,
                "clientSecret": client.secret,
                "authorizeUrl": f"{url}/oauth/authorize",
                "tokenUrl": f"{url}/oauth/2026-03/token",
                "redirectUris": oauth.redirect_uris,
            },
            "settings": {
                "PROVIDER_HUBSPOT_BASE_URL": url,
                "PROVIDER_HUBSPOT_APP_URL": url,
                "SIGN_IN_HUBSPOT_CLIENT_ID": client.id,
                "SIGN_IN_HUBSPOT_CLIENT_SECRET": client.secret,
            },
        }

    app = hubspot_app(
        token=token, client=client, oauth=oauth, faults=premises.faults, deals=options.deals
    )
    return Built(app=app, error_body=error_body, entry=entry)


EMULATOR = Emulator(name=PROVIDER, build=_build)
