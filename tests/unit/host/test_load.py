"""What a broken app or a wrong set-up looks like at start, in the worker library's own words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from local.host.__main__ import parse_options
from tests.host_kit import (
    HostFailedError,
    http,
    read_lines,
    run_host,
    wait_for,
    write_app,
)

__all__ = ["http"]

HEAD = "import azure.functions as func\napp = func.FunctionApp()\n"


def failure(folder: Path, code: str, **files: Any) -> HostFailedError:
    """Return how the host ends on an app that cannot be served."""
    with pytest.raises(HostFailedError) as caught, run_host(write_app(folder, code, **files)):
        pass
    return caught.value


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("import not_there_at_all\n", "ModuleNotFoundError: No module named 'not_there_at_all'"),
        ("def broken(:\n", "SyntaxError"),
        ("x = 1\n", "Could not find top level function app instances in function_app.py"),
        (
            HEAD + "@app.route('a')\ndef a(req: int) -> str:\n    return ''\n",
            "cannot load the a function",
        ),
        (
            HEAD + "@app.blob_trigger(arg_name='b', path='x', connection='C')\n"
            "def a(b: func.InputStream) -> None:\n    pass\n",
            "Function a uses blobTrigger; this host serves httpTrigger, queueTrigger",
        ),
        (
            HEAD + "@app.timer_trigger(arg_name='t', schedule='%EVERY%')\n"
            "def a(t: func.TimerRequest) -> None:\n    pass\n",
            "'%EVERY%' does not resolve to a value: set EVERY",
        ),
        (
            HEAD
            + "@app.route('{id:colour}')\ndef a(req: func.HttpRequest) -> str:\n    return ''\n",
            "constraint 'colour', which is unknown",
        ),
    ],
)
def test_broken_apps(tmp_path: Path, code: str, words: str) -> None:
    """The host says why the app cannot run and ends with status 1."""
    ended = failure(tmp_path, code)
    assert ended.status == 1
    assert words in ended.text


def test_route_of_the_host(tmp_path: Path) -> None:
    """Without a prefix, a function cannot take the host's own admin routes."""
    code = HEAD + "@app.route('admin/x')\ndef a(req: func.HttpRequest) -> str:\n    return ''\n"
    options = {"extensions": {"http": {"routePrefix": ""}}}
    assert "conflicts with the host's own" in failure(tmp_path, code, host_json=options).text


def test_no_app(tmp_path: Path) -> None:
    """A folder without function_app.py is no app."""
    write_app(tmp_path, "")
    (tmp_path / "function_app.py").unlink()
    with pytest.raises(HostFailedError, match=r"no function_app\.py"), run_host(tmp_path):
        pass


def test_app_without_functions_is_served(tmp_path: Path, http: httpx.Client) -> None:
    """An app with no function starts, as it does in Azure, and says so."""
    with run_host(write_app(tmp_path, HEAD)) as host:
        assert http.get(f"{host.url}/admin/host/status").json()["functions"] == []
        assert "No functions found" in host.log
        assert host.stop() == 0


def test_timers_run_and_remember(tmp_path: Path) -> None:
    """A timer fires on its second, sees its schedule, and a missed run is caught up once."""
    code = HEAD + (
        "import json\nfrom pathlib import Path\n"
        "def note(name, t):\n"
        "    with (Path(__file__).parent / 'seen').open('a') as seen:\n"
        "        seen.write(json.dumps([name, t.past_due, t.schedule_status]) + '\\n')\n"
        "@app.timer_trigger(arg_name='t', schedule='%FAST%')\n"
        "def fast(t: func.TimerRequest) -> None:\n    note('fast', t)\n"
        "@app.timer_trigger(arg_name='t', schedule='0 0 0 1 1 *')\n"
        "def slow(t: func.TimerRequest) -> None:\n    note('slow', t)\n"
    )
    app = write_app(tmp_path / "app", code)
    missed = (
        '{"Last": "2020-01-01T00:00:00+00:00", "Next": "2021-01-01T00:00:00+00:00",'
        ' "LastUpdated": "2020-01-01T00:00:00+00:00"}'
    )
    status = tmp_path / "state" / "timers" / "slow.json"
    status.parent.mkdir(parents=True)
    status.write_text(missed)
    env = {"FAST": "*/1 * * * * *"}

    def seen(name: str) -> list[list[Any]]:
        return [line for line in read_lines(app / "seen") if line[0] == name]

    with run_host(app, env, state=tmp_path / "state") as host:
        wait_for(lambda: len(seen("fast")) >= 2 and status.read_text() != missed)
        assert host.stop() == 0
    with run_host(app, env, state=tmp_path / "state") as host:
        count = len(seen("fast"))
        wait_for(lambda: len(seen("fast")) > count)
        assert host.stop() == 0
    assert [line[1:] for line in seen("slow")] == [
        [
            True,
            {
                "Last": "2020-01-01T00:00:00+00:00",
                "Next": "2021-01-01T00:00:00+00:00",
                "LastUpdated": "2020-01-01T00:00:00+00:00",
            },
        ]
    ]
    assert not any(line[1] for line in seen("fast"))


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Folders become absolute; a lease is at least one whole second."""
    options = parse_options(["--app", str(tmp_path), "--lease-seconds", "4"])
    assert options.app_dir == tmp_path.resolve()
    assert (options.lease_seconds, options.drain_seconds, options.port) == (4, 30.0, 0)
    with pytest.raises(SystemExit):
        parse_options(["--app", ".", "--lease-seconds", "0"])
    assert "write 1 or more" in capsys.readouterr().err
