from __future__ import annotations

import json
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import cast

import pytest

from local.host.protos import TypedData
from local.host.queue_messages import (
    Backoff,
    Received,
    decode,
    encode,
    to_bodies,
    to_metadata,
    to_value,
)


@pytest.mark.parametrize(
    ("content", "body"),
    [("aMOp", "hé".encode()), ("", b""), ("aMOp ", None), ("{}", None), ("aMO", None), ("é", None)],
)
def test_base64(content: str, body: bytes | None) -> None:
    """Only strict base64 is a message."""
    assert decode(content, base64_encoded=True) == body


def test_no_encoding() -> None:
    """With messageEncoding none, text is what it is."""
    assert decode("{}", base64_encoded=False) == b"{}"
    assert encode(b"{}", base64_encoded=False) == "{}"
    assert encode(b"{}", base64_encoded=True) == "e30="


def test_value_is_text_where_it_can_be() -> None:
    """UTF-8 travels as a string, all else as bytes."""
    assert to_value("é".encode()).string == "é"
    assert to_value(b"\xff").bytes == b"\xff"


def test_metadata() -> None:
    """Strings stay strings; the count and the times are JSON; bytes have no QueueTrigger."""
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    message = SimpleNamespace(
        id="i",
        pop_receipt="p",
        dequeue_count=2,
        inserted_on=moment,
        expires_on=moment,
        next_visible_on=None,
    )
    metadata = to_metadata(cast(Received, message), TypedData(string="text"))
    assert metadata["Id"].string == "i"
    assert metadata["PopReceipt"].string == "p"
    assert metadata["QueueTrigger"].string == "text"
    assert json.loads(metadata["DequeueCount"].json) == 2
    assert json.loads(metadata["InsertionTime"].json) == "2026-01-02T03:04:05+00:00"
    assert "NextVisibleTime" not in metadata
    assert "QueueTrigger" not in to_metadata(cast(Received, message), TypedData(bytes=b"\xff"))


@pytest.mark.parametrize(
    ("data", "bodies"),
    [
        (TypedData(string="a"), [b"a"]),
        (TypedData(bytes=b"\x00"), [b"\x00"]),
        (TypedData(json='{"id": "1", "body": "b"}'), [b"b"]),
        (TypedData(json='["a", {"body": "b"}, {"c": 1}]'), [b"a", b"b", b'{"c": 1}']),
        (TypedData(json="[]"), []),
    ],
)
def test_outputs(data: TypedData, bodies: list[bytes]) -> None:
    """A list is one message an item; a QueueMessage is its body."""
    assert to_bodies(data) == bodies


def test_backoff_grows_to_its_maximum() -> None:
    """Empty polls wait longer and longer, 0.1 s at first, never over the maximum."""
    backoff = Backoff(minimum=0.1, maximum=1.0, spread=lambda _low, high: high)
    waits = [backoff.after_empty_poll(found_since_last=False) for _ in range(6)]
    assert waits == pytest.approx([0.1, 0.22, 0.34, 0.58, 1.0, 1.0])
    assert backoff.after_empty_poll(found_since_last=True) == 0.1
    assert backoff.after_empty_poll(found_since_last=False) == pytest.approx(0.22)


def test_backoff_is_spread() -> None:
    """Waits are spread by a fifth either way, so that instances do not poll in step."""
    limits = []

    def spread(low: float, high: float) -> float:
        limits.append((low, high))
        return 1.0

    backoff = Backoff(minimum=0.1, maximum=5.0, spread=spread)
    for _ in range(2):
        backoff.after_empty_poll(found_since_last=False)
    assert limits == [(0.8, 1.2)]
