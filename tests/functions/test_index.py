"""What the worker finds when it loads the app."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.functions.kit import http_functions, indexed_functions
from tests.host_kit import ROOT

STORAGE = "AzureWebJobsStorage"
ROUTES = {
    "GET api/health",
    "GET api/ready",
    "GET api/openapi.json",
    "GET api/v1/providers",
    "GET api/v1/providers/{slug}",
    "GET api/v1/me",
    "PUT api/v1/me",
    "POST api/v1/instances",
    "GET api/v1/instances",
    "GET api/v1/instances/{instance_id}",
    "DELETE api/v1/instances/{instance_id}",
    "PUT api/v1/instances/{instance_id}/connection",
    "DELETE api/v1/instances/{instance_id}/connection",
    "POST api/v1/instances/{instance_id}/oauth/start",
    "POST api/v1/oauth/complete",
    "GET oauth/callback/{provider}",
    "GET api/v1/instances/{instance_id}/streams",
    "GET api/v1/instances/{instance_id}/mappings",
    "PUT api/v1/instances/{instance_id}/mappings",
    "POST api/v1/instances/{instance_id}/mappings/preview",
    "GET api/v1/instances/{instance_id}/tables",
    "PUT api/v1/instances/{instance_id}/tables",
    "POST api/v1/instances/{instance_id}/tables/discover",
    "PUT api/v1/instances/{instance_id}/sync-config",
    "POST api/v1/instances/{instance_id}/activate",
    "POST api/v1/instances/{instance_id}/pause",
    "POST api/v1/instances/{instance_id}/resume",
    "POST api/v1/instances/{instance_id}/jobs",
    "POST api/v1/warehouses",
    "GET api/v1/warehouses",
    "POST api/v1/warehouses/test",
    "GET api/v1/warehouses/{warehouse_id}",
    "PUT api/v1/warehouses/{warehouse_id}",
    "DELETE api/v1/warehouses/{warehouse_id}",
    "POST api/v1/warehouses/{warehouse_id}/test",
    "GET api/v1/jobs",
    "GET api/v1/jobs/{job_id}",
    "POST api/v1/jobs/{job_id}/cancel",
    "POST api/v1/jobs/{job_id}/approve",
    "POST api/v1/jobs/{job_id}/reject",
    "POST api/v1/jobs/{job_id}/retry",
    "POST api/v1/jobs/{job_id}/undo",
    "POST api/v1/records/{record_id}/replay",
    "GET api/v1/logs",
    "GET api/v1/logs/{log_id}/records",
    "GET api/v1/conflicts",
    "POST api/v1/conflicts/{conflict_id}",
    "GET api/v1/admin/dead-letters",
    "POST api/v1/admin/dead-letters/{letter_id}/replay",
    "GET api/v1/admin/breakers",
    "POST api/v1/admin/breakers/{breaker_id}/reset",
}
QUEUES = {
    "sync_manual": "sync-manual",
    "sync_scheduled": "sync-scheduled",
    "sync_manual_poison": "sync-manual-poison",
    "sync_scheduled_poison": "sync-scheduled-poison",
}
TIMERS = {"tick": "0 * * * * *", "maintain": "0 17 * * * *"}
LIST_THEM = """
import json, sys
import function_app
names = [f.get_function_name() for f in function_app.app.get_functions()]
heavy = {"sqlalchemy", "httpx", "jwt", "cryptography", "azure.storage", "azure.keyvault", "alembic"}
print(json.dumps({"names": names, "heavy": sorted(heavy & set(sys.modules))}))
"""


def triggers(kind: str) -> dict[str, dict[str, Any]]:
    return {
        function.get_function_name(): function.get_trigger().get_dict_repr()
        for function in indexed_functions()
        if function.get_trigger().get_dict_repr()["type"] == kind
    }


def test_the_app_loads_without_any_setting() -> None:
    """An empty environment is enough to index every function, and loads no heavy library."""
    done = subprocess.run(
        [sys.executable, "-c", LIST_THEM],
        cwd=ROOT,
        env={},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["heavy"] == []
    assert found["names"] == [f.get_function_name() for f in indexed_functions()]


def test_http_routes_are_exactly_these() -> None:
    """Every route of the API is served by one function, and no other route is."""
    served = [f"{function.method} {function.route}" for function in http_functions()]
    assert sorted(served) == sorted(ROUTES)


def test_http_functions_leave_keys_to_the_app() -> None:
    """No HTTP function asks for a function key: callers are known by their token."""
    levels = {trigger["authLevel"].value for trigger in triggers("httpTrigger").values()}
    assert levels == {"anonymous"}


def test_queue_triggers_are_the_two_queues_and_their_poison() -> None:
    """Each queue has one function, and each poison queue as the host names it."""
    found = triggers("queueTrigger")
    assert {name: trigger["queueName"] for name, trigger in found.items()} == QUEUES
    assert {trigger["connection"] for trigger in found.values()} == {STORAGE}


def test_timers_are_tick_and_maintain() -> None:
    """There are two timers with schedules kept over restarts."""
    found = triggers("timerTrigger")
    assert {name: trigger["schedule"] for name, trigger in found.items()} == TIMERS
    assert all(trigger["useMonitor"] for trigger in found.values())


def test_nothing_else_is_indexed() -> None:
    """Besides HTTP, queues and timers the app has no function."""
    assert len(indexed_functions()) == len(ROUTES) + len(QUEUES) + len(TIMERS)


@pytest.mark.parametrize("function", http_functions(), ids=lambda f: f.name)
def test_the_worker_sees_plain_handlers(function: Any) -> None:
    """A handler's only parameter is `req`: the worker refuses a signature with `caller` in it."""
    code = function.call.__code__
    assert code.co_varnames[: code.co_argcount] == ("req",)
    assert function.call.__doc__
