"""What stands in a queue message and what a function sees of it.

Follows the queue trigger of azure-sdk-for-net (Microsoft.Azure.WebJobs.Extensions.Storage.Queues)
and the host's conversion of binding data: strings stay strings, all else travels as JSON.
"""

from __future__ import annotations

import base64
import binascii
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from local.host.protos import Message, TypedData, payload

_SPREAD = 0.2


class Received(Protocol):
    """The parts of azure.storage.queue.QueueMessage that are used here."""

    id: str
    content: Any
    dequeue_count: int | None
    pop_receipt: str | None
    inserted_on: datetime | None
    expires_on: datetime | None
    next_visible_on: datetime | None


def decode(content: str, *, base64_encoded: bool) -> bytes | None:
    """Return a message's bytes; None where the text is not the base64 it should be."""
    if not base64_encoded:
        return content.encode()
    try:
        return base64.b64decode(content, validate=True)
    except (binascii.Error, ValueError):
        return None


def encode(body: bytes, *, base64_encoded: bool) -> str:
    """Return the text that holds `body` in a queue."""
    return base64.b64encode(body).decode() if base64_encoded else body.decode()


def to_value(body: bytes) -> TypedData:
    """Return the trigger's value: text where the bytes are UTF-8."""
    try:
        return TypedData(string=body.decode())
    except UnicodeDecodeError:
        return TypedData(bytes=body)


def to_metadata(message: Received, value: TypedData) -> dict[str, TypedData]:
    """Return the trigger metadata that QueueMessage shows as its attributes."""
    metadata = {
        "Id": TypedData(string=message.id),
        "PopReceipt": TypedData(string=message.pop_receipt),
        "DequeueCount": TypedData(json=json.dumps(message.dequeue_count)),
    }
    for name, moment in (
        ("InsertionTime", message.inserted_on),
        ("ExpirationTime", message.expires_on),
        ("NextVisibleTime", message.next_visible_on),
    ):
        if moment is not None:
            metadata[name] = TypedData(json=json.dumps(moment.isoformat()))
    if value.WhichOneof("data") == "string":
        metadata["QueueTrigger"] = value
    return metadata


def to_bodies(data: Message) -> list[bytes]:
    """Return the messages an output value stands for: one for each item of a JSON list."""
    content = payload(data)
    if data.WhichOneof("data") != "json":
        return [content if isinstance(content, bytes) else content.encode()]
    value = json.loads(content)
    return [_body(item) for item in (value if isinstance(value, list) else [value])]


def _body(item: Any) -> bytes:
    if isinstance(item, dict) and "body" in item:
        item = item["body"]
    return (item if isinstance(item, str) else json.dumps(item)).encode()


@dataclass(slots=True, kw_only=True)
class Backoff:
    """Randomised exponential waits between polls that find nothing; seconds."""

    minimum: float
    maximum: float
    spread: Callable[[float, float], float] = random.uniform
    _exponent: int = 0
    _current: float = 0.0

    def after_empty_poll(self, *, found_since_last: bool) -> float:
        """Return the next wait: the minimum after a find, then growing up to the maximum."""
        if found_since_last:
            self._exponent, self._current = 1, self.minimum
        elif self._current != self.maximum:
            wait = self.minimum
            if self._exponent:
                factor = self.spread(1 - _SPREAD, 1 + _SPREAD)
                wait += factor * 2 ** (self._exponent - 1) * self.minimum
            if wait < self.maximum:
                self._exponent += 1
            self._current = min(wait, self.maximum)
        return self._current
