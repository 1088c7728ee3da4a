"""The queue backend before a real queue service, Azurite; messages are read as the host would."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest
from azure.storage.queue import QueueClient, QueueServiceClient

from local.azurite import API_VERSION, AZURITE_HOME, run_azurite
from shared.backends.storage_queue import StorageJobQueue
from shared.domain.ids import new_id
from shared.domain.messages import MANUAL_QUEUE, SCHEDULED_QUEUE, parse_message
from shared.errors import TransientError

_ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def storage() -> Iterator[str]:
    with run_azurite(_ROOT / AZURITE_HOME) as connection:
        yield connection


@pytest.fixture
def service(storage: str) -> Iterator[QueueServiceClient]:
    with QueueServiceClient.from_connection_string(storage, api_version=API_VERSION) as client:
        for queue in client.list_queues():
            client.delete_queue(queue)
        yield client


@pytest.fixture
def queue(storage: str, service: QueueServiceClient) -> StorageJobQueue:
    """Return the backend before a service without any queue."""
    return StorageJobQueue(connection_string=storage, api_version=API_VERSION)


def bodies(client: QueueClient) -> list[bytes]:
    """Return the bodies of all visible messages, decoded as the Functions host does."""
    return [
        base64.b64decode(message.content, validate=True) for message in client.receive_messages()
    ]


def test_job_id_arrives(queue: StorageJobQueue, service: QueueServiceClient) -> None:
    """A job sent to an empty service makes its queue and is read back as base64."""
    job_id = new_id()
    queue.send(job_id, scheduled=False)
    assert [parse_message(body) for body in bodies(service.get_queue_client(MANUAL_QUEUE))] == [
        job_id
    ]


def test_scheduled_jobs_have_their_own_queue(
    queue: StorageJobQueue, service: QueueServiceClient
) -> None:
    """What the timer sends never stands before what a person waits for."""
    queue.send("by-timer", scheduled=True)
    queue.send("by-hand", scheduled=False)
    found = {
        name: [parse_message(body) for body in bodies(service.get_queue_client(name))]
        for name in (MANUAL_QUEUE, SCHEDULED_QUEUE)
    }
    assert found == {MANUAL_QUEUE: ["by-hand"], SCHEDULED_QUEUE: ["by-timer"]}


def test_message_never_expires(queue: StorageJobQueue, service: QueueServiceClient) -> None:
    """A job waits as long as the app is down; the service's 7 days do not count."""
    queue.send("job-1", scheduled=False)
    message = service.get_queue_client(MANUAL_QUEUE).receive_message()
    assert message is not None
    assert message.expires_on is not None
    assert message.expires_on.year == 9999


@pytest.mark.parametrize("delay", [90, 604_800, 10_000_000])
def test_delayed_message_is_hidden(
    queue: StorageJobQueue, service: QueueServiceClient, delay: float
) -> None:
    """A delayed job is in the queue and cannot be seen yet, be the delay longer than allowed."""
    queue.send("job-1", scheduled=False, delay=delay)
    client = service.get_queue_client(MANUAL_QUEUE)
    assert client.get_queue_properties().approximate_message_count == 1
    assert bodies(client) == []


def test_delayed_message_shows_up(queue: StorageJobQueue, service: QueueServiceClient) -> None:
    """A job is seen when its delay is over, and not before."""
    sent_at = time.monotonic()
    queue.send("job-1", scheduled=False, delay=0.6)
    client = service.get_queue_client(MANUAL_QUEUE)
    while not bodies(client):
        assert time.monotonic() - sent_at < 120
    assert time.monotonic() - sent_at > 0.6


def test_past_delay_means_now(queue: StorageJobQueue, service: QueueServiceClient) -> None:
    """A time that has gone by is no delay."""
    queue.send("job-1", scheduled=False, delay=-5)
    assert len(bodies(service.get_queue_client(MANUAL_QUEUE))) == 1


def test_queue_deleted_meanwhile_is_made_again(
    queue: StorageJobQueue, service: QueueServiceClient
) -> None:
    """A queue that somebody removed while the app runs does not stop it."""
    queue.send("job-1", scheduled=False)
    service.delete_queue(MANUAL_QUEUE)
    queue.send("job-2", scheduled=False)
    assert len(bodies(service.get_queue_client(MANUAL_QUEUE))) == 1


def test_threads_share_one_queue(queue: StorageJobQueue, service: QueueServiceClient) -> None:
    """Handlers of several threads send through one backend, its first use included."""
    threads = [
        Thread(target=queue.send, args=(f"job-{number}",), kwargs={"scheduled": True})
        for number in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = {parse_message(body) for body in bodies(service.get_queue_client(SCHEDULED_QUEUE))}
    assert found == {f"job-{number}" for number in range(6)}


def test_ping_makes_nothing(queue: StorageJobQueue, service: QueueServiceClient) -> None:
    """An empty service that answers is healthy, and asking leaves it empty."""
    queue.ping()
    assert list(service.list_queues()) == []


def test_wrong_key_is_transient(storage: str) -> None:
    """A service that refuses the key is reported with its code, without the key."""
    wrong = storage.replace("AccountKey=Eby8", "AccountKey=AAAA")
    with pytest.raises(TransientError, match=r"identity|403") as caught:
        StorageJobQueue(connection_string=wrong, api_version=API_VERSION).ping()
    assert "AAAA" not in str(caught.value)
