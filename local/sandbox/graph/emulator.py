"""Microsoft Graph's place in the sandbox: Entra's tokens open it too."""

from __future__ import annotations

import uuid

from local.sandbox.emulators import Built, Emulator, Premises
from local.sandbox.graph.app import graph_app
from local.sandbox.graph.errors import error_body
from local.sandbox.graph.lists import PROVIDER


def _build(premises: Premises) -> Built:
    token = premises.secrets.get("graph_token", lambda: f"graph-{uuid.uuid4()}")
    app = graph_app(
        token=token,
        entra=premises.neighbours["entra"],
        faults=premises.faults,
        tasks=premises.options.tasks,
    )
    settings = {"PROVIDER_PLANNER_BASE_URL": premises.url}
    return Built(
        app=app, error_body=error_body, entry=lambda: {"token": token, "settings": settings}
    )


EMULATOR = Emulator(name=PROVIDER, build=_build, after=("entra",))
