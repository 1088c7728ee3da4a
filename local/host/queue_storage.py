"""Storage queues without blocking the host's event loop; texts go in and out as they are."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from azure.core.exceptions import AzureError, HttpResponseError, ResourceExistsError
from azure.storage.queue import LinearRetry, QueueClient, QueueMessage, QueueServiceClient

from local.azurite import DEVELOPMENT_STORAGE, connection_string
from local.host.errors import HostError

T = TypeVar("T")

POISON = "-poison"
_GONE = frozenset({"MessageNotFound", "PopReceiptMismatch", "QueueNotFound"})

StorageError = AzureError


def has_poison_queue(name: str) -> bool:
    """Tell whether failed messages of queue `name` have somewhere to go."""
    return not name.endswith(POISON)


def is_gone(error: AzureError) -> bool:
    """Tell whether the message is no longer ours: taken by another, deleted, or its queue is."""
    return _code(error) in _GONE


class Queue:
    """One queue; every method runs in a thread of its own and may raise StorageError."""

    def __init__(self, client: QueueClient, executor: ThreadPoolExecutor) -> None:
        self._client = client
        self._executor = executor
        self.name: str = client.queue_name

    async def create(self) -> None:
        """Make the queue exist."""
        await self._call(partial(_create, self._client))

    async def receive(self, count: int, lease_seconds: int) -> list[QueueMessage]:
        """Return up to `count` messages, hidden from others for `lease_seconds`."""
        return await self._call(
            lambda: list(
                self._client.receive_messages(
                    messages_per_page=count, max_messages=count, visibility_timeout=lease_seconds
                )
            )
        )

    async def hide(self, message_id: str, receipt: str, seconds: int) -> str:
        """Hide a message for `seconds` from now; return its new pop receipt."""
        updated = await self._call(
            partial(self._client.update_message, message_id, receipt, visibility_timeout=seconds)
        )
        return str(updated.pop_receipt)

    async def delete(self, message_id: str, receipt: str) -> None:
        """Remove a message for good."""
        await self._call(partial(self._client.delete_message, message_id, receipt))

    async def send(self, content: str) -> None:
        """Put `content` in the queue, which is created where it does not exist."""
        try:
            await self._call(partial(self._client.send_message, content))
        except HttpResponseError as error:
            if _code(error) != "QueueNotFound":
                raise
            await self.create()
            await self._call(partial(self._client.send_message, content))

    async def _call(self, function: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, function)


class QueueStorage:
    """The queues of every storage account that the app's bindings name."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env
        self._services: dict[str, QueueServiceClient] = {}
        self._executor = ThreadPoolExecutor(16, thread_name_prefix="storage")

    def queue(self, connection: str | None, name: str) -> Queue:
        """Return a queue by the name of its connection setting; HostError where that is not set."""
        setting = connection or "AzureWebJobsStorage"
        if setting not in self._services:
            self._services[setting] = self._connect(setting)
        return Queue(self._services[setting].get_queue_client(name), self._executor)

    def close(self) -> None:
        """Let go of every connection and thread."""
        self._executor.shutdown(wait=False, cancel_futures=True)
        for service in self._services.values():
            service.close()

    def _connect(self, setting: str) -> QueueServiceClient:
        text = self._env.get(f"AzureWebJobs{setting}") or self._env.get(setting, "")
        if not text:
            raise HostError(
                f"Missing value for {setting}: queue triggers and outputs need the connection "
                "string of a storage account, such as the one Azurite prints."
            )
        if text.strip().rstrip(";") == DEVELOPMENT_STORAGE:
            text = connection_string(port=10001)
        version = self._env.get("STORAGE_API_VERSION")
        options = {"api_version": version} if version else {}
        try:
            return QueueServiceClient.from_connection_string(
                text,
                retry_policy=LinearRetry(backoff=1, retry_total=2),
                connection_timeout=5,
                read_timeout=30,
                **options,
            )
        except ValueError as error:
            raise HostError(f"{setting} is no storage connection string: {error}.") from None


def _code(error: AzureError) -> str:
    """Return the service's own error code, which the SDK adds to its errors."""
    return str(getattr(error, "error_code", "") or "")


def _create(client: QueueClient) -> None:
    try:
        client.create_queue()
    except ResourceExistsError:
        return
