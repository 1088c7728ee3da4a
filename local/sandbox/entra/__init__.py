"""An emulator of Microsoft Entra's v2.0 endpoints: one consent, a token for each resource."""

from local.sandbox.entra.app import Entra
from local.sandbox.entra.emulator import EMULATOR

__all__ = ["EMULATOR", "Entra"]
