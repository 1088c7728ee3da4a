"""An OIDC issuer for development: discovery, keys, and tokens for whoever asks."""

from local.sandbox.issuer.app import issuer_app
from local.sandbox.issuer.emulator import EMULATOR

__all__ = ["EMULATOR", "issuer_app"]
