"""Signing in at HubSpot through the function app, and everything that may go wrong on the way."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

import pytest

from shared.domain.instances import InstanceStatus, SetupStep
from shared.domain.oauth import TokenSet
from shared.errors import AuthError, NotFoundError
from shared.services.runs import run_job
from tests.functions.kit import HttpWorld
from tests.functions.oauth_kit import ALDER, BIRCH, Desk, everything_kept, opened_desk
from tests.oauth_kit import consent, query
from tests.sandbox_kit import Running, running_sandbox


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running_sandbox(tmp_path_factory.mktemp("sandbox"), deals=20) as running:
        yield running


@pytest.fixture
def desk(
    sandbox: Running, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Desk]:
    with opened_desk(sandbox, monkeypatch, request) as opened:
        yield opened


@pytest.fixture
def instance_id(desk: Desk) -> str:
    return desk.new_instance(desk.world.ada)


def test_a_person_connects_hubspot(desk: Desk, instance_id: str) -> None:
    """Consent, callback and completion end in a connected instance, bound to the account."""
    answer = desk.connect(desk.world.ada, instance_id, account=BIRCH)
    assert answer.status == 200, answer.body
    assert answer.json["account"] == BIRCH
    assert answer.json["instance"]["setupStep"] == "connection"
    assert answer.headers["ETag"] == f'"{answer.json["instance"]["configVersion"]}"'
    state = desk.state(instance_id)
    assert state.account == BIRCH
    kept = TokenSet.from_secret(desk.world.app.vault.get(state.secret_ref))
    assert (kept.provider, kept.instance_id, kept.account) == ("hubspot", instance_id, BIRCH)
    streams = desk.world.ada.get(f"instances/{instance_id}/streams")
    assert streams.status == 200, streams.body


def test_no_secret_is_kept_or_told(
    desk: Desk, instance_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither tables, files, logs nor answers hold a state, code, verifier, token or secret."""
    caplog.set_level(logging.DEBUG)
    link = desk.link(desk.world.ada, instance_id)
    handed = desk.consent(link)
    answer = desk.world.ada.post("oauth/complete", handed)
    assert answer.status == 200
    vault = desk.world.app.vault
    kept = TokenSet.from_secret(vault.get(desk.state(instance_id).secret_ref))
    secrets = [
        handed["state"],
        handed["code"],
        kept.refresh_token,
        kept.access[""].text,
        vault.get("oauth-pkce-key")["key"],
        desk.world.app.settings.hubspot_client_secret,
    ]
    desk.world.app.database.dispose()
    files = everything_kept(desk.world.folder)
    logs = "\n".join(f"{r.getMessage()} {r.__dict__}" for r in caplog.records if _is_ours(r))
    for secret in secrets:
        assert len(secret) > 20
        assert secret.encode() not in files
        assert secret not in logs
        assert secret.encode() not in answer.body


def _is_ours(record: logging.LogRecord) -> bool:
    """Tell our lines from those of the sandbox and the browser, which run in this process too."""
    return record.name.partition(".")[0] in {"adapters", "functions", "shared", "azure", "authlib"}


def test_the_link_is_what_the_provider_needs(desk: Desk, instance_id: str) -> None:
    """It goes to the provider, with the exact redirect URI, S256 and the adapter's scopes."""
    link = desk.link(desk.world.ada, instance_id)
    asked = query(link)
    assert asked["redirect_uri"] == "http://127.0.0.1:7071/oauth/callback/hubspot"
    assert asked["code_challenge_method"] == "S256"
    assert asked["scope"] == "oauth crm.objects.deals.read crm.schemas.deals.read"
    assert asked["state"].startswith("hubspot.")
    assert len(asked["code_challenge"]) == 43


def test_a_state_is_used_once(desk: Desk, instance_id: str) -> None:
    """A replay is refused before the provider is asked, and the sign-in stands."""
    handed = desk.consent(desk.link(desk.world.ada, instance_id))
    assert desk.world.ada.post("oauth/complete", handed).status == 200
    before = desk.server
    problem = desk.world.ada.post("oauth/complete", handed).problem(409, "conflict")
    assert "already" in problem["detail"]
    assert desk.server == before


def test_a_state_lasts_ten_minutes(desk: Desk, instance_id: str) -> None:
    """Later, its code is not redeemed any more."""
    handed = desk.consent(desk.link(desk.world.ada, instance_id))
    desk.world.clock.move(minutes=10)
    problem = desk.world.ada.post("oauth/complete", handed).problem(409, "conflict")
    assert "ten minutes" in problem["detail"]
    assert desk.server["redeemed"] == 0


def test_a_victims_code_is_never_redeemed(desk: Desk, instance_id: str) -> None:
    """Ada sends Bob her link: his consent gives her nothing, whoever brings it back."""
    handed = desk.consent(desk.link(desk.world.ada, instance_id), account=BIRCH)
    bob = desk.world.bob
    bob.post("oauth/complete", handed).problem(404, "not-found")
    assert desk.server["redeemed"] == 0
    assert desk.state(instance_id).secret_ref == ""


@pytest.mark.parametrize(
    "state",
    [
        "hubspot." + "A" * 43,
        "hubspot." + "A" * 42,
        "A" * 43,
        "' OR 1=1 --",
        "fake." + "A" * 43,
        "hubspot." + "é" * 43,
        "x" * 200,
    ],
)
def test_a_state_nobody_gave_out_is_unknown(desk: Desk, state: str) -> None:
    """Guessed, malformed or another provider's: the answer is the same."""
    answer = desk.world.ada.post("oauth/complete", {"state": state, "code": "c"})
    answer.problem(404, "not-found")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"code": "c"},
        {"state": "", "code": "c"},
        {"state": "hubspot." + "A" * 43},
        {"state": "hubspot." + "A" * 43, "code": ""},
        {"state": "hubspot." + "A" * 43, "code": "a b"},
        {"state": "hubspot." + "A" * 43, "code": "a\nb"},
        {"state": "hubspot." + "A" * 43, "code": "x" * 5000},
        {"state": 5, "code": "c"},
        {"state": "hubspot." + "A" * 43, "code": "c", "redirectUri": "https://evil.test"},
    ],
)
def test_a_body_of_another_form(desk: Desk, body: dict[str, object]) -> None:
    """It is refused with what is wrong, and nothing of it is repeated."""
    answer = desk.world.ada.post("oauth/complete", body)
    answer.problem(400, "invalid-input")
    assert b"evil" not in answer.body


def test_completing_takes_a_token(desk: Desk, instance_id: str) -> None:
    """Without a caller nothing is looked up; a caller without a profile is told to make one."""
    handed = desk.consent(desk.link(desk.world.ada, instance_id))
    desk.world.nobody.post("oauth/complete", handed).problem(401, "unauthenticated")
    desk.world.caller("eve").post("oauth/complete", handed).problem(409, "conflict")
    assert desk.world.ada.post("oauth/complete", handed).status == 200


def test_a_code_of_another_sign_in_is_refused(desk: Desk, instance_id: str) -> None:
    """Code injection: a code stolen from Bob's sign-in needs the verifier of Bob's state."""
    bobs = desk.new_instance(desk.world.bob)
    stolen = desk.consent(desk.link(desk.world.bob, bobs), account=BIRCH)
    own = query(desk.link(desk.world.ada, instance_id))["state"]
    answer = desk.world.ada.post("oauth/complete", {"state": own, "code": stolen["code"]})
    problem = answer.problem(400, "invalid-input")
    assert "Start the sign-in again" in problem["detail"]
    assert desk.state(instance_id).secret_ref == ""
    assert desk.world.bob.post("oauth/complete", stolen).status == 200


def test_two_tabs_may_sign_in(desk: Desk, instance_id: str) -> None:
    """Each start is a sign-in of its own; the one completed last counts."""
    first, second = (desk.consent(desk.link(desk.world.ada, instance_id)) for _ in range(2))
    assert desk.world.ada.post("oauth/complete", second).status == 200
    used = desk.state(instance_id).secret_ref
    assert desk.world.ada.post("oauth/complete", first).status == 200
    assert desk.state(instance_id).secret_ref != used


def test_a_person_says_no(desk: Desk, instance_id: str) -> None:
    """The dashboard is told so in the provider's word, and may start again."""
    handed = desk.consent(desk.link(desk.world.ada, instance_id), allow=False)
    assert handed["error"] == "access_denied"
    assert handed["error_description"] == "The user did not allow the app to be connected."
    assert "code" not in handed
    assert desk.connect(desk.world.ada, instance_id).status == 200


STATE = "hubspot." + "A" * 43


@pytest.mark.parametrize(
    ("params", "handed"),
    [
        ({"state": STATE, "code": "c-1"}, {"state": STATE, "code": "c-1"}),
        ({}, {"error": "invalid_state"}),
        ({"code": "c-1"}, {"error": "invalid_state"}),
        ({"state": "https://evil.test", "code": "c-1"}, {"error": "invalid_state"}),
        ({"state": "fake." + "A" * 43, "code": "c-1"}, {"error": "invalid_state"}),
        ({"state": STATE}, {"state": STATE, "error": "invalid_request"}),
        ({"state": STATE, "code": "a b"}, {"state": STATE, "error": "invalid_request"}),
        ({"state": STATE, "code": "x" * 4097}, {"state": STATE, "error": "invalid_request"}),
        (
            {"state": STATE, "error": "https://evil.test", "error_description": "<b>x</b>\r\nY: z"},
            {"state": STATE, "error": "server_error", "error_description": "<b>x</b>"},
        ),
        (
            {"state": STATE, "error": "access_denied", "error_description": "é" * 300},
            {"state": STATE, "error": "access_denied", "error_description": "é" * 200},
        ),
        (
            {"state": "x", "error": "access_denied", "error_description": "call +39 02 1234"},
            {"error": "invalid_state"},
        ),
        (
            {"state": STATE, "code": "c-1", "redirect_uri": "https://evil.test", "next": "//evil"},
            {"state": STATE, "code": "c-1"},
        ),
    ],
)
def test_a_callback_leads_to_the_dashboard_and_nowhere_else(
    desk: Desk, params: dict[str, str], handed: dict[str, str]
) -> None:
    """Whatever a stranger makes a browser bring, only what has the right form is passed on."""
    answer = desk.callback("hubspot", **params)
    assert answer.status == 302
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "no-store"
    location = answer.headers["Location"]
    assert "\r" not in location
    assert "\n" not in location
    parts = urlsplit(location)
    assert (parts.scheme, parts.netloc) == ("https", "dashboard.test")
    assert parts.path == "/oauth/callback"
    assert query(location) == handed
    assert desk.server["redeemed"] == 0


@pytest.mark.parametrize("provider", ["fake", "nobody", "convex", "..", "hubspot%2f.."])
def test_a_callback_of_no_provider(desk: Desk, provider: str) -> None:
    """Where nobody signs in, nobody comes back."""
    desk.callback(provider, state=STATE, code="c-1").problem(404, "not-found")


def test_a_mix_up_of_providers_is_noticed(desk: Desk, instance_id: str) -> None:
    """A state of one provider that comes back by another's address goes no further."""
    back = consent(desk.browser, desk.link(desk.world.ada, instance_id), account=ALDER)
    given = query(back)
    renamed = "entra" + given["state"].removeprefix("hubspot")
    assert query(desk.callback("hubspot", **given | {"state": renamed}).headers["Location"]) == {
        "error": "invalid_state"
    }
    body = {"state": renamed, "code": given["code"]}
    desk.world.ada.post("oauth/complete", body).problem(404, "not-found")
    assert desk.server["redeemed"] == 0


def test_nobody_signs_in_for_another(desk: Desk, instance_id: str) -> None:
    """Another profile's instance, or none, is unknown; so it is without a token."""
    desk.world.bob.post(f"instances/{instance_id}/oauth/start").problem(404, "not-found")
    desk.world.bob.delete(f"instances/{instance_id}/connection").problem(404, "not-found")
    desk.world.nobody.post(f"instances/{instance_id}/oauth/start").problem(401, "unauthenticated")


def test_a_provider_with_keys_only_has_no_sign_in(desk: Desk) -> None:
    """The answer says what to do instead."""
    made = desk.world.ada.post("instances", {"provider": "hidden"})
    assert made.status == 400
    from adapters.convex import PROVIDER

    with desk.world.app.open_uow() as uow:
        uow.providers.upsert(PROVIDER.spec, now=desk.world.clock())
        uow.commit()
    made = desk.world.ada.post("instances", {"provider": "convex"})
    answer = desk.world.ada.post(f"instances/{made.json['id']}/oauth/start")
    assert "by its key" in answer.problem(409, "conflict")["detail"]


def test_a_reconnect_stays_with_its_account(desk: Desk, instance_id: str) -> None:
    """Another account is refused until the person says that it replaces the first."""
    assert desk.connect(desk.world.ada, instance_id).status == 200
    first = desk.state(instance_id).secret_ref
    problem = desk.connect(desk.world.ada, instance_id, account=BIRCH).problem(409, "conflict")
    assert ALDER in problem["detail"]
    assert BIRCH in problem["detail"]
    assert desk.state(instance_id).secret_ref == first
    handed = desk.consent(desk.link(desk.world.ada, instance_id), account=BIRCH)
    answer = desk.world.ada.post("oauth/complete", {**handed, "replaceAccount": True})
    assert answer.status == 200
    assert desk.state(instance_id).account == BIRCH


def test_a_reconnect_revokes_nothing(desk: Desk, instance_id: str) -> None:
    """The provider may have given the same refresh token again; the old secret just goes."""
    assert desk.connect(desk.world.ada, instance_id).status == 200
    old = desk.state(instance_id).secret_ref
    assert desk.connect(desk.world.ada, instance_id).status == 200
    assert _is_gone(desk.world, old)
    assert [family["revoked"] for family in desk.server["families"]] == [None, None]


def test_disconnecting_revokes_and_forgets(desk: Desk, instance_id: str) -> None:
    """The consent ends at the provider, the secret leaves the vault, the wizard begins again."""
    assert desk.connect(desk.world.ada, instance_id).status == 200
    secret_ref = desk.state(instance_id).secret_ref
    answer = desk.world.ada.delete(f"instances/{instance_id}/connection")
    assert answer.status == 200, answer.body
    assert (answer.json["setupStep"], answer.json["status"]) == ("not_started", "setup_incomplete")
    assert [family["revoked"] for family in desk.server["families"]] == ["token_revoked"]
    assert _is_gone(desk.world, secret_ref)
    again = desk.world.ada.delete(f"instances/{instance_id}/connection")
    assert (again.status, again.json) == (200, answer.json)
    assert desk.connect(desk.world.ada, instance_id).status == 200


def test_a_provider_that_is_away_does_not_keep_a_secret_alive(
    desk: Desk, instance_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Revoking is tried and its failure noted; the secret goes all the same."""
    assert desk.connect(desk.world.ada, instance_id).status == 200
    secret_ref = desk.state(instance_id).secret_ref
    desk.sandbox.fault("hubspot", "server_error", status=503)
    assert desk.world.ada.delete(f"instances/{instance_id}").status == 204
    assert _is_gone(desk.world, secret_ref)
    assert "could not be revoked" in caplog.text


def test_deleting_an_instance_revokes(desk: Desk, instance_id: str) -> None:
    """Nothing of a deleted instance works on at the provider."""
    assert desk.connect(desk.world.ada, instance_id).status == 200
    assert desk.world.ada.delete(f"instances/{instance_id}").status == 204
    assert [family["revoked"] for family in desk.server["families"]] == ["token_revoked"]


def test_a_provider_that_does_not_answer(desk: Desk, instance_id: str) -> None:
    """The person starts again: a code must not be redeemed twice."""
    handed = desk.consent(desk.link(desk.world.ada, instance_id))
    desk.sandbox.fault("hubspot", "lost_answer", count=1)
    answer = desk.world.ada.post("oauth/complete", handed)
    assert "Start the sign-in again" in answer.problem(503, "unavailable")["detail"]
    assert desk.world.ada.post("oauth/complete", handed).status == 409
    assert desk.connect(desk.world.ada, instance_id).status == 200


def test_signing_in_is_audited(desk: Desk, instance_id: str) -> None:
    """Start, connection and disconnection are told by who did them, without a secret."""
    desk.connect(desk.world.ada, instance_id)
    desk.world.ada.delete(f"instances/{instance_id}/connection")
    from sqlalchemy import select

    from shared.store.tables import audit_events

    with desk.world.app.database.engine.connect() as connection:
        rows = connection.execute(
            select(audit_events.c.action)
            .where(audit_events.c.target == instance_id)
            .order_by(audit_events.c.id)
        )
        actions = [row[0] for row in rows]
    assert actions == [
        "instance.create",
        "oauth.start",
        "instance.connect",
        "instance.disconnect",
    ]


def _is_gone(world: HttpWorld, secret_ref: str) -> bool:
    try:
        world.app.vault.get(secret_ref)
    except NotFoundError:
        return True
    return False


def completed(desk: Desk, instance_id: str) -> None:
    """Skip the steps between connection and activation: they have tests of their own."""
    with desk.world.app.open_uow() as uow:
        instance = uow.instances.get(instance_id, profile_id=None)
        done = replace(instance, setup_step=SetupStep.COMPLETED, status=InstanceStatus.ACTIVE)
        uow.instances.save(done, expected_version=instance.config_version)
        uow.commit()


def test_a_run_outlives_its_token(desk: Desk, instance_id: str) -> None:
    """Tokens that end in mid-run are refreshed, and the run comes to its end."""
    assert desk.connect(desk.world.ada, instance_id).status == 200
    completed(desk, instance_id)
    desk.settings(rotate=True, reuse="revoke_family")
    job_id = desk.world.start(desk.world.ada, instance_id)
    desk.grants("expire_access")
    desk.world.run(job_id)
    job = desk.world.ada.get(f"jobs/{job_id}").json
    assert job["status"] == "success", job
    assert job["counts"]["processed"] > 20, "archived deals count too"
    (family,) = desk.server["families"]
    assert (family["refreshes"], family["reuses"], family["revoked"]) == (1, 0, None)


def test_jobs_wait_for_a_reconnect(desk: Desk, instance_id: str) -> None:
    """A consent taken back fails the job clearly; nothing starts before the person reconnects.

    Then what was interrupted goes on by itself.
    """
    ada = desk.world.ada
    assert desk.connect(ada, instance_id).status == 200
    completed(desk, instance_id)
    job_id = desk.world.start(ada, instance_id)
    desk.grants("revoke")
    desk.world.run(job_id)
    job = ada.get(f"jobs/{job_id}").json
    assert (job["status"], job["errorClass"]) == ("failed", "auth")
    assert "Connect the instance again" in job["errorMessage"]
    broken = ada.get(f"instances/{instance_id}").json
    assert (broken["status"], broken["statusReason"]) == ("error", "needs_reconnect")
    problem = ada.post(f"instances/{instance_id}/jobs").problem(409, "conflict")
    assert "connected again" in problem["detail"]

    answer = desk.connect(ada, instance_id)
    assert answer.json["instance"]["status"] == "active"
    (waiting,) = (job for job in ada.get("jobs").json["items"] if job["status"] == "pending")
    desk.world.trigger("tick", None)
    assert desk.world.queue.sent[-1][0] == waiting["id"]
    desk.world.run(waiting["id"])
    assert ada.get(f"jobs/{waiting['id']}").json["status"] == "success"


def test_a_reconnect_in_mid_run_is_no_failure(desk: Desk, instance_id: str) -> None:
    """A run refused with the old tokens goes on with those the person has just brought."""
    ada = desk.world.ada
    assert desk.connect(ada, instance_id).status == 200
    completed(desk, instance_id)
    job_id = desk.world.start(ada, instance_id)
    desk.grants("revoke")
    connector = desk.world.app.connector

    @dataclass(frozen=True)
    class Slow:
        """Opens a connection with the credentials of a moment ago."""

        def open(self, *args: object, **options: object) -> object:
            if desk.state(instance_id).secret_ref == first:
                assert desk.connect(ada, instance_id).status == 200
                raise AuthError("the token was revoked")
            return connector.open(*args, **options)  # type: ignore[arg-type]

        def __getattr__(self, name: str) -> object:
            return getattr(connector, name)

    first = desk.state(instance_id).secret_ref
    ports = replace(desk.world.app.run_ports, connector=Slow())  # type: ignore[arg-type]
    run_job(job_id, ports=ports)
    assert ada.get(f"jobs/{job_id}").json["status"] == "pending"
    assert desk.instance(instance_id).status is InstanceStatus.ACTIVE
    run_job(job_id, ports=ports)
    assert ada.get(f"jobs/{job_id}").json["status"] == "success"
