"""Runs invocations on behalf of every trigger: log lines, outputs, the time limit, the drain."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping

from local.host.protos import Message, TypedData
from local.host.worker import Function, Result, Worker

log = logging.getLogger("host")

Emit = Callable[[Mapping[str, object], Message], Awaitable[None]]
"""Carries one value out through one output binding; raises when it cannot."""


class Invoker:
    """Counts what runs, so that a stop can wait for it."""

    def __init__(
        self,
        worker: Worker,
        *,
        emit: Emit,
        timeout: float | None,
        on_timeout: Callable[[], None],
    ) -> None:
        self._worker = worker
        self._emit = emit
        self._timeout = timeout
        self._on_timeout = on_timeout
        self.running = 0

    async def run(
        self,
        function: Function,
        data: TypedData,
        *,
        reason: str,
        metadata: Mapping[str, TypedData] | None = None,
    ) -> Result:
        """Run `function` once and carry out its outputs; an output that fails fails the run.

        A run longer than the time limit cannot be stopped, as in Azure: `on_timeout` ends the
        process, the queue message stays leased and is delivered again when the lease ends.
        """
        invocation_id = str(uuid.uuid4())
        log.info("Executing '%s' (Reason='%s', Id=%s)", function.name, reason, invocation_id)
        started = time.monotonic()
        self.running += 1
        try:
            task = asyncio.create_task(
                self._worker.invoke(function, data, invocation_id=invocation_id, metadata=metadata)
            )
            done, _ = await asyncio.wait({task}, timeout=self._timeout)
            if not done:
                log.critical(
                    "Timeout value of %.0f s exceeded by function '%s' (Id=%s): the host stops.",
                    self._timeout,
                    function.name,
                    invocation_id,
                )
                self._on_timeout()
            result = await self._carry_out(function, await task)
        finally:
            self.running -= 1
        _log_end(function, result, invocation_id, time.monotonic() - started)
        return result

    async def _carry_out(self, function: Function, result: Result) -> Result:
        values = list(result.outputs)
        returns = function.outputs.get("$return", {})
        if result.returned is not None and returns.get("type") == "queue":
            values.append(("$return", result.returned))
        try:
            for name, data in values:
                if data is not None:
                    await self._emit(function.outputs[name], data)
        except Exception as error:
            log.exception("Output '%s' of function '%s' failed", name, function.name)
            return Result(ok=False, error=f"Output {name} failed: {type(error).__name__}")
        return result


def _log_end(function: Function, result: Result, invocation_id: str, seconds: float) -> None:
    duration = round(seconds * 1000)
    if result.ok:
        log.info("Executed '%s' (Succeeded, Id=%s, %dms)", function.name, invocation_id, duration)
    else:
        log.error(
            "Executed '%s' (Failed, Id=%s, %dms) %s",
            function.name,
            invocation_id,
            duration,
            result.stack_trace or result.error,
        )
