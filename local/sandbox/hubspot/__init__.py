"""An emulator of HubSpot's CRM API for deals."""

from local.sandbox.hubspot.app import hubspot_app
from local.sandbox.hubspot.emulator import EMULATOR

__all__ = ["EMULATOR", "hubspot_app"]
