"""The queue trigger of the local host against a real Azurite, as the real host behaves."""

from __future__ import annotations

import base64
import json
import os
import signal
import time
import uuid
from pathlib import Path
from typing import Any

import httpx
import pytest

from local.azurite import AZURITE_HOME, run_azurite
from tests.host_kit import (
    PATIENCE,
    ROOT,
    AzuriteFactory,
    HostFailedError,
    azurite,
    http,
    open_queue,
    queue_storage,
    read_lines,
    run_host,
    storage_env,
    wait_for,
    write_app,
)

__all__ = ["azurite", "http", "queue_storage"]

QUEUES = {
    "batchSize": 4,
    "newBatchThreshold": 2,
    "maxDequeueCount": 3,
    "visibilityTimeout": "00:00:00",
    "maxPollingInterval": "00:00:00.2",
}
HOST_JSON: dict[str, Any] = {"extensions": {"queues": QUEUES}}

APP = """
import json, os, time
from pathlib import Path
import azure.functions as func

HERE = Path(__file__).parent
app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)

def note(**line):
    with (HERE / "seen.jsonl").open("a") as seen:
        seen.write(json.dumps(line) + "\\n")

def obey(msg, queue):
    text = msg.get_body().decode()
    note(queue=queue, text=text, count=msg.dequeue_count, id=msg.id, at=time.monotonic(),
         inserted=str(msg.insertion_time), expires=str(msg.expiration_time))
    if text.startswith("hold"):
        while not (HERE / "let-go").exists():
            time.sleep(0.02)
    if text.startswith("sleep"):
        time.sleep(float(text.split()[1]))
    if text.startswith(("hold", "sleep")):
        note(queue=queue, text=text, done=True)
    if text.startswith("fail") and (queue == "work" or "everywhere" in text):
        raise RuntimeError("asked to fail")

@app.queue_trigger(arg_name="msg", queue_name="%WORK_QUEUE%", connection="AzureWebJobsStorage")
def work(msg: func.QueueMessage) -> None:
    obey(msg, "work")

@app.queue_trigger(
    arg_name="msg", queue_name="%WORK_QUEUE%-poison", connection="AzureWebJobsStorage"
)
def work_poison(msg: func.QueueMessage) -> None:
    obey(msg, "poison")

@app.route("send", methods=["POST"])
@app.queue_output(arg_name="out", queue_name="%WORK_QUEUE%", connection="AzureWebJobsStorage")
def send(req: func.HttpRequest, out: func.Out[str]) -> func.HttpResponse:
    out.set(req.get_json()["texts"])
    return func.HttpResponse(status_code=202)

@app.route("slow")
def slow(req: func.HttpRequest) -> str:
    note(queue="http", text="begun")
    time.sleep(float(req.params["seconds"]))
    return "done"
"""


@pytest.fixture
def app_dir(tmp_path: Path) -> Path:
    return write_app(tmp_path / "app", APP, host_json=HOST_JSON)


@pytest.fixture
def env(queue_storage: str) -> dict[str, str]:
    """Return settings with a queue of this test's own."""
    return {**storage_env(queue_storage), "WORK_QUEUE": f"work-{uuid.uuid4().hex}"}


def seen(app_dir: Path, queue: str = "work", **wanted: object) -> list[dict[str, Any]]:
    lines = [line for line in read_lines(app_dir / "seen.jsonl") if line["queue"] == queue]
    return [line for line in lines if all(line.get(k) == v for k, v in wanted.items())]


def put(env: dict[str, str], text: str, *, suffix: str = "", raw: bool = False) -> None:
    content = text if raw else base64.b64encode(text.encode()).decode()
    with open_queue(env["AzureWebJobsStorage"], env["WORK_QUEUE"] + suffix) as queue:
        queue.send_message(content)


def let_go(app_dir: Path) -> None:
    """End what was told to hold, now and from now on."""
    (app_dir / "let-go").touch()


def length(env: dict[str, str], suffix: str = "") -> int:
    with open_queue(env["AzureWebJobsStorage"], env["WORK_QUEUE"] + suffix) as queue:
        return int(queue.get_queue_properties().approximate_message_count or 0)


def test_outputs_deliveries_and_poison(
    app_dir: Path, env: dict[str, str], http: httpx.Client
) -> None:
    """A list output is one message an item; success deletes; the third failure goes to poison."""
    with run_host(app_dir, env) as host:
        answer = http.post(f"{host.url}/api/send", json={"texts": ["fine", "fail always", "é"]})
        poisoned = wait_for(lambda: seen(app_dir, "poison"))
        wait_for(lambda: length(env) == 0 and length(env, "-poison") == 0)
        assert host.stop() == 0
    assert answer.status_code == 202
    assert [line["count"] for line in seen(app_dir, text="fail always")] == [1, 2, 3]
    assert [line["count"] for line in seen(app_dir, text="fine")] == [1]
    assert len(seen(app_dir, text="é")) == 1
    assert [line["text"] for line in poisoned] == ["fail always"]
    failed = seen(app_dir, text="fail always")[0]
    assert poisoned[0]["count"] == 1
    assert poisoned[0]["id"] != failed["id"]
    assert failed["inserted"].endswith("+00:00")
    assert failed["expires"] > failed["inserted"]


def test_undecodable_message_goes_to_poison_unrun(app_dir: Path, env: dict[str, str]) -> None:
    """Text that is no base64 is copied as it is; no function of either queue ever sees it."""
    with run_host(app_dir, env, lease_seconds=60) as host:
        put(env, "{not base64}", raw=True)
        put(env, "after")
        wait_for(lambda: seen(app_dir, text="after"))
        wait_for(lambda: length(env) == 0 and length(env, "-poison") == 1)
        wait_for(lambda: host.log.count("Message decoding has failed") == 2)
        assert host.stop() == 0
    assert len(read_lines(app_dir / "seen.jsonl")) == 1


def test_poison_queue_has_no_poison_queue(app_dir: Path, env: dict[str, str]) -> None:
    """What fails on a poison queue stays there, hidden until the lease ends, then runs again."""
    with run_host(app_dir, env, lease_seconds=2):
        before = time.monotonic()
        put(env, "fail everywhere", suffix="-poison")
        wait_for(lambda: len(seen(app_dir, "poison")) >= 2)
    first, second = seen(app_dir, "poison")[:2]
    assert second["at"] - before >= 2
    assert (first["count"], second["count"]) == (1, 2)
    assert length(env, "-poison") == 1


def test_lease_is_renewed_while_a_function_runs(app_dir: Path, env: dict[str, str]) -> None:
    """A run longer than the lease is not delivered twice, and its newest receipt deletes it.

    A machine that stands still loses a short lease, so there are longer ones to show it with;
    without a renewal all would be lost.
    """

    def deliveries(lease: int) -> list[int]:
        text = f"sleep {lease * 1.75}"
        with run_host(app_dir, env, lease_seconds=lease):
            put(env, text)
            wait_for(lambda: seen(app_dir, text=text, done=True))
            wait_for(lambda: length(env) == 0)
        return [line["count"] for line in seen(app_dir, text=text) if "count" in line]

    assert any(deliveries(lease) == [1] for lease in (2, 8, 32))


def test_killed_host_gives_the_message_back(app_dir: Path, env: dict[str, str]) -> None:
    """After SIGKILL the message reappears when its lease ends, with a higher dequeue count."""
    with run_host(app_dir, env, lease_seconds=2) as host:
        put(env, "hold")
        wait_for(lambda: seen(app_dir))
        assert host.stop(by=signal.SIGKILL) == -signal.SIGKILL
    let_go(app_dir)
    with run_host(app_dir, env):
        wait_for(lambda: seen(app_dir, text="hold", done=True))
        wait_for(lambda: length(env) == 0)
    counts = [line["count"] for line in seen(app_dir) if "count" in line]
    assert counts == sorted(set(counts))
    assert len(counts) >= 2


def test_sigterm_drains(app_dir: Path, env: dict[str, str]) -> None:
    """SIGTERM, even twice, lets what runs end, takes no further message, and exits 0."""
    with run_host(app_dir, env, drain_seconds=PATIENCE) as host:
        put(env, "hold")
        wait_for(lambda: seen(app_dir))
        host.process.send_signal(signal.SIGTERM)
        wait_for(lambda: "Stopping: 1 invocations" in host.log)
        put(env, "too late")
        host.process.send_signal(signal.SIGTERM)
        let_go(app_dir)
        assert host.process.wait(PATIENCE) == 0
    assert len(seen(app_dir, done=True)) == 1
    assert not seen(app_dir, text="too late")
    assert length(env) == 1


def test_drain_is_bounded(app_dir: Path, env: dict[str, str]) -> None:
    """A function that outlives the drain is left behind; its message stays for the next host."""
    with run_host(app_dir, env, drain_seconds=0.5) as host:
        put(env, "hold")
        wait_for(lambda: seen(app_dir))
        assert host.stop() == 0
    assert not seen(app_dir, done=True)
    assert "did not end within" in host.log
    assert length(env) == 1


def test_function_timeout_ends_the_host(env: dict[str, str], tmp_path: Path) -> None:
    """Over functionTimeout the host logs the function and ends with 3; the message stays leased."""
    options = {**HOST_JSON, "functionTimeout": "00:00:01"}
    app_dir = write_app(tmp_path / "app", APP, host_json=options)
    with run_host(app_dir, env) as host:
        put(env, "hold")
        assert host.process.wait(PATIENCE) == 3
    assert "Timeout value of 1 s exceeded by function 'work'" in host.log
    assert length(env) == 1
    with open_queue(env["AzureWebJobsStorage"], env["WORK_QUEUE"]) as queue:
        assert queue.receive_message() is None


def test_taken_message_is_only_logged(app_dir: Path, env: dict[str, str]) -> None:
    """A message deleted behind a running function's back costs a log line, nothing more."""
    with run_host(app_dir, env) as host:
        put(env, "hold")
        wait_for(lambda: seen(app_dir))
        with open_queue(env["AzureWebJobsStorage"], env["WORK_QUEUE"]) as queue:
            queue.clear_messages()
        let_go(app_dir)
        wait_for(lambda: "is no longer ours" in host.log)
        put(env, "next")
        wait_for(lambda: seen(app_dir, text="next"))
        assert host.stop() == 0


def test_messages_survive_a_restart_of_azurite(
    azurite: AzuriteFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a state folder, messages outlive the process; relative folders are fine."""
    monkeypatch.chdir(tmp_path)
    home = Path(os.path.relpath(ROOT / AZURITE_HOME))
    with run_azurite(home, state=Path("queues")) as connection:
        put({"AzureWebJobsStorage": connection, "WORK_QUEUE": "kept"}, "kept")
    with run_azurite(home, state=Path("queues")) as connection:
        assert length({"AzureWebJobsStorage": connection, "WORK_QUEUE": "kept"}) == 1


def test_missing_storage_is_named(app_dir: Path) -> None:
    """An app with queue functions and no storage is refused with the setting's name."""
    with pytest.raises(HostFailedError) as failure, run_host(app_dir, {"WORK_QUEUE": "x"}):
        pass
    assert failure.value.status == 1
    assert "Missing value for AzureWebJobsStorage" in failure.value.text


def test_admin_runs_a_queue_function(
    app_dir: Path, env: dict[str, str], http: httpx.Client
) -> None:
    """POST /admin/functions/NAME runs it with the given input and answers 202."""
    with run_host(app_dir, env) as host:
        body = json.dumps({"input": "by hand"})
        assert http.post(f"{host.url}/admin/functions/nobody", content=body).status_code == 404
        assert http.post(f"{host.url}/admin/functions/slow", content=body).status_code == 400
        assert http.post(f"{host.url}/admin/functions/work", content="{").status_code == 400
        assert http.post(f"{host.url}/admin/functions/work", content=body).status_code == 202
        wait_for(lambda: seen(app_dir, text="by hand", count=1))
