"""An emulator of HubSpot's CRM API for deals."""

from local.sandbox.hubspot.app import hubspot_app

__all__ = ["hubspot_app"]
