"""An emulator of the LinkHub API (docs/linkhub-api.md) over a SQLite file."""

from local.sandbox.linkhub.app import linkhub_app
from local.sandbox.linkhub.emulator import EMULATOR

__all__ = ["EMULATOR", "linkhub_app"]
