"""The one error of the local host that a person is meant to read."""

from __future__ import annotations


class HostError(Exception):
    """The app or its settings cannot be served; the message says what is wrong and what to do."""
