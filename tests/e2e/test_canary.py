"""A secret that entered by a route is nowhere but in the vault, and there not in clear.

One story is played through the running stack (connections refused and made, syncs that fail with
answers that repeat the secret, syncs that succeed, a host that dies in the middle of one); then
everything that was kept or said is searched.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterable
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from local.stack.stack import Stack, StackOptions, mint_token
from shared.backends.local_vault import LocalVault
from tests.convex_kit import small_export
from tests.e2e.canary_kit import ECHO, Evidence, Gate, forms_of, found_in, open_gate
from tests.e2e.kit import JOB_SECONDS, STEP_SECONDS, eventually, query
from tests.host_kit import open_queue

MARKER = f"marker-{secrets.token_hex(8)}"
"""Harmless, unlikely, and sent with every request: what must be found where it belongs."""
WRONG_TOKEN = f"pat-na1-{secrets.token_hex(16)}"
QUEUES = ("sync-manual", "sync-scheduled", "sync-manual-poison", "sync-scheduled-poison")
KEYS_OF_THE_SANDBOX = "sandbox/sandbox-keys.json"
LEASE_SECONDS = 4
FINAL = {"success", "partial", "failed", "cancelled"}


@dataclass(slots=True, kw_only=True)
class Story:
    """What was played, and what it left behind."""

    state: Path
    secrets: dict[str, str]
    evidence: Evidence = field(default_factory=Evidence)
    answers: dict[str, Any] = field(default_factory=dict)
    instances: dict[str, str] = field(default_factory=dict)


class Player:
    """A signed-in caller whose every answer is evidence."""

    def __init__(self, api: str, token: str, evidence: Evidence) -> None:
        self._evidence = evidence
        self._http = httpx.Client(
            base_url=f"{api}/v1/",
            headers={"Authorization": f"Bearer {token}", "X-Request-Id": MARKER},
            timeout=STEP_SECONDS,
        )

    def close(self) -> None:
        self._http.close()

    def call(self, method: str, path: str, body: Any = None, *, status: int = 200) -> Any:
        """Return the answer's JSON; it must have this status."""
        answer = self._http.request(method, path, json=body)
        said = b"\n".join(b"%s: %s" % pair for pair in answer.headers.raw) + b"\n" + answer.content
        self._evidence.places[f"answers/{len(self._evidence.places)} {method} {path}"] = said
        assert answer.status_code == status, said
        return answer.json()

    def connect(self, instance_id: str, key: str, *, status: int = 200, **options: str) -> Any:
        body = {"apiKey": key, "options": options}
        return self.call("PUT", f"instances/{instance_id}/connection", body, status=status)

    def confirm(self, instance_id: str) -> None:
        """Take the wizard's second and third step as they are suggested."""
        path = f"instances/{instance_id}"
        rules = self.call("GET", f"{path}/mappings")["mappings"]
        if rules:
            self.call("PUT", f"{path}/mappings", {"mappings": rules})
        else:
            self.call("PUT", f"{path}/tables", {"tables": []})
        self.call("PUT", f"{path}/sync-config", {})

    def activate(self, instance_id: str) -> Any:
        """Take the last step; return the first job once it failed an attempt or is over."""
        return self._ended(self.call("POST", f"instances/{instance_id}/activate")["job"], FINAL)

    def sync(self, instance_id: str, *, until: set[str] = FINAL) -> Any:
        """Start a full sync; return its job once it failed an attempt or is in one of `until`."""
        job = self.call("POST", f"instances/{instance_id}/jobs", {"mode": "full"}, status=202)
        return self._ended(job, until)

    def _ended(self, job: Any, until: set[str]) -> Any:
        def look() -> Any:
            found = self.call("GET", f"jobs/{job['id']}")
            return found if found["status"] in until or found["errorMessage"] else None

        return eventually(look, seconds=JOB_SECONDS, what=f"the end of {job['id']}")


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    state = tmp_path_factory.mktemp("canary")
    small_export(state / "export.zip")
    with ExitStack() as opened:
        hubspot, linkhub, convex = (opened.enter_context(open_gate()) for _ in range(3))
        options = StackOptions(
            state=state / "stack",
            deals=40,
            convex_zip=state / "export.zip",
            lease_seconds=LEASE_SECONDS,
            settings={"PROVIDER_HUBSPOT_BASE_URL": hubspot.url, "LINKHUB_API_URL": linkhub.url},
        )
        stack = opened.enter_context(Stack(options))
        directory = stack.directory
        hubspot.upstream, linkhub.upstream, convex.upstream = (
            directory[name]["url"] for name in ("hubspot", "linkhub", "convex")
        )
        story = Story(
            state=stack.state,
            secrets={
                "HubSpot's token": directory["hubspot"]["token"],
                "a refused token": WRONG_TOKEN,
                "Convex's deploy key": directory["convex"]["deployKey"],
                "the deploy key's secret half": directory["convex"]["deployKey"].split("|")[1],
                "LinkHub's key": directory["linkhub"]["key"],
                "the caller's token": stack.token(),
                "the signature of it": "",
            },
        )
        token = story.secrets["the caller's token"]
        story.secrets["the signature of it"] = token.rpartition(".")[2]
        player = Player(stack.api, token, story.evidence)
        opened.callback(player.close)
        player.call("PUT", "me", {"name": f"Ada {MARKER}"})
        play_hubspot(story, player, hubspot, linkhub)
        play_convex(story, player, convex)
        read_everything(story, player, stack)
        cut_the_power(story, player, stack)
    story.evidence.add_files(story.state)
    return story


def play_hubspot(story: Story, player: Player, gate: Gate, linkhub: Gate) -> None:
    """Refuse, connect, fail in every way, succeed."""
    made = player.call("POST", "instances", {"provider": "hubspot", "name": MARKER}, status=201)
    instance, token = made["id"], story.secrets["HubSpot's token"]
    story.instances["hubspot"] = instance
    answers = story.answers
    answers["refused"] = player.connect(instance, WRONG_TOKEN, status=400)
    with gate.refusing(401):
        answers["refused with an echo"] = player.connect(instance, token, status=400)
    with gate.refusing(503, Retry_After="900"):
        answers["busy with an echo"] = player.connect(instance, token, status=503)
    player.connect(instance, token)
    path = f"instances/{instance}"
    with gate.refusing(401):
        answers["streams with an echo"] = player.call("GET", f"{path}/streams", status=409)
    player.call("GET", f"{path}/streams")
    with gate.refusing(401):
        answers["preview with an echo"] = player.call(
            "POST", f"{path}/mappings/preview", {}, status=409
        )
    player.call("POST", f"{path}/mappings/preview", {})
    player.confirm(instance)
    with gate.refusing(401):
        answers["activation with an echo"] = player.call("POST", f"{path}/activate", status=409)
    with linkhub.refusing(503, Retry_After="0"):
        answers["sink"] = player.activate(instance)
    player.call("POST", f"jobs/{answers['sink']['id']}/cancel")
    with gate.refusing(401):
        answers["auth"] = player.sync(instance)
    player.connect(instance, token)
    with gate.refusing(400):
        answers["permanent"] = player.sync(instance)
    with gate.refusing(429, Retry_After="900"):
        answers["transient"] = player.sync(instance)
    player.call("POST", f"jobs/{answers['transient']['id']}/cancel")
    answers["hubspot"] = player.sync(instance)


def play_convex(story: Story, player: Player, gate: Gate) -> None:
    """Refuse, connect, fail, succeed."""
    made = player.call("POST", "instances", {"provider": "convex", "name": MARKER}, status=201)
    instance, key = made["id"], story.secrets["Convex's deploy key"]
    story.instances["convex"] = instance
    with gate.refusing(403):
        story.answers["convex refused with an echo"] = player.connect(
            instance, key, deploymentUrl=gate.url, status=400
        )
    player.connect(instance, key, deploymentUrl=gate.url)
    player.confirm(instance)
    player.activate(instance)
    with gate.refusing(401):
        story.answers["convex auth"] = player.sync(instance)
    player.connect(instance, key, deploymentUrl=gate.url)
    story.answers["convex"] = player.sync(instance)


def read_everything(story: Story, player: Player, stack: Stack) -> None:
    """Ask every route that could tell something."""
    for path in ("me", "providers", "providers/hubspot", "instances", "jobs", "logs"):
        found = player.call("GET", path)
        for item in found.get("items", []):
            if path in {"instances", "jobs"}:
                player.call("GET", f"{path}/{item['id']}")
            if path == "logs":
                player.call("GET", f"logs/{item['id']}/records")
    admin_token = mint_token(stack.directory["issuer"]["url"], admin=True)
    admin = Player(stack.api, admin_token, story.evidence)
    admin.call("GET", "admin/dead-letters")
    admin.close()


def cut_the_power(story: Story, player: Player, stack: Stack) -> None:
    """Kill the host inside a run, so that its message is there to be seen."""
    fault = {"provider": "hubspot", "fault": "slow", "seconds": 30}
    httpx.post(f"{stack.sandbox}/_faults", json=fault, timeout=STEP_SECONDS).raise_for_status()
    job = player.sync(story.instances["hubspot"], until={"running"})
    stack.kill_host()
    connection = stack._environment["AzureWebJobsStorage"]

    def peek() -> bytes:
        seen = []
        for name in QUEUES:
            with open_queue(connection, name) as queue:
                seen += [str(message.content) for message in queue.peek_messages(32)]
        return "\n".join(seen).encode()

    seen = eventually(peek, seconds=STEP_SECONDS, what="the dead run's message")
    story.evidence.places["queues"] = seen
    story.answers["on the queue"] = job["id"]


def test_the_story_went_as_planned(story: Story) -> None:
    """Every failure really carried an echo, and both syncs succeeded after all."""
    answers = story.answers
    assert answers["hubspot"]["status"] == answers["convex"]["status"] == "success"
    assert answers["hubspot"]["counts"]["processed"] >= 40
    assert answers["convex"]["counts"]["processed"] == 12
    for name in (
        *("refused with an echo", "busy with an echo", "convex refused with an echo"),
        *("streams with an echo", "preview with an echo", "activation with an echo"),
    ):
        assert ECHO in answers[name]["detail"], name
    for name in ("auth", "permanent", "transient", "sink", "convex auth"):
        assert ECHO in answers[name]["errorMessage"], name
    assert answers["auth"]["status"] == answers["convex auth"]["status"] == "failed"


def kinds_of(places: Iterable[str]) -> set[str]:
    """Return the kinds of places: a database and its write-ahead log are one, so are answers."""
    kinds = {place.removesuffix("-wal").removesuffix("-shm") for place in places}
    return {"answers" if kind.startswith("answers/") else kind for kind in kinds}


def test_the_search_finds_what_is_there(story: Story) -> None:
    """What is no secret is found in every kind of place, so that nothing found means something."""
    evidence = story.evidence
    marked = kinds_of(evidence.holding(MARKER))
    assert marked >= {"app.db", "logs/host.log", "answers"}
    touched = kinds_of(evidence.holding(story.instances["hubspot"]))
    assert touched >= {"app.db", "sandbox/linkhub.db", "logs/host.log", "answers"}
    assert "warehouse.db" in kinds_of(evidence.holding(story.instances["convex"]))
    assert "queues" in kinds_of(evidence.holding(story.answers["on the queue"]))
    assert {place for place in evidence.under("azurite/") if evidence.places[place]}
    assert {place for place in evidence.under("host/") if evidence.places[place]}


def test_the_search_finds_secrets_where_they_belong(story: Story) -> None:
    """The sandbox's own list of keys holds them in clear, and the search sees it."""
    kept = story.evidence.places[KEYS_OF_THE_SANDBOX]
    assert found_in(kept, story.secrets["HubSpot's token"])
    assert found_in(kept, story.secrets["LinkHub's key"])


@pytest.mark.parametrize("before", ["", "x", "xy"])
@pytest.mark.parametrize("after", ["", "z"])
def test_the_search_knows_every_form(before: str, after: str) -> None:
    """A secret inside a longer text is found however that text is encoded."""
    from base64 import b64encode, urlsafe_b64encode
    from urllib.parse import quote, quote_plus

    secret = "prod:a-b|c+d/e f?ü~" + WRONG_TOKEN
    text = before + secret + after
    for written in (
        text.encode(),
        b64encode(text.encode()),
        urlsafe_b64encode(text.encode()),
        quote(text, safe="").encode(),
        quote_plus(text).encode(),
        text.encode("utf-16-le"),
        text.encode().hex().encode(),
    ):
        assert found_in(written, secret), written
    assert not found_in(text[: len(before) + 30].encode(), secret)
    assert all(len(form) >= len(secret) for form in forms_of(secret).values())


def test_no_secret_is_anywhere(story: Story) -> None:
    """No file, log, message or answer holds any secret in any form."""
    found = {name: story.evidence.holding(secret) for name, secret in story.secrets.items()}
    for places in found.values():
        places.pop(KEYS_OF_THE_SANDBOX, None)
    assert {name: places for name, places in found.items() if places} == {}


def test_no_table_holds_a_secret(story: Story) -> None:
    """Read as rows, too: a long text is spread over a file's pages."""
    for name in ("app.db", "warehouse.db", "sandbox/linkhub.db"):
        with closing(sqlite3.connect(story.state / name)) as database:
            text = "\n".join(database.iterdump()).encode()
        assert len(text) > 1000
        for label, secret in story.secrets.items():
            assert not found_in(text, secret), (name, label)


def test_the_vault_holds_the_secrets_for_its_owner_only(story: Story) -> None:
    """With the key they can be read; both files are their owner's alone."""
    vault = LocalVault(story.state / "vault")
    rows = query(story.state / "app.db", "SELECT instance_id, secret_ref FROM instance_state")
    kept = {row["instance_id"]: vault.get(row["secret_ref"]) for row in rows}
    assert kept == {
        story.instances["hubspot"]: {"api_key": story.secrets["HubSpot's token"]},
        story.instances["convex"]: {"api_key": story.secrets["Convex's deploy key"]},
    }
    for name in ("vault", "vault.key"):
        assert (story.state / name).stat().st_mode & 0o777 == 0o600
