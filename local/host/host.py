"""Puts the parts together: loads the app, starts its triggers, drains them at the end."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from local.host.config import (
    HostOptions,
    apply_settings,
    expand,
    is_disabled,
    read_host_options,
    read_local_settings,
)
from local.host.cors import Cors
from local.host.errors import HostError
from local.host.http_server import HttpServer
from local.host.invoker import Invoker
from local.host.logs import set_up_logging
from local.host.protos import Message, TypedData
from local.host.queue_messages import encode, to_bodies
from local.host.worker import Function, Worker

if TYPE_CHECKING:
    from local.host.queue_storage import Queue, QueueStorage
    from local.host.queues import QueueListener
    from local.host.timers import TimerListener

log = logging.getLogger("host")

EXIT_TIMEOUT = 3
"""The status of a host that ended because a function ran longer than `functionTimeout`."""
EXIT_INTERRUPTED = 130


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeOptions:
    """What the command line says; times in seconds."""

    app_dir: Path
    port: int = 0
    lease_seconds: int = 600
    drain_seconds: float = 30.0
    state: Path | None = None


class Host:
    """One loaded app with its triggers; making it raises HostError for what cannot work."""

    def __init__(
        self,
        options: ServeOptions,
        *,
        host: HostOptions,
        worker: Worker,
        functions: tuple[Function, ...],
        cors: Cors,
    ) -> None:
        self._options = options
        self._host = host
        self._functions = functions
        self._storage: QueueStorage | None = None
        self._once: set[asyncio.Task[object]] = set()
        self._invoker = Invoker(
            worker, emit=self._emit, timeout=host.function_timeout, on_timeout=_end_at_timeout
        )
        for function in functions:
            for output in function.outputs.values():
                if output["type"] == "queue":
                    self._open_queue(output)
        self._queues: dict[str, QueueListener] = {
            f.name: self._queue_listener(f) for f in functions if f.kind == "queueTrigger"
        }
        self._timers: dict[str, TimerListener] = {
            f.name: self._timer_listener(f) for f in functions if f.kind == "timerTrigger"
        }
        self._server = HttpServer(
            functions,
            prefix=host.route_prefix,
            invoker=self._invoker,
            cors=cors,
            run_once=self._run_once,
            port=options.port,
        )

    async def serve(self, announce: Callable[[str], None]) -> bool:
        """Run until a signal comes; return whether all that ran came to its end.

        Raises HostError when a listener breaks.
        """
        stopping = _stop_signals()
        await asyncio.gather(*(listener.prepare() for listener in self._queues.values()))
        await self._server.start()
        listeners: list[QueueListener | TimerListener] = [
            *self._queues.values(),
            *self._timers.values(),
        ]
        tasks: set[asyncio.Task[None]] = {asyncio.create_task(one.run()) for one in listeners}
        self._list_functions()
        announce(self._server.url)
        waiting = asyncio.create_task(stopping.wait())
        done, _ = await asyncio.wait({waiting, *tasks}, return_when=asyncio.FIRST_COMPLETED)
        for task in done - {waiting}:
            await task
            raise HostError("A listener ended by itself.")
        for listener in listeners:
            listener.stop()
        return await self._drain({*tasks, asyncio.create_task(self._server.stop())})

    async def _drain(self, tasks: set[asyncio.Task[None]]) -> bool:
        log.info("Stopping: %d invocations are running", self._invoker.running)
        _, pending = await asyncio.wait(tasks | self._once, timeout=self._options.drain_seconds)
        if pending:
            log.warning(
                "%d invocations did not end within %.0f s: their messages come back when the "
                "lease ends",
                self._invoker.running,
                self._options.drain_seconds,
            )
        if self._storage is not None:
            self._storage.close()
        return not pending

    def _queue_listener(self, function: Function) -> QueueListener:
        from local.host.queue_storage import POISON, has_poison_queue
        from local.host.queues import QueueListener

        queue = self._open_queue(function.trigger)
        has_poison = has_poison_queue(queue.name)
        return QueueListener(
            function,
            queue=queue,
            poison=self._open_queue(function.trigger, POISON) if has_poison else None,
            options=self._host.queues,
            lease_seconds=self._options.lease_seconds,
            invoker=self._invoker,
            notify=self._notify,
        )

    def _timer_listener(self, function: Function) -> TimerListener:
        from local.host.schedules import parse_schedule
        from local.host.timers import TimerListener

        schedule = parse_schedule(expand(function.trigger["schedule"], os.environ))
        return TimerListener(
            function, schedule=schedule, state=self._options.state, invoker=self._invoker
        )

    def _open_queue(self, binding: Mapping[str, object], suffix: str = "") -> Queue:
        from local.host.queue_storage import QueueStorage

        if self._storage is None:
            self._storage = QueueStorage(os.environ)
        connection = str(binding.get("connection") or "")
        name = expand(str(binding["queueName"]), os.environ)
        return self._storage.queue(connection, name + suffix)

    async def _emit(self, binding: Mapping[str, object], data: Message) -> None:
        queue = self._open_queue(binding)
        for body in to_bodies(data):
            await queue.send(encode(body, base64_encoded=self._host.queues.base64))
        self._notify(queue.name)

    def _notify(self, queue_name: str) -> None:
        for listener in self._queues.values():
            if listener.queue.name == queue_name:
                listener.wake()

    def _run_once(self, function: Function, value: str) -> None:
        reason = "Started by POST /admin/functions"
        timer = self._timers.get(function.name)
        if timer is not None:
            task: asyncio.Task[object] = asyncio.create_task(timer.run_once(reason=reason))
        else:
            metadata = {"Id": TypedData(string="admin"), "DequeueCount": TypedData(json="1")}
            task = asyncio.create_task(
                self._invoker.run(
                    function, TypedData(string=value), metadata=metadata, reason=reason
                )
            )
        self._once.add(task)
        task.add_done_callback(self._once.discard)

    def _list_functions(self) -> None:
        for route in self._server.routes:
            methods = ",".join(sorted(route.methods)) or "ALL"
            log.info("%s: [%s] %s/%s", route.function, methods, self._server.url, route.template)
        for name, queue in self._queues.items():
            log.info("%s: queueTrigger on '%s'", name, queue.queue.name)
        for name, timer in self._timers.items():
            log.info("%s: timerTrigger, next at %s", name, timer.next_run().isoformat())
        if not self._functions:
            log.warning("No functions found: is there a FunctionApp with decorated functions?")


async def serve(options: ServeOptions) -> bool:
    """Serve the app until SIGTERM or SIGINT; return whether everything under way was finished.

    Prints one JSON line with the URL on stdout once every function is loaded and answers; what
    the app prints goes to stderr. Raises HostError when the app cannot be served.
    """
    host_options = read_host_options(options.app_dir)
    settings = read_local_settings(options.app_dir)
    apply_settings(settings, os.environ)
    set_up_logging(host_options.log_level)
    stdout, sys.stdout = sys.stdout, sys.stderr
    worker = await Worker.load(options.app_dir)
    active = tuple(f for f in worker.functions if not is_disabled(f.name, os.environ))
    for function in worker.functions:
        if function not in active:
            log.info("%s: disabled by its setting", function.name)
    host = Host(
        options,
        host=host_options,
        worker=worker,
        functions=active,
        cors=Cors(origins=settings.cors, credentials=settings.cors_credentials),
    )

    def announce(url: str) -> None:
        print(json.dumps({"url": url}), file=stdout, flush=True)

    return await host.serve(announce)


def _stop_signals() -> asyncio.Event:
    """Return an event that the first SIGTERM or SIGINT sets; a second Ctrl-C ends the process.

    A second SIGTERM is nothing new: after a Ctrl-C in a terminal, the group's parent sends one.
    """
    stopping = asyncio.Event()
    presses: list[int] = []

    def stop(number: int) -> None:
        presses.extend([number] if number == signal.SIGINT else [])
        if len(presses) > 1:
            os._exit(EXIT_INTERRUPTED)
        stopping.set()

    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        try:
            loop.add_signal_handler(name, stop, name)
        except NotImplementedError:  # Windows
            signal.signal(name, lambda number, _: loop.call_soon_threadsafe(stop, number))
    return stopping


def _end_at_timeout() -> None:
    """End at once: a thread cannot be stopped, and Azure restarts the whole worker too."""
    sys.stderr.flush()
    os._exit(EXIT_TIMEOUT)
