"""The issuer's place in the sandbox."""

from __future__ import annotations

from local.sandbox.emulators import Built, Emulator, Premises
from local.sandbox.issuer.app import AUDIENCE, PROVIDER, error_body, issuer_app


def _build(premises: Premises) -> Built:
    app = issuer_app(url=premises.url, state_dir=premises.options.state_dir, faults=premises.faults)
    return Built(app=app, error_body=error_body, entry=lambda: {"audience": AUDIENCE})


EMULATOR = Emulator(name=PROVIDER, build=_build)
