"""What a stranger, a victim or another profile may try with a sign-in, and how far they get."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from tests.functions.oauth_kit import ALDER, BIRCH, Desk
from tests.oauth_kit import consent, query


def test_a_state_is_used_once(desk: Desk, hubspot_id: str) -> None:
    """A replay is refused before the provider is asked, and the sign-in stands."""
    handed = desk.consent(desk.link(desk.world.ada, hubspot_id))
    assert desk.world.ada.post("oauth/complete", handed).status == 200
    before = desk.server
    problem = desk.world.ada.post("oauth/complete", handed).problem(409, "conflict")
    assert "already" in problem["detail"]
    assert desk.server == before


def test_a_state_lasts_ten_minutes(desk: Desk, hubspot_id: str) -> None:
    """Later, its code is not redeemed any more."""
    handed = desk.consent(desk.link(desk.world.ada, hubspot_id))
    desk.world.clock.move(minutes=10)
    problem = desk.world.ada.post("oauth/complete", handed).problem(409, "conflict")
    assert "ten minutes" in problem["detail"]
    assert desk.server["redeemed"] == 0


def test_a_victims_code_is_never_redeemed(desk: Desk, hubspot_id: str) -> None:
    """Ada sends Bob her link: his consent gives her nothing, whoever brings it back."""
    handed = desk.consent(desk.link(desk.world.ada, hubspot_id), account=BIRCH)
    bob = desk.world.bob
    bob.post("oauth/complete", handed).problem(404, "not-found")
    assert desk.server["redeemed"] == 0
    assert desk.state(hubspot_id).secret_ref == ""


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


def test_completing_takes_a_token(desk: Desk, hubspot_id: str) -> None:
    """Without a caller nothing is looked up; a caller without a profile is told to make one."""
    handed = desk.consent(desk.link(desk.world.ada, hubspot_id))
    desk.world.nobody.post("oauth/complete", handed).problem(401, "unauthenticated")
    desk.world.caller("eve").post("oauth/complete", handed).problem(409, "conflict")
    assert desk.world.ada.post("oauth/complete", handed).status == 200


def test_a_code_of_another_sign_in_is_refused(desk: Desk, hubspot_id: str) -> None:
    """Code injection: a code stolen from Bob's sign-in needs the verifier of Bob's state."""
    bobs = desk.new_instance(desk.world.bob)
    stolen = desk.consent(desk.link(desk.world.bob, bobs), account=BIRCH)
    own = query(desk.link(desk.world.ada, hubspot_id))["state"]
    answer = desk.world.ada.post("oauth/complete", {"state": own, "code": stolen["code"]})
    problem = answer.problem(400, "invalid-input")
    assert "Start the sign-in again" in problem["detail"]
    assert desk.state(hubspot_id).secret_ref == ""
    assert desk.world.bob.post("oauth/complete", stolen).status == 200


STATE = "hubspot." + "A" * 43


@pytest.mark.parametrize("provider", ["fake", "nobody", "convex", "..", "hubspot%2f.."])
def test_a_callback_of_no_provider(desk: Desk, provider: str) -> None:
    """Where nobody signs in, nobody comes back."""
    desk.callback(provider, state=STATE, code="c-1").problem(404, "not-found")


def test_a_mix_up_of_providers_is_noticed(desk: Desk, hubspot_id: str) -> None:
    """A state of one provider that comes back by another's address goes no further."""
    back = consent(desk.browser, desk.link(desk.world.ada, hubspot_id), account=ALDER)
    given = query(back)
    renamed = "entra" + given["state"].removeprefix("hubspot")
    assert query(desk.callback("hubspot", **given | {"state": renamed}).headers["Location"]) == {
        "error": "invalid_state"
    }
    body = {"state": renamed, "code": given["code"]}
    desk.world.ada.post("oauth/complete", body).problem(404, "not-found")
    assert desk.server["redeemed"] == 0


def test_nobody_signs_in_for_another(desk: Desk, hubspot_id: str) -> None:
    """Another profile's instance, or none, is unknown; so it is without a token."""
    desk.world.bob.post(f"instances/{hubspot_id}/oauth/start").problem(404, "not-found")
    desk.world.bob.delete(f"instances/{hubspot_id}/connection").problem(404, "not-found")
    desk.world.nobody.post(f"instances/{hubspot_id}/oauth/start").problem(401, "unauthenticated")


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
