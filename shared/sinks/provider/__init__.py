"""The way from LinkHub to a provider."""

from shared.sinks.provider.sink import ProviderSink

__all__ = ["ProviderSink"]
