"""The queue trigger: polls, leases, renews, deletes, and moves poison messages away.

Follows QueueListener, QueueProcessor and SharedQueueWatcher of azure-sdk-for-net
(Microsoft.Azure.WebJobs.Extensions.Storage.Queues). One difference is meant as a help: a trigger's
queue is created at start, where the real host waits for somebody else to create it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from local.host.config import MIN_POLLING_INTERVAL, QueueOptions
from local.host.invoker import Invoker
from local.host.queue_messages import Backoff, Received, decode, to_metadata, to_value
from local.host.queue_storage import Queue, StorageError, is_gone
from local.host.worker import Function, Result

log = logging.getLogger("host.queues")

Notify = Callable[[str], None]
"""Wakes the listener of the queue of that name, where this host has one."""


@dataclass(slots=True, kw_only=True)
class Lease:
    """A message in our hands; every renewal changes the receipt."""

    message: Received
    receipt: str


class QueueListener:
    """Feeds one function from one queue."""

    def __init__(
        self,
        function: Function,
        *,
        queue: Queue,
        poison: Queue | None,
        options: QueueOptions,
        lease_seconds: int,
        invoker: Invoker,
        notify: Notify,
    ) -> None:
        self.queue = queue
        self._function = function
        self._poison = poison
        self._options = options
        self._lease_seconds = lease_seconds
        self._invoker = invoker
        self._notify = notify
        self._running: set[asyncio.Task[None]] = set()
        self._stopping = asyncio.Event()
        self._wake = asyncio.Event()
        self._is_failing = False

    async def prepare(self) -> None:
        """Make the queue exist; a storage that does not answer is only logged, polls go on."""
        try:
            await self.queue.create()
        except StorageError as error:
            self._note_failure(error)

    async def run(self) -> None:
        """Poll until `stop`; return when every message taken has been dealt with."""
        backoff = Backoff(minimum=MIN_POLLING_INTERVAL, maximum=self._options.max_polling_interval)
        found_since_last = False
        while not self._stopping.is_set():
            self._wake.clear()
            if await self._poll():
                found_since_last = True
                await self._wait_for_room()
            else:
                delay = backoff.after_empty_poll(found_since_last=found_since_last)
                found_since_last = False
                await _wait(self._wake, delay)
        if self._running:
            await asyncio.wait(self._running)

    def stop(self) -> None:
        """Take no further message."""
        self._stopping.set()
        self._wake.set()

    def wake(self) -> None:
        """Poll now: a message has just been sent."""
        self._wake.set()

    async def _poll(self) -> bool:
        try:
            messages = await self.queue.receive(self._options.batch_size, self._lease_seconds)
        except StorageError as error:
            self._note_failure(error)
            if is_gone(error):
                await self.prepare()
            return False
        if self._is_failing:
            self._is_failing = False
            log.info("Queue '%s' answers again", self.queue.name)
        for message in messages:
            task = asyncio.create_task(self._process(message))
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        return bool(messages)

    async def _wait_for_room(self) -> None:
        while len(self._running) > self._options.new_batch_threshold:
            await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)

    async def _process(self, message: Received) -> None:
        lease = Lease(message=message, receipt=str(message.pop_receipt))
        try:
            await self._deal_with(lease)
        except StorageError as error:
            if is_gone(error):
                log.warning(
                    "Message %s of queue '%s' is no longer ours: it may run again (%s)",
                    message.id,
                    self.queue.name,
                    _describe(error),
                )
            else:
                log.error("Queue '%s': %s", self.queue.name, _describe(error))  # noqa: TRY400 - one line says it
        except Exception:
            name = self.queue.name
            log.exception("Message %s of queue '%s' could not be handled", message.id, name)

    async def _deal_with(self, lease: Lease) -> None:
        count = lease.message.dequeue_count or 0
        if count > self._options.max_dequeue_count:
            await self._move_to_poison(lease)
            return
        body = decode(str(lease.message.content), base64_encoded=self._options.base64)
        if body is None:
            log.warning(
                "Message decoding has failed! Check messageEncoding. MessageId=%s",
                lease.message.id,
            )
            await self._move_to_poison(lease)
            return
        result = await self._run_leased(lease, body)
        if result.ok:
            await self.queue.delete(lease.message.id, lease.receipt)
        elif self._poison is None:
            log.warning(
                "Message %s failed and '%s' has no poison queue: hidden until its lease ends",
                lease.message.id,
                self.queue.name,
            )
        elif count >= self._options.max_dequeue_count:
            await self._move_to_poison(lease)
        else:
            wait = round(self._options.visibility_timeout)
            await self.queue.hide(lease.message.id, lease.receipt, wait)

    async def _run_leased(self, lease: Lease, body: bytes) -> Result:
        value = to_value(body)
        finished = asyncio.Event()
        keeper = asyncio.create_task(self._keep(lease, finished))
        try:
            return await self._invoker.run(
                self._function,
                value,
                metadata=to_metadata(lease.message, value),
                reason=f"New queue message on '{self.queue.name}', {lease.message.id}",
            )
        finally:
            finished.set()
            await keeper  # a renewal under way still brings the receipt that counts

    async def _keep(self, lease: Lease, finished: asyncio.Event) -> None:
        """Renew at half of the lease until `finished`; try sooner again after an error."""
        delay = self._lease_seconds / 2
        while not await _wait(finished, delay):
            try:
                lease.receipt = await self.queue.hide(
                    lease.message.id, lease.receipt, self._lease_seconds
                )
                delay = self._lease_seconds / 2
                log.debug("Renewed the lease of message %s", lease.message.id)
            except StorageError as error:
                log.warning("The lease of %s: %s", lease.message.id, _describe(error))
                if is_gone(error):
                    return
                delay = self._lease_seconds / 10

    async def _move_to_poison(self, lease: Lease) -> None:
        """Copy, then delete: a crash in between leaves two copies. No poison queue, no move."""
        if self._poison is None:
            return
        log.warning(
            "Message %s is poison (DequeueCount=%s, MaxDequeueCount=%s). Moving it to queue '%s'",
            lease.message.id,
            lease.message.dequeue_count,
            self._options.max_dequeue_count,
            self._poison.name,
        )
        await self._poison.send(str(lease.message.content))
        self._notify(self._poison.name)
        await self.queue.delete(lease.message.id, lease.receipt)

    def _note_failure(self, error: StorageError) -> None:
        if not self._is_failing:
            self._is_failing = True
            log.error("Queue '%s' cannot be read: %s", self.queue.name, _describe(error))


def _describe(error: StorageError) -> str:
    return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"


async def _wait(event: asyncio.Event, seconds: float) -> bool:
    """Return True as soon as `event` is set, False after `seconds`."""
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return False
    return True
