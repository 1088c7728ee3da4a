"""Signing in at HubSpot through the function app, and out again."""

from __future__ import annotations

import logging

import pytest

from shared.domain.oauth import TokenSet
from shared.errors import NotFoundError
from tests.functions.kit import HttpWorld
from tests.functions.oauth_kit import ALDER, BIRCH, Desk, everything_kept
from tests.oauth_kit import query


def test_a_person_connects_hubspot(desk: Desk, hubspot_id: str) -> None:
    """Consent, callback and completion end in a connected instance, bound to the account."""
    answer = desk.connect(desk.world.ada, hubspot_id, account=BIRCH)
    assert answer.status == 200, answer.body
    assert answer.json["account"] == BIRCH
    assert answer.json["instance"]["setupStep"] == "connection"
    assert answer.headers["ETag"] == f'"{answer.json["instance"]["configVersion"]}"'
    state = desk.state(hubspot_id)
    assert state.account == BIRCH
    kept = TokenSet.from_secret(desk.world.app.vault.get(state.secret_ref))
    assert (kept.provider, kept.instance_id, kept.account) == ("hubspot", hubspot_id, BIRCH)
    streams = desk.world.ada.get(f"instances/{hubspot_id}/streams")
    assert streams.status == 200, streams.body


def test_no_secret_is_kept_or_told(
    desk: Desk, hubspot_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither tables, files, logs nor answers hold a state, code, verifier, token or secret."""
    caplog.set_level(logging.DEBUG)
    link = desk.link(desk.world.ada, hubspot_id)
    handed = desk.consent(link)
    answer = desk.world.ada.post("oauth/complete", handed)
    assert answer.status == 200
    vault = desk.world.app.vault
    kept = TokenSet.from_secret(vault.get(desk.state(hubspot_id).secret_ref))
    secrets = [
        handed["state"],
        handed["code"],
        kept.refresh_token,
        kept.access[""].text,
        vault.get("oauth-pkce-key")["key"],
        desk.world.app.settings.providers["SIGN_IN_HUBSPOT_CLIENT_SECRET"],
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


def test_the_link_is_what_the_provider_needs(desk: Desk, hubspot_id: str) -> None:
    """It goes to the provider, with the exact redirect URI, S256 and the adapter's scopes."""
    link = desk.link(desk.world.ada, hubspot_id)
    asked = query(link)
    assert asked["redirect_uri"] == "http://127.0.0.1:7071/oauth/callback/hubspot"
    assert asked["code_challenge_method"] == "S256"
    assert asked["scope"] == "oauth crm.objects.deals.read crm.schemas.deals.read"
    assert asked["state"].startswith("hubspot.")
    assert len(asked["code_challenge"]) == 43


def test_two_tabs_may_sign_in(desk: Desk, hubspot_id: str) -> None:
    """Each start is a sign-in of its own; the one completed last counts."""
    first, second = (desk.consent(desk.link(desk.world.ada, hubspot_id)) for _ in range(2))
    assert desk.world.ada.post("oauth/complete", second).status == 200
    used = desk.state(hubspot_id).secret_ref
    assert desk.world.ada.post("oauth/complete", first).status == 200
    assert desk.state(hubspot_id).secret_ref != used


def test_a_person_says_no(desk: Desk, hubspot_id: str) -> None:
    """The dashboard is told so in the provider's word, and may start again."""
    handed = desk.consent(desk.link(desk.world.ada, hubspot_id), allow=False)
    assert handed["error"] == "access_denied"
    assert handed["error_description"] == "The user did not allow the app to be connected."
    assert "code" not in handed
    assert desk.connect(desk.world.ada, hubspot_id).status == 200


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
    assert "by its key or password" in answer.problem(409, "conflict")["detail"]


def test_a_reconnect_stays_with_its_account(desk: Desk, hubspot_id: str) -> None:
    """Another account is refused until the person says that it replaces the first."""
    assert desk.connect(desk.world.ada, hubspot_id).status == 200
    first = desk.state(hubspot_id).secret_ref
    problem = desk.connect(desk.world.ada, hubspot_id, account=BIRCH).problem(409, "conflict")
    assert ALDER in problem["detail"]
    assert BIRCH in problem["detail"]
    assert desk.state(hubspot_id).secret_ref == first
    handed = desk.consent(desk.link(desk.world.ada, hubspot_id), account=BIRCH)
    answer = desk.world.ada.post("oauth/complete", {**handed, "replaceAccount": True})
    assert answer.status == 200
    assert desk.state(hubspot_id).account == BIRCH


def test_a_reconnect_revokes_nothing(desk: Desk, hubspot_id: str) -> None:
    """The provider may have given the same refresh token again; the old secret just goes."""
    assert desk.connect(desk.world.ada, hubspot_id).status == 200
    old = desk.state(hubspot_id).secret_ref
    assert desk.connect(desk.world.ada, hubspot_id).status == 200
    assert _is_gone(desk.world, old)
    assert [family["revoked"] for family in desk.server["families"]] == [None, None]


def test_disconnecting_revokes_and_forgets(desk: Desk, hubspot_id: str) -> None:
    """The consent ends at the provider, the secret leaves the vault, the wizard begins again."""
    assert desk.connect(desk.world.ada, hubspot_id).status == 200
    secret_ref = desk.state(hubspot_id).secret_ref
    answer = desk.world.ada.delete(f"instances/{hubspot_id}/connection")
    assert answer.status == 200, answer.body
    assert (answer.json["setupStep"], answer.json["status"]) == ("not_started", "setup_incomplete")
    assert [family["revoked"] for family in desk.server["families"]] == ["token_revoked"]
    assert _is_gone(desk.world, secret_ref)
    again = desk.world.ada.delete(f"instances/{hubspot_id}/connection")
    assert (again.status, again.json) == (200, answer.json)
    assert desk.connect(desk.world.ada, hubspot_id).status == 200


def test_a_provider_that_is_away_does_not_keep_a_secret_alive(
    desk: Desk, hubspot_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Revoking is tried and its failure noted; the secret goes all the same."""
    assert desk.connect(desk.world.ada, hubspot_id).status == 200
    secret_ref = desk.state(hubspot_id).secret_ref
    desk.sandbox.fault("hubspot", "server_error", status=503)
    assert desk.world.ada.delete(f"instances/{hubspot_id}").status == 204
    assert _is_gone(desk.world, secret_ref)
    assert "could not be revoked" in caplog.text


def test_deleting_an_instance_revokes(desk: Desk, hubspot_id: str) -> None:
    """Nothing of a deleted instance works on at the provider."""
    assert desk.connect(desk.world.ada, hubspot_id).status == 200
    assert desk.world.ada.delete(f"instances/{hubspot_id}").status == 204
    assert [family["revoked"] for family in desk.server["families"]] == ["token_revoked"]


def test_a_provider_that_does_not_answer(desk: Desk, hubspot_id: str) -> None:
    """The person starts again: a code must not be redeemed twice."""
    handed = desk.consent(desk.link(desk.world.ada, hubspot_id))
    desk.sandbox.fault("hubspot", "lost_answer", count=1)
    answer = desk.world.ada.post("oauth/complete", handed)
    assert "Start the sign-in again" in answer.problem(503, "unavailable")["detail"]
    assert desk.world.ada.post("oauth/complete", handed).status == 409
    assert desk.connect(desk.world.ada, hubspot_id).status == 200


def test_signing_in_is_audited(desk: Desk, hubspot_id: str) -> None:
    """Start, connection and disconnection are told by who did them, without a secret."""
    desk.connect(desk.world.ada, hubspot_id)
    desk.world.ada.delete(f"instances/{hubspot_id}/connection")
    from sqlalchemy import select

    from shared.store.tables import audit_events

    with desk.world.app.database.engine.connect() as connection:
        rows = connection.execute(
            select(audit_events.c.action)
            .where(audit_events.c.target == hubspot_id)
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
