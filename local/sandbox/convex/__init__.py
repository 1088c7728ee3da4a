"""The Convex emulator: the snapshot export API of one deployment."""

from local.sandbox.convex.app import DEPLOY_KEY, convex_app, error_body

__all__ = ["DEPLOY_KEY", "convex_app", "error_body"]
