"""The LinkHub client against the emulator, and against answers no emulator gives."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from shared.domain.ids import new_id
from shared.errors import PermanentError, TransientError
from shared.sinks.linkhub.client import LinkHubClient, UpsertInput
from tests.linkhub_kit import make_client
from tests.sandbox_kit import Running

FIELDS = '{"name":"House","status":"LATE"}'


def send(client: LinkHubClient, *keys: str, fields: str = FIELDS, salt: str = "s") -> list[str]:
    inputs = [UpsertInput(key, fields) for key in keys]
    results = client.upsert("initiatives", source="i", inputs=inputs, salt=salt)
    return [result.outcome for result in results]


def client_of(answer: Callable[[httpx.Request], httpx.Response]) -> LinkHubClient:
    return LinkHubClient(
        base_url="https://linkhub.test",
        api_key="secret-key",
        profile_id="p",
        sleep=lambda _: None,
        transport=httpx.MockTransport(answer),
    )


def test_records_are_written_read_changed_and_deleted(running: Running) -> None:
    """Each call of the API does what its page says, through the client."""
    client = make_client(running, new_id())
    assert send(client, "deals/1", 'deals/"ü"') == ["created", "created"]
    (record,) = client.get("initiatives", source="i", external_keys=["deals/1", "deals/9"])
    assert record.fields == {"name": "House", "status": "LATE"}
    assert [r.id for r in client.get_by_ids("initiatives", ids=[record.id])] == [record.id]
    stale = client.delete(
        "initiatives", source="i", external_keys=["deals/1"], versions={"deals/1": 9}
    )
    assert list(stale) == [("deals/1", "rejected")]
    deleted = client.delete("initiatives", source="i", external_keys=["deals/1", "deals/9"])
    assert list(deleted) == [("deals/1", "deleted"), ("deals/9", "missing")]
    page = client.changes("initiatives", limit=1)
    assert (page.changes[0].external_key, page.has_more) == ('deals/"ü"', True)
    page = client.changes("initiatives", since=page.next_cursor)
    assert (page.changes[0].external_key, page.changes[0].deleted) == ("deals/1", True)
    assert page.has_more is False
    client.close()


def test_the_same_batch_with_the_same_salt_gets_the_same_answer(running: Running) -> None:
    """A repeated call is recognised; with another salt it is a call of its own."""
    client = make_client(running, new_id())
    assert send(client, "deals/1") == ["created"]
    assert send(client, "deals/1") == ["created"]
    assert send(client, "deals/1", salt="later") == ["unchanged"]
    client.close()


def test_a_lost_answer_is_asked_for_again(running: Running) -> None:
    """A call whose answer was cut off is repeated, and still says what it did."""
    running.fault("linkhub", "truncated", count=1)
    client = make_client(running, new_id())
    assert send(client, "deals/1") == ["created"]
    client.close()


def test_many_records_travel_in_batches_linkhub_takes(running: Running) -> None:
    """Neither the number of records nor their size is the caller's worry."""
    client = make_client(running, new_id())
    assert send(client, *map(str, range(501))) == ["created"] * 501
    long = json.dumps({"name": "x" * 255, "status": "LATE", "description": "é" * 4000})
    assert send(client, *map(str, range(501, 1001)), fields=long.replace("\\u00e9", "é")) == (
        ["created"] * 500
    )
    client.close()


def test_no_request_is_larger_than_linkhub_takes() -> None:
    """Five hundred of the largest records do not fit one call."""
    sizes: list[int] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sizes.append(len(request.content))
        keys = [item["externalKey"] for item in json.loads(request.content)["inputs"]]
        results = [{"externalKey": key, "id": "1", "outcome": "updated"} for key in keys]
        return httpx.Response(200, json={"results": results})

    fields = json.dumps({"description": "💶" * 4000}, ensure_ascii=False)
    client = client_of(answer)
    assert send(client, *map(str, range(500)), fields=fields) == ["updated"] * 500
    assert len(sizes) > 1
    assert max(sizes) <= 5_000_000
    client.close()


@pytest.mark.parametrize(
    "body",
    [
        [],
        {},
        {"results": []},
        {"results": [{"externalKey": "2", "id": "x", "outcome": "created"}]},
        {"results": [{"externalKey": "1", "id": None, "outcome": "created"}]},
        {"results": [{"externalKey": "1", "id": "x", "outcome": "eaten"}]},
        {"results": [{"externalKey": "1", "id": "x", "outcome": "rejected", "errors": [1]}]},
        {"results": ["1"]},
    ],
)
def test_an_answer_of_another_form_is_not_believed(body: Any) -> None:
    """A record counts as written only where LinkHub says so in the promised form."""
    client = client_of(lambda _: httpx.Response(200, json=body))
    with pytest.raises(PermanentError, match="LINKHUB_API_URL"):
        send(client, "1")
    client.close()


def test_a_refused_key_is_waited_for_and_never_shown(running: Running) -> None:
    """An operator mends it; no job of a customer fails for good meanwhile."""
    client = client_of(lambda _: httpx.Response(401, json={"detail": "bad key secret-key"}))
    with pytest.raises(TransientError, match="operator") as caught:
        send(client, "1")
    assert "secret-key" not in caught.value.message
    client.close()


def test_a_body_linkhub_cannot_take_fails_for_good(running: Running) -> None:
    """The same call would fail again."""
    client = make_client(running, new_id())
    with pytest.raises(PermanentError, match="entity"):
        list(client.delete("planets", source="i", external_keys=["1"]))
    client.close()
