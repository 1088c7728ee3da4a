"""Power BI's place in the sandbox: Entra's tokens open it too."""

from __future__ import annotations

import uuid

from local.sandbox.emulators import Built, Emulator, Premises
from local.sandbox.powerbi.app import PROVIDER, ROOT, powerbi_app
from local.sandbox.powerbi.errors import error_body


def _build(premises: Premises) -> Built:
    token = premises.secrets.get("powerbi_token", lambda: f"pbi-{uuid.uuid4()}")
    app = powerbi_app(token=token, entra=premises.neighbours["entra"], faults=premises.faults)
    settings = {"PROVIDER_POWERBI_BASE_URL": f"{premises.url}{ROOT}"}
    return Built(
        app=app, error_body=error_body, entry=lambda: {"token": token, "settings": settings}
    )


EMULATOR = Emulator(name=PROVIDER, build=_build, after=("entra",))
