"""LinkHub's place in the sandbox."""

from __future__ import annotations

import uuid

from local.sandbox.emulators import Built, Emulator, Premises
from local.sandbox.linkhub.app import PROVIDER, linkhub_app, problem_body


def _build(premises: Premises) -> Built:
    key = premises.secrets.get("linkhub_key", lambda: f"lhk-{uuid.uuid4()}")
    app = linkhub_app(key=key, state_dir=premises.options.state_dir, faults=premises.faults)
    return Built(
        app=app,
        error_body=problem_body,
        entry=lambda: {"key": key},
        close=app.state.records.close,
    )


EMULATOR = Emulator(name=PROVIDER, build=_build)
