"""An emulator of Microsoft Graph v1.0, the Planner part of it."""

from local.sandbox.graph.app import graph_app
from local.sandbox.graph.emulator import EMULATOR
from local.sandbox.graph.errors import error_body

__all__ = ["EMULATOR", "error_body", "graph_app"]
