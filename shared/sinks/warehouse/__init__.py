"""The warehouse sink: typed tables, staged and swapped in whole, checkpoints beside the rows."""

from shared.sinks.warehouse.sink import WarehouseSink

__all__ = ["WarehouseSink"]
