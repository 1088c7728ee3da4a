"""The worker side: Microsoft's `azure_functions_runtime` loads the app and runs its functions.

The library is the code that Azure itself runs for Python 3.13 and later. What it validates,
converts and refuses here, it does there.
"""

from __future__ import annotations

import json
import os
import sys
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import azure_functions_runtime as runtime

from local.host.errors import HostError
from local.host.protos import Message, StatusResult, TypedData, request

TRIGGERS = frozenset({"httpTrigger", "queueTrigger", "timerTrigger"})
OUTPUTS = frozenset({"http", "queue"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """A loaded function: its trigger and the outputs the host must carry out, by binding name."""

    name: str
    function_id: str
    trigger: Mapping[str, Any]
    outputs: Mapping[str, Mapping[str, Any]]

    @property
    def kind(self) -> str:
        """The trigger's type, such as `queueTrigger`."""
        return str(self.trigger["type"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How an invocation ended; `error` and `stack_trace` are empty where it succeeded."""

    ok: bool
    returned: Message | None = None
    outputs: tuple[tuple[str, Message], ...] = ()
    error: str = ""
    stack_trace: str = ""


def current_invocation() -> str:
    """Return the id of the invocation this code runs for, or ''."""
    return str(runtime.invocation_id_cv.get() or "")


class Worker:
    """The loaded app. There is one in a process: the library keeps its registry in a module."""

    def __init__(self, functions: tuple[Function, ...]) -> None:
        self.functions = functions

    @classmethod
    async def load(cls, app_dir: Path) -> Self:
        """Import `app_dir/function_app.py` and return its functions, in their order.

        The process works in `app_dir` afterwards, as Azure's does. Raises HostError with the
        library's own words when the app cannot be loaded.
        """
        if not (app_dir / "function_app.py").exists():
            raise HostError(f"There is no function_app.py in {app_dir}.")
        sys.path.insert(0, str(app_dir))
        os.chdir(app_dir)
        runtime.start_threadpool_executor()
        started = await runtime.worker_init_request(
            request(
                worker_init_request=Message(capabilities={}, function_app_directory=str(app_dir))
            )
        )
        _require_success(started.result)
        indexed = await runtime.functions_metadata_request(
            request(functions_metadata_request=Message())
        )
        functions = []
        for metadata in indexed.function_metadata_results or ():
            loaded = await runtime.function_load_request(
                request(function_load_request=Message(function_id=metadata.function_id))
            )
            _require_success(loaded.result)
            functions.append(read_function(metadata))
        return cls(tuple(functions))

    async def invoke(
        self,
        function: Function,
        data: TypedData,
        *,
        invocation_id: str,
        metadata: Mapping[str, TypedData] | None = None,
    ) -> Result:
        """Run `function` once with `data` for its trigger; never raises for what the app does."""
        token = runtime.invocation_id_cv.set(invocation_id)
        try:
            response = await runtime.invocation_request(
                request(
                    invocation_request=Message(
                        invocation_id=invocation_id,
                        function_id=function.function_id,
                        input_data=[Message(name=function.trigger["name"], data=data)],
                        trigger_metadata=dict(metadata or {}),
                        trace_context=Message(
                            trace_parent=f"00-{uuid.uuid4().hex}-{uuid.uuid4().hex[:16]}-01",
                            trace_state="",
                            attributes={},
                        ),
                        retry_context=Message(retry_count=0, max_retry_count=0, exception=None),
                    )
                )
            )
        finally:
            runtime.invocation_id_cv.reset(token)
        if response.result.status != StatusResult.Success:
            exception = response.result.exception
            return Result(ok=False, error=exception.message, stack_trace=exception.stack_trace)
        return Result(
            ok=True,
            returned=response.return_value,
            outputs=tuple((item.name, item.data) for item in response.output_data),
        )


def read_function(metadata: Message) -> Function:
    """Return the function the library indexed; raise HostError for bindings not served here."""
    bindings = [json.loads(raw) for raw in metadata.raw_bindings]
    triggers = [binding for binding in bindings if binding["type"].endswith("Trigger")]
    outputs = [binding for binding in bindings if binding["direction"] == "OUT"]
    served = TRIGGERS | OUTPUTS
    strange = [b["type"] for b in bindings if b["type"] not in served]
    strange += [b["type"] for b in bindings if b not in triggers and b not in outputs]
    if len(triggers) != 1 or strange:
        kinds = ", ".join(sorted(set(strange))) or "no trigger"
        raise HostError(
            f"Function {metadata.name} uses {kinds}; this host serves "
            f"{', '.join(sorted(TRIGGERS))} and the outputs {', '.join(sorted(OUTPUTS))}."
        )
    return Function(
        name=metadata.name,
        function_id=metadata.function_id,
        trigger=triggers[0],
        outputs={binding["name"]: binding for binding in outputs},
    )


def _require_success(result: Message) -> None:
    if result.status != StatusResult.Success:
        exception = result.exception
        raise HostError(f"{exception.message}\n{exception.stack_trace}".rstrip())
