"""HTTP as a function of the real worker library sees it and as a client gets it back."""

from __future__ import annotations

import http.client
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from local.host.http_server import _listen
from tests.host_kit import PATIENCE, RunningHost, run_host, write_app
from tests.host_kit import http as client

__all__ = ["client"]

ORIGIN = "http://dashboard.test"

APP = """
import json, logging, os, threading
import azure.functions as func

print("printed while loading")
app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)

@app.route("echo/{kind:alpha}/{number:int?}", methods=["GET", "POST", "HEAD"])
def echo(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    logging.info("inside\\nthe function")
    seen = {
        "method": req.method, "url": req.url, "headers": dict(req.headers),
        "query": dict(req.params), "route": dict(req.route_params),
        "body": req.get_body().decode(), "id": context.invocation_id,
        "thread": threading.current_thread().name,
    }
    return func.HttpResponse(json.dumps(seen), mimetype="application/json", headers={"X-Own": "1"})

@app.route("cookies")
def cookies(req: func.HttpRequest) -> func.HttpResponse:
    answer = func.HttpResponse(status_code=302, headers={"Location": "/elsewhere"})
    answer.headers.add("Set-Cookie", "a=1; Path=/; HttpOnly; SameSite=Lax")
    late = "Wed, 21 Oct 2037 07:28:00 GMT"
    answer.headers.add("Set-Cookie", f"b=2; Max-Age=60; Secure; Expires={late}")
    return answer

@app.route("boom")
async def boom(req: func.HttpRequest) -> func.HttpResponse:
    raise RuntimeError("it broke")

@app.route("text")
async def text(req: func.HttpRequest) -> str:
    return "plain text"

@app.route("empty", methods=["DELETE"])
def empty(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(status_code=204)

@app.route("setting")
def setting(req: func.HttpRequest) -> str:
    return os.environ[req.params["name"]]

@app.route("gone")
def gone(req: func.HttpRequest) -> str:
    return "disabled"
"""

SETTINGS = {
    "Values": {"FROM_FILE": "file", "FROM_BOTH": "file", "AzureWebJobs.gone.Disabled": "true"},
    "Host": {"CORS": f"{ORIGIN}, http://other.test", "CORSCredentials": True},
}


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHost]:
    """Run one app for every test here; it has no queue function and no storage is set."""
    folder = write_app(tmp_path_factory.mktemp("http"), APP, local_settings=SETTINGS)
    with run_host(folder, {"FROM_BOTH": "env"}) as running:
        yield running
        assert running.stop() == 0


def test_request_as_the_function_sees_it(host: RunningHost, client: httpx.Client) -> None:
    """Headers are lower-case, repeated query values joined, empty ones dropped, the URL whole."""
    answer = client.post(
        f"{host.url}/api/Echo/abc/-5?a=1&a=2&b=&c=x%20y",
        content=b"body",
        headers={"X-Thing": "T", "Content-Type": "text/plain"},
    )
    seen = answer.json()
    assert answer.status_code == 200
    assert answer.headers["x-own"] == "1"
    assert answer.headers["content-type"] == "application/json"
    assert seen["url"] == f"{host.url}/api/Echo/abc/-5?a=1&a=2&b=&c=x%20y"
    assert seen["query"] == {"a": "1,2", "c": "x y"}
    assert seen["route"] == {"kind": "abc", "number": "-5"}
    assert (seen["method"], seen["body"]) == ("POST", "body")
    assert seen["headers"]["x-thing"] == "T"
    assert all(name == name.lower() for name in seen["headers"])
    assert seen["thread"].startswith("ThreadPoolExecutor")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/echo/abc1"),
        ("GET", "/api/echo/abc/x"),
        ("DELETE", "/api/echo/abc"),
        ("GET", "/echo/abc"),
        ("HEAD", "/api/empty"),
        ("GET", "/api/gone"),
    ],
)
def test_not_found(host: RunningHost, client: httpx.Client, method: str, path: str) -> None:
    """A constraint, a method or a prefix that does not fit is a 404, and so is a disabled one."""
    answer = client.request(method, host.url + path)
    assert (answer.status_code, answer.content) == (404, b"")


def test_head(host: RunningHost, client: httpx.Client) -> None:
    """HEAD runs a function that declares it; the answer has the length and no body."""
    answer = client.head(f"{host.url}/api/echo/abc")
    assert (answer.status_code, answer.content) == (200, b"")
    assert int(answer.headers["content-length"]) > 100


def test_no_answer_waits_for_an_acknowledgement() -> None:
    """The listening socket says TCP, which is what asyncio sets TCP_NODELAY by."""
    with _listen(0) as listener:
        assert listener.proto == socket.IPPROTO_TCP


def test_redirect_with_cookies(host: RunningHost, client: httpx.Client) -> None:
    """A redirect is passed on with every cookie in a header of its own."""
    answer = client.get(f"{host.url}/api/cookies")
    assert answer.status_code == 302
    assert answer.headers["location"] == "/elsewhere"
    assert answer.headers.get_list("set-cookie") == [
        "a=1; path=/; samesite=lax; httponly",
        "b=2; expires=Wed, 21 Oct 2037 07:28:00 GMT; max-age=60; secure",
    ]


def test_exception_is_an_empty_500(host: RunningHost, client: httpx.Client) -> None:
    """What a function raises reaches the log with its traceback, never the client."""
    answer = client.get(f"{host.url}/api/boom")
    assert (answer.status_code, answer.content) == (500, b"")
    line = next(line for line in host.log.splitlines() if "Executed 'boom' (Failed" in line)
    assert "RuntimeError: it broke" in line
    assert "function_app.py" in line


def test_returned_text_and_nothing(host: RunningHost, client: httpx.Client) -> None:
    """A returned str is text/plain; a 204 has neither body nor length."""
    text = client.get(f"{host.url}/api/text")
    assert (text.status_code, text.text) == (200, "plain text")
    assert text.headers["content-type"] == "text/plain; charset=utf-8"
    empty = client.delete(f"{host.url}/api/empty")
    assert (empty.status_code, empty.content) == (204, b"")
    assert "content-length" not in empty.headers


def test_body_without_length_is_dropped(host: RunningHost, client: httpx.Client) -> None:
    """A chunked body is not passed on, as on the real host."""
    answer = client.post(f"{host.url}/api/echo/abc", content=iter([b"chunk"]))
    assert answer.json()["body"] == ""


def test_body_over_the_limit_is_refused(host: RunningHost) -> None:
    """More than 100 MB is a 413 before a byte is read."""
    connection = http.client.HTTPConnection(host.url.removeprefix("http://"), timeout=PATIENCE)
    connection.putrequest("POST", "/api/echo/abc")
    connection.putheader("Content-Length", str(100 * 1024 * 1024 + 1))
    connection.endheaders()
    answer = connection.getresponse()
    assert answer.status == 413
    answer.close()
    connection.close()


def test_connection_is_kept(host: RunningHost) -> None:
    """Several requests go over one connection."""
    connection = http.client.HTTPConnection(host.url.removeprefix("http://"), timeout=PATIENCE)
    connection.request("GET", "/api/text")
    connection.getresponse().read()
    port = connection.sock.getsockname()[1]
    connection.request("GET", "/api/text")
    assert connection.getresponse().read() == b"plain text"
    assert connection.sock.getsockname()[1] == port
    connection.close()


def test_cors(host: RunningHost, client: httpx.Client) -> None:
    """A preflight of an allowed origin is answered for every route; another gets no headers."""
    asked = {
        "Origin": ORIGIN,
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": "authorization",
    }
    preflight = client.options(f"{host.url}/api/any", headers=asked)
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == ORIGIN
    assert preflight.headers["access-control-allow-methods"] == "PUT"
    assert preflight.headers["access-control-allow-headers"] == "authorization"
    assert preflight.headers["access-control-allow-credentials"] == "true"
    answer = client.get(f"{host.url}/api/text", headers={"Origin": ORIGIN})
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert answer.headers["vary"] == "Origin"
    stranger = client.options(
        f"{host.url}/api/any", headers={**asked, "Origin": "http://evil.test"}
    )
    assert stranger.status_code == 204
    assert "access-control-allow-origin" not in stranger.headers


def test_settings(host: RunningHost, client: httpx.Client) -> None:
    """The file fills what the environment lacks; the thread count is set."""

    def value(name: str) -> str:
        return client.get(f"{host.url}/api/setting", params={"name": name}).text

    assert value("FROM_FILE") == "file"
    assert value("FROM_BOTH") == "env"
    assert value("PYTHON_THREADPOOL_THREAD_COUNT") == "16"


def test_log_lines_carry_the_invocation(host: RunningHost, client: httpx.Client) -> None:
    """Every line is one event, those of a run carry its id, prints do not reach stdout."""
    run = client.get(f"{host.url}/api/echo/abc").json()["id"]
    lines = host.log.splitlines()
    inside = [line for line in lines if f"[{run}]" in line and "inside | the function" in line]
    assert len(inside) == 1
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z INFO ", inside[0])
    assert any("Executing 'echo'" in line and run in line for line in lines)
    assert any(re.search(r"Executed 'echo' \(Succeeded, Id=.*ms\)", line) for line in lines)
    assert "printed while loading" in lines
    assert any("echo: [GET,HEAD,POST] http://127.0.0.1:" in line for line in lines)
    assert any("gone: disabled" in line for line in lines)


def test_admin(host: RunningHost, client: httpx.Client) -> None:
    """The admin routes a developer uses answer as the host's."""
    assert client.get(f"{host.url}/admin/host/status").json()["state"] == "Running"
    assert client.get(f"{host.url}/admin/host/ping").status_code == 200
    functions = {f["name"]: f for f in client.get(f"{host.url}/admin/functions").json()}
    assert functions["text"]["invoke_url_template"] == f"{host.url}/api/text"
    assert client.get(f"{host.url}/admin/else").status_code == 404
    assert client.get(host.url).status_code == 200


def test_sigterm_finishes_requests(tmp_path: Path, client: httpx.Client) -> None:
    """A stop during a request still answers it."""
    code = (
        "import os, signal, time\nimport azure.functions as func\n"
        "app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)\n"
        "@app.route('stop')\ndef stop(req: func.HttpRequest) -> str:\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n    time.sleep(0.5)\n    return 'finished'\n"
    )
    with run_host(write_app(tmp_path, code)) as running:
        assert client.get(f"{running.url}/api/stop").text == "finished"
        assert running.process.wait(PATIENCE) == 0
