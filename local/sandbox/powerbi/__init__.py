"""An emulator of Power BI's REST API: workspaces, datasets, refreshes, and a subset of DAX."""

from local.sandbox.powerbi.app import powerbi_app

__all__ = ["powerbi_app"]
