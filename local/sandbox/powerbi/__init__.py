"""An emulator of Power BI's REST API: workspaces, datasets, refreshes, and a subset of DAX."""

from local.sandbox.powerbi.app import powerbi_app
from local.sandbox.powerbi.emulator import EMULATOR

__all__ = ["EMULATOR", "powerbi_app"]
