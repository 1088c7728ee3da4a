"""The queue listener's rules, one at a time, with a queue that does what a test needs."""

from __future__ import annotations

import asyncio
import base64
import itertools
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest
from azure.core.exceptions import HttpResponseError, ServiceRequestError

from local.host.config import QueueOptions
from local.host.invoker import Invoker
from local.host.protos import TypedData
from local.host.queue_messages import Received
from local.host.queue_storage import Queue, has_poison_queue
from local.host.queues import QueueListener
from local.host.worker import Function, Result

PATIENCE = 60
"""Seconds after which what was waited for will not come any more."""
OPTIONS = QueueOptions(
    batch_size=4, new_batch_threshold=2, max_dequeue_count=3, max_polling_interval=0.2
)
FUNCTION = Function(
    name="work",
    function_id="1",
    trigger={"type": "queueTrigger", "name": "msg", "queueName": "work"},
    outputs={},
)


def message(number: int = 1, *, count: int = 1, content: str | None = None) -> Received:
    text = base64.b64encode(f"m{number}".encode()).decode() if content is None else content
    return cast(
        Received,
        SimpleNamespace(
            id=f"id{number}",
            content=text,
            dequeue_count=count,
            pop_receipt="receipt0",
            inserted_on=None,
            expires_on=None,
            next_visible_on=None,
        ),
    )


def storage_error(code: str) -> HttpResponseError:
    error = HttpResponseError(message=code)
    error.error_code = code  # type: ignore[attr-defined]  # the SDK adds it the same way
    return error


@dataclass(kw_only=True)
class FakeQueue:
    """Hands out `batches` and notes what is done; `hide_errors` are raised by hide in turn."""

    name: str = "work"
    batches: list[list[Received] | Exception] = field(default_factory=list)
    hide_errors: list[Exception] = field(default_factory=list)
    done: list[tuple[Any, ...]] = field(default_factory=list)

    async def create(self) -> None:
        self.done.append(("create",))

    async def receive(self, count: int, lease_seconds: int) -> list[Received]:
        batch = self.batches.pop(0) if self.batches else []
        if isinstance(batch, Exception):
            raise batch
        return batch

    async def hide(self, message_id: str, receipt: str, seconds: int) -> str:
        self.done.append(("hide", message_id, receipt, seconds))
        if self.hide_errors:
            raise self.hide_errors.pop(0)
        return f"receipt{len(self.done)}"

    async def delete(self, message_id: str, receipt: str) -> None:
        self.done.append(("delete", message_id, receipt))

    async def send(self, content: str) -> None:
        self.done.append(("send", content))


@dataclass(kw_only=True)
class FakeInvoker:
    """Runs `work` for each message and answers whether it succeeded."""

    work: Callable[[], Awaitable[None]] | None = None
    ok: bool = True
    calls: list[str] = field(default_factory=list)
    running: int = 0
    most: int = 0

    async def run(
        self,
        function: Function,
        data: TypedData,
        *,
        reason: str,
        metadata: Mapping[str, TypedData],
    ) -> Result:
        self.calls.append(data.string)
        self.running += 1
        self.most = max(self.most, self.running)
        if self.work:
            await self.work()
        self.running -= 1
        return Result(ok=self.ok)


async def become(condition: Callable[[], bool]) -> None:
    """Return once `condition` is true."""
    while not condition():  # noqa: ASYNC110 - the fakes know no events
        await asyncio.sleep(0.005)


def listen(
    queue: FakeQueue,
    invoker: FakeInvoker,
    *,
    poison: FakeQueue | None = None,
    lease_seconds: float = 600,
    options: QueueOptions = OPTIONS,
    until: Callable[[], bool],
) -> list[str]:
    """Run a listener until `until` is true; return the names of the queues it notified."""
    notified: list[str] = []
    listener = QueueListener(
        FUNCTION,
        queue=cast(Queue, queue),
        poison=cast(Queue, poison) if poison else None,
        options=options,
        lease_seconds=cast(int, lease_seconds),
        invoker=cast(Invoker, invoker),
        notify=notified.append,
    )

    async def stop_when_done() -> None:
        await become(until)
        listener.stop()

    async def both() -> None:
        await asyncio.wait_for(asyncio.gather(listener.run(), stop_when_done()), PATIENCE)

    asyncio.run(both())
    return notified


def test_success_deletes() -> None:
    """A message whose function succeeded is deleted by its receipt."""
    queue = FakeQueue(batches=[[message()]])
    listen(queue, FakeInvoker(), until=lambda: bool(queue.done))
    assert queue.done == [("delete", "id1", "receipt0")]


def test_failure_gives_it_back_after_the_visibility_timeout() -> None:
    """A failed attempt below the limit hides the message for visibilityTimeout."""
    queue = FakeQueue(batches=[[message(count=2)]])
    options = QueueOptions(max_dequeue_count=3, visibility_timeout=30)
    listen(
        queue,
        FakeInvoker(ok=False),
        poison=FakeQueue(),
        options=options,
        until=lambda: bool(queue.done),
    )
    assert queue.done == [("hide", "id1", "receipt0", 30)]


def test_last_failure_copies_then_deletes() -> None:
    """The attempt that reaches maxDequeueCount moves it, and the poison listener is woken."""
    queue, poison = FakeQueue(batches=[[message(count=3)]]), FakeQueue(name="work-poison")
    notified = listen(queue, FakeInvoker(ok=False), poison=poison, until=lambda: bool(queue.done))
    assert poison.done == [("send", base64.b64encode(b"m1").decode())]
    assert queue.done == [("delete", "id1", "receipt0")]
    assert notified == ["work-poison"]


def test_message_over_the_limit_is_moved_unrun() -> None:
    """A message delivered more often than allowed (its runs died) never runs again."""
    queue, poison, invoker = FakeQueue(batches=[[message(count=4)]]), FakeQueue(), FakeInvoker()
    listen(queue, invoker, poison=poison, until=lambda: bool(queue.done))
    assert invoker.calls == []
    assert len(poison.done) == 1


def test_poison_message_over_the_limit_is_left_alone() -> None:
    """On a poison queue a message stops being run after maxDequeueCount; nothing moves it."""
    queue = FakeQueue(name="work-poison", batches=[[message(1, count=4), message(2)]])
    invoker = FakeInvoker()
    listen(queue, invoker, until=lambda: bool(queue.done))
    assert invoker.calls == ["m2"]
    assert queue.done == [("delete", "id2", "receipt0")]


def test_undecodable_message_is_moved_as_it_is() -> None:
    """Text that is no base64 is copied raw and runs nothing."""
    queue, poison = FakeQueue(batches=[[message(content="{}")]]), FakeQueue()
    invoker = FakeInvoker()
    listen(queue, invoker, poison=poison, until=lambda: bool(queue.done))
    assert invoker.calls == []
    assert poison.done == [("send", "{}")]


def test_newest_receipt_counts() -> None:
    """Renewal at half of the lease brings a receipt, and with that the message is deleted."""
    queue = FakeQueue(batches=[[message()]])

    async def work() -> None:
        await become(lambda: len(queue.done) >= 2)

    invoker = FakeInvoker(work=work)
    listen(
        queue,
        invoker,
        lease_seconds=0.1,
        until=lambda: any(step[0] == "delete" for step in queue.done),
    )
    *hidden, last = [step[0] for step in queue.done]
    assert (set(hidden), last) == ({"hide"}, "delete")
    assert len(hidden) >= 2
    assert [step[2] for step in queue.done] == [f"receipt{n}" for n in range(len(queue.done))]


def test_failed_renewal_is_tried_again_sooner() -> None:
    """An error while renewing costs a tenth of the lease, not half."""
    queue = FakeQueue(batches=[[message()]], hide_errors=[ServiceRequestError("down")])

    async def work() -> None:
        await become(lambda: len(queue.done) >= 2)

    listen(
        queue,
        FakeInvoker(work=work),
        lease_seconds=0.2,
        until=lambda: any(step[0] == "delete" for step in queue.done),
    )
    assert [step[2] for step in queue.done[:3]] == ["receipt0", "receipt0", "receipt2"]


def test_lost_lease_is_not_renewed_again() -> None:
    """Once another holder has the message, its receipt is left alone."""
    queue = FakeQueue(batches=[[message()]], hide_errors=[storage_error("PopReceiptMismatch")])

    async def work() -> None:
        await become(lambda: bool(queue.done))
        await asyncio.sleep(0.1)  # several times a renewal would be due

    listen(queue, FakeInvoker(work=work), lease_seconds=0.04, until=lambda: len(queue.done) == 2)
    assert [step[0] for step in queue.done] == ["hide", "delete"]


def test_parallel_runs_are_bounded() -> None:
    """At newBatchThreshold left a batch is taken, so at most both together run at once."""
    numbers = itertools.count()
    queue = FakeQueue(batches=[[message(n * 4 + k) for k in range(4)] for n in range(4)])

    async def work() -> None:
        """Of each batch, two go soon, the others once the next batch has come."""
        batch, place = divmod(next(numbers), 4)
        await asyncio.sleep(0.01)
        if place > 1:
            await become(lambda: len(invoker.calls) >= min(batch + 2, 4) * 4)

    invoker = FakeInvoker(work=work)
    listen(queue, invoker, until=lambda: len(queue.done) == 16)
    assert invoker.most == 6
    assert len(invoker.calls) == 16


def test_outage_is_waited_out(caplog: pytest.LogCaptureFixture) -> None:
    """A storage that does not answer is logged once; polls go on and find what comes after."""
    caplog.set_level("INFO")
    down = ServiceRequestError("refused")
    queue = FakeQueue(batches=[down, down, [message()]])
    listen(queue, FakeInvoker(), until=lambda: bool(queue.done))
    assert queue.done == [("delete", "id1", "receipt0")]
    assert caplog.text.count("cannot be read") == 1
    assert caplog.text.count("answers again") == 1


def test_deleted_queue_is_made_again() -> None:
    """A queue removed under a running host comes back."""
    queue = FakeQueue(batches=[storage_error("QueueNotFound")])
    listen(queue, FakeInvoker(), until=lambda: bool(queue.done))
    assert queue.done == [("create",)]


def test_poison_names() -> None:
    """Only a queue that is no poison queue itself has one."""
    assert has_poison_queue("work")
    assert not has_poison_queue("work-poison")
