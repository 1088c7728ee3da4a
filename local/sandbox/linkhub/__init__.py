"""An emulator of the LinkHub API (docs/linkhub-api.md) over a SQLite file."""

from local.sandbox.linkhub.app import linkhub_app

__all__ = ["linkhub_app"]
