"""LinkHub's side of a sync: its API's client, the sink a run writes to, the source it reads."""

from shared.sinks.linkhub.client import LinkHubClient
from shared.sinks.linkhub.sink import LinkHubSink
from shared.sinks.linkhub.source import LinkHubSource

__all__ = ["LinkHubClient", "LinkHubSink", "LinkHubSource"]
