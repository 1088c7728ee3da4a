"""Cold start: how much longer than a hello-world app this one takes to its first answer.

Both apps are run by the same program: `python -m local.host`, which loads them through Microsoft's
worker library. The queue and timer functions are switched off as Azure does it (by the setting
`AzureWebJobs.NAME.Disabled`): there the host listens to queues, in a process of its own, so here
its SDK must not count for either app. Measured are

- spawn of the process → first 200. Ours is the first request of a signed-in caller: it fetches the
  issuer's keys over loopback, verifies the token's signature, opens SQLite and answers from it;
- `import function_app` in a fresh interpreter.

The contestants take turns, so that a slow moment of the machine meets each. A ratio is the median
over the rounds of ours divided by the hello-world app's of the same round.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from benchmarks.report import Report, Result
from tests.issuer_kit import AUDIENCE, running_issuer

ROOT: Final = Path(__file__).resolve().parent.parent
RAW: Final = "raw-hello-world"
HELLO: Final = '''"""The smallest app there is."""

import azure.functions as func

app = func.FunctionApp()


@app.route("hello", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def hello(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("Hello, world")
'''
IMPORT: Final = (
    "import time; start = time.perf_counter(); import function_app; "
    "print(time.perf_counter() - start)"
)
UNHEARD: Final = (
    "sync_manual",
    "sync_scheduled",
    "sync_manual_poison",
    "sync_scheduled_poison",
    "tick",
    "maintain",
)
"""The functions without an HTTP trigger."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """An app and the request whose answer is waited for."""

    name: str
    app_dir: Path
    path: str
    token: str = ""
    env: Mapping[str, str]

    def first_answer(self) -> float:
        """Return the seconds from spawn to the first 200."""
        started = time.perf_counter()
        with _host(self) as url:
            _ask(url, self.path, token=self.token)
            return time.perf_counter() - started

    def importing(self) -> float:
        """Return the seconds of `import function_app` in a fresh interpreter."""
        shown = subprocess.run(
            [sys.executable, "-c", IMPORT],
            cwd=self.app_dir,
            env=dict(self.env),
            stdout=subprocess.PIPE,
            check=True,
        )
        return float(shown.stdout)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--runs", type=int, default=9, help="of each contestant (default 9)")


def run(options: argparse.Namespace) -> Report:
    """Return medians of all contestants and ours in multiples of the hello-world app's."""
    with tempfile.TemporaryDirectory() as folder, running_issuer() as issuer:
        contestants = _contestants(Path(folder), issuer.url, issuer.token(exp=2**33))
        for one in contestants:  # the first run writes .pyc files and fills the page cache
            one.first_answer()
        answers = _rounds(contestants, Contestant.first_answer, options.runs)
        imports = _rounds(contestants, Contestant.importing, options.runs)
    return Report(
        benchmark="cold_start",
        results=[
            Result(
                name=one.name,
                is_default=one.name == "linkhub",
                figures={
                    "first_200_ms": _milliseconds(answers, one.name),
                    "first_200_ratio": _ratio(answers, one.name),
                    "import_ms": _milliseconds(imports, one.name),
                    "import_ratio": _ratio(imports, one.name),
                },
            )
            for one in contestants
        ],
    )


def _contestants(folder: Path, issuer_url: str, token: str) -> list[Contestant]:
    hello = folder / "hello"
    hello.mkdir()
    (hello / "function_app.py").write_text(HELLO)
    (hello / "host.json").write_bytes((ROOT / "host.json").read_bytes())
    bare = {key: os.environ[key] for key in ("PATH", "SYSTEMROOT", "TMPDIR") if key in os.environ}
    env = {
        **bare,
        **{f"AzureWebJobs.{name}.Disabled": "true" for name in UNHEARD},
        "DATABASE_URL": f"sqlite:///{folder / 'linkhub.db'}",
        "OIDC_ISSUER": issuer_url,
        "OIDC_AUDIENCE": AUDIENCE,
    }
    ours = Contestant(name="linkhub", app_dir=ROOT, path="/api/v1/providers", token=token, env=env)
    me = Contestant(name="linkhub-me", app_dir=ROOT, path="/api/v1/me", token=token, env=env)
    for command in ("migrate", "seed"):
        subprocess.run(
            [sys.executable, "-m", "ops", command], cwd=ROOT, env=env, stdout=sys.stderr, check=True
        )
    with _host(me) as url:
        _ask(url, "/api/v1/me", token=token, method="PUT", body={"name": "A customer"})
    raw = Contestant(name=RAW, app_dir=hello, path="/hello", env=env)
    return [ours, me, raw]


def _rounds(
    contestants: list[Contestant], measure: Callable[[Contestant], float], rounds: int
) -> list[dict[str, float]]:
    """Return every round's seconds by contestant."""
    found = []
    for number in range(rounds):
        found.append({one.name: measure(one) for one in contestants})
        shown = ", ".join(f"{name} {1000 * took:.0f} ms" for name, took in found[-1].items())
        print(f"{measure.__name__}, round {number + 1} of {rounds}: {shown}", file=sys.stderr)
    return found


def _milliseconds(rounds: list[dict[str, float]], name: str) -> float:
    return round(1000 * statistics.median(one[name] for one in rounds), 1)


def _ratio(rounds: list[dict[str, float]], name: str) -> float:
    return round(statistics.median(one[name] / one[RAW] for one in rounds), 2)


@contextmanager
def _host(contestant: Contestant) -> Iterator[str]:
    """Run the contestant until the block ends; give its URL as soon as it says so."""
    with subprocess.Popen(
        [sys.executable, "-m", "local.host", "--app", str(contestant.app_dir)],
        cwd=ROOT,
        env=dict(contestant.env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            if not line:
                raise RuntimeError(f"{contestant.name} does not start: {process.args!r}")
            yield json.loads(line)["url"]
        finally:
            process.terminate()


def _ask(
    url: str,
    path: str,
    *,
    token: str,
    method: str = "GET",
    body: Mapping[str, str] | None = None,
) -> None:
    """Send one request; raise RuntimeError unless the answer is 200."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    try:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        text = None if body is None else json.dumps(body)
        connection.request(method, path, body=text, headers=headers)
        response = connection.getresponse()
        answer = response.read()
    finally:
        connection.close()
    if response.status != http.client.OK:
        raise RuntimeError(f"{method} {path} answered {response.status}: {answer[:500]!r}")
