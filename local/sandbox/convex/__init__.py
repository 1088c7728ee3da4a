"""The Convex emulator: snapshot exports and data syncs of one deployment."""

from local.sandbox.convex.app import DEPLOY_KEY, convex_app
from local.sandbox.convex.emulator import EMULATOR
from local.sandbox.convex.errors import error_body

__all__ = ["DEPLOY_KEY", "EMULATOR", "convex_app", "error_body"]
