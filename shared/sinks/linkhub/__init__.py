"""Records on their way into LinkHub: the API's client and the sink a run writes to."""

from shared.sinks.linkhub.client import LinkHubClient
from shared.sinks.linkhub.sink import LinkHubSink

__all__ = ["LinkHubClient", "LinkHubSink"]
