"""The queue of jobs on Azure Storage (Azurite locally)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from shared.backends.azure_identity import azure_credential
from shared.domain.messages import MANUAL_QUEUE, SCHEDULED_QUEUE, job_message
from shared.errors import PermanentError, TransientError

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential
    from azure.storage.queue import QueueClient, QueueServiceClient

_LONGEST_DELAY: Final = 7 * 24 * 3600
"""Seconds a message may stay invisible, by the service's rules (Put Message)."""
_NEVER_EXPIRES: Final = -1
_CONNECT_SECONDS: Final = 5
_READ_SECONDS: Final = 10


class StorageJobQueue:
    """Job ids on the queues `sync-manual` and `sync-scheduled`, each made when first needed.

    Reached by `connection_string`, or by `account_url` (https://<account>.queue.core.windows.net)
    and the managed identity of `client_id`. `api_version` pins the storage protocol: Azurite knows
    only older ones. Messages are base64, as the Functions host reads them. Safe for many threads.
    """

    def __init__(
        self,
        *,
        connection_string: str = "",
        account_url: str = "",
        client_id: str = "",
        api_version: str = "",
        credential: Callable[[str], TokenCredential] = azure_credential,
    ) -> None:
        self._connection_string = connection_string
        self._account_url = account_url
        self._client_id = client_id
        self._api_version = api_version
        self._credential = credential
        self._lock = Lock()
        self._service: QueueServiceClient | None = None
        self._queues: dict[str, QueueClient] = {}

    def send(self, job_id: str, *, scheduled: bool, delay: float = 0) -> None:
        """Enqueue a job, to be seen after `delay` seconds; it waits there until it is read.

        A delay beyond the service's 7 days is cut to them: whoever reads the message too early
        sends it again.
        """
        text = job_message(job_id)
        hidden = hidden_seconds(delay)
        queue = self._queue(SCHEDULED_QUEUE if scheduled else MANUAL_QUEUE)
        with _translated():
            _send(queue, text, hidden)

    def ping(self) -> None:
        """Return if the queue service answers, tried once; raise TransientError if not."""
        from azure.core.exceptions import ResourceNotFoundError

        queue = self._queue(MANUAL_QUEUE)
        with _translated():
            try:
                queue.get_queue_properties(retry_total=0)
            except ResourceNotFoundError:
                return  # it answers; the first message makes the queue

    def _queue(self, name: str) -> QueueClient:
        from azure.storage.queue import TextBase64EncodePolicy

        with self._lock:
            if name not in self._queues:
                self._service = self._service or self._connect()
                self._queues[name] = self._service.get_queue_client(
                    name, message_encode_policy=TextBase64EncodePolicy()
                )
            return self._queues[name]

    def _connect(self) -> QueueServiceClient:
        from azure.storage.queue import ExponentialRetry, QueueServiceClient

        options: dict[str, Any] = {
            "retry_policy": ExponentialRetry(
                initial_backoff=1, increment_base=2, random_jitter_range=1, retry_total=2
            ),
            "connection_timeout": _CONNECT_SECONDS,
            "read_timeout": _READ_SECONDS,
        }
        if self._api_version:
            options["api_version"] = self._api_version
        try:
            if self._account_url:
                credential = self._credential(self._client_id)
                return QueueServiceClient(self._account_url, credential=credential, **options)
            if self._connection_string:
                return QueueServiceClient.from_connection_string(self._connection_string, **options)
        except ValueError:
            raise PermanentError(
                "The queue storage's address cannot be read: check AzureWebJobsStorage, "
                "AzureWebJobsStorage__queueServiceUri and STORAGE_API_VERSION."
            ) from None
        raise PermanentError(
            "No queue storage is set: give AzureWebJobsStorage (a connection string) or "
            "AzureWebJobsStorage__queueServiceUri (an address for the managed identity)."
        )


def hidden_seconds(delay: float) -> int:
    """Return the whole seconds a message is hidden: never less than `delay`, at most 7 days."""
    return math.ceil(min(max(0, delay), _LONGEST_DELAY))


def _send(queue: QueueClient, text: str, hidden: int) -> None:
    """Send; make the queue if it turns out to be missing, which is rare and so not asked first."""
    from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError

    try:
        queue.send_message(text, visibility_timeout=hidden, time_to_live=_NEVER_EXPIRES)
    except ResourceNotFoundError:
        with suppress(ResourceExistsError):  # another sender was first
            queue.create_queue()
        queue.send_message(text, visibility_timeout=hidden, time_to_live=_NEVER_EXPIRES)


@contextmanager
def _translated() -> Iterator[None]:
    """Turn the SDK's errors into TransientError; their texts stay out, they may show addresses."""
    from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError

    try:
        yield
    except ClientAuthenticationError:
        raise TransientError(
            "The queue storage did not accept this app's identity: it needs the role "
            "Storage Queue Data Contributor, and AZURE_CLIENT_ID must name an assigned identity."
        ) from None
    except HttpResponseError as error:
        code = getattr(error, "error_code", None) or "no code"
        raise TransientError(f"The queue storage answered {error.status_code} ({code}).") from None
    except AzureError:
        raise TransientError("The queue storage cannot be reached.") from None
