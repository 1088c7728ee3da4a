"""Convex's place in the sandbox. A deployment is an origin: it has a port of its own."""

from __future__ import annotations

from local.sandbox.convex.app import DEPLOY_KEY, PROVIDER, convex_app
from local.sandbox.convex.errors import error_body
from local.sandbox.emulators import Built, Emulator, Premises


def _build(premises: Premises) -> Built:
    options = premises.options
    app = convex_app(
        state_dir=options.state_dir, zip_file=options.convex_zip, faults=premises.faults
    )
    return Built(app=app, error_body=error_body, entry=lambda: {"deployKey": DEPLOY_KEY})


EMULATOR = Emulator(name=PROVIDER, build=_build, own_port=True)
