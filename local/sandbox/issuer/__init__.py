"""An OIDC issuer for development: discovery, keys, and tokens for whoever asks."""

from local.sandbox.issuer.app import issuer_app

__all__ = ["issuer_app"]
