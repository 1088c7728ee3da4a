from __future__ import annotations

import base64
import hashlib
import json
import logging
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from shared.domain.oauth import TokenGrant
from shared.errors import PermanentError, SyncError, TransientError
from shared.http.entra import GRAPH, POWER_BI, entra_oauth, entra_scopes, tenant_of
from shared.http.oauth import GrantRefusedError, OAuthServer, Registration
from tests.oauth_kit import query
from tests.sign_in_kit import make_oauth, refusal

SECRET = "client-secret-canary &=+%€"
STATE = "fake.state"
REDIRECT = "https://app.test/oauth/callback/fake"
GOOD = {"access_token": "a-1", "refresh_token": "r-1", "token_type": "Bearer", "expires_in": 1800}


class Endpoint:
    """Keeps the forms it was sent; answers each with the next answer, the last one again."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers = list(answers) or [httpx.Response(200, json=GOOD)]
        self.forms: list[dict[str, str]] = []
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        self.forms.append({k: v[0] for k, v in parse_qs(request.content.decode()).items()})
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def make_server(endpoint: Callable[[httpx.Request], httpx.Response], **spec: Any) -> OAuthServer:
    return OAuthServer(
        name="Fake",
        spec=make_oauth(**spec),
        registration=Registration(client_id="app-1", client_secret=SECRET),
        options={"base_url": "https://sign-in.test/v2"},
        sleep=lambda _seconds: None,
        transport=httpx.MockTransport(endpoint),
    )


def test_the_authorize_url_carries_the_challenge_and_never_the_verifier() -> None:
    """It has what RFC 6749 (4.1.1) and RFC 7636 (4.3) ask for, each once, and nothing secret."""
    url = make_server(Endpoint(), extra={"prompt": "select_account"}).authorize_url(
        state=STATE, verifier="v" * 43, redirect_uri=REDIRECT, scopes=("a.read", "b")
    )
    digest = hashlib.sha256(b"v" * 43).digest()
    assert urlsplit(url)._replace(query="").geturl() == "https://sign-in.test/v2/authorize"
    assert query(url) == {
        "response_type": "code",
        "client_id": "app-1",
        "redirect_uri": REDIRECT,
        "scope": "a.read b",
        "state": STATE,
        "code_challenge": base64.urlsafe_b64encode(digest).decode().rstrip("="),
        "code_challenge_method": "S256",
        "prompt": "select_account",
    }
    assert SECRET not in url


def test_a_code_is_redeemed() -> None:
    """The client says who it is in the body, and nothing goes into a header or the URL."""
    endpoint = Endpoint()
    grant = make_server(endpoint).exchange(code="c-1", verifier="v-1", redirect_uri=REDIRECT)
    assert endpoint.forms == [
        {
            "grant_type": "authorization_code",
            "code": "c-1",
            "code_verifier": "v-1",
            "redirect_uri": REDIRECT,
            "client_id": "app-1",
            "client_secret": SECRET,
        }
    ]
    (request,) = endpoint.requests
    assert str(request.url) == "https://sign-in.test/v2/token"
    assert request.headers["content-type"].startswith("application/x-www-form-urlencoded")
    assert "authorization" not in request.headers
    assert grant == TokenGrant(access_token="a-1", refresh_token="r-1", lifetime=1800)


def test_a_refresh_names_the_scopes_of_its_resource() -> None:
    """A provider with one resource is asked for no scope: it gives what was consented to."""
    endpoint = Endpoint()
    make_server(endpoint, resources={"x": ("x.read", "x.write")}).refresh("r-0", resource="x")
    make_server(endpoint).refresh("r-0")
    assert [form.get("scope") for form in endpoint.forms] == ["x.read x.write", None]
    assert endpoint.forms[1]["refresh_token"] == "r-0"


@pytest.mark.parametrize(
    ("given", "lifetime"),
    [
        (1800, 1800),
        ("3599", 3599),
        (0, 0),
        (-5, 0),
        (None, None),
        ("soon", None),
        (True, None),
        ("nan", None),
        ([1], None),
    ],
)
def test_a_lifetime_of_any_form(given: object, lifetime: float | None) -> None:
    """Seconds come as number or text; what says nothing means unknown."""
    answer = httpx.Response(200, json={**GOOD, "expires_in": given})
    assert make_server(Endpoint(answer)).refresh("r-0").lifetime == lifetime


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"error": "invalid_grant", "error_description": "gone"}, "invalid_grant"),
        ({"status": "BAD_REFRESH_TOKEN", "message": "gone"}, "bad_refresh_token"),
        ({"status": "BAD_AUTH_CODE", "message": "gone"}, "bad_auth_code"),
        ({"error": "interaction_required", "error_description": "gone"}, "interaction_required"),
        (
            {"error": "invalid_grant", "error_description": "gone\r\nTrace ID: 1\r\nTime: 2"},
            "invalid_grant",
        ),
        ({"error": "invalid_grant", "error_description": "gone", "status": "x"}, "invalid_grant"),
    ],
    ids=["rfc", "hubspot", "hubspot-code", "entra-mfa", "entra-lines", "both"],
)
def test_a_refusal_of_any_form(body: dict[str, str], code: str) -> None:
    """Each provider's word for it is understood; a person reads its first line."""
    server = make_server(Endpoint(httpx.Response(400, json=body)))
    with pytest.raises(GrantRefusedError) as caught:
        server.refresh("r-0")
    assert caught.value.code == code
    assert str(caught.value) == "Fake refused the sign-in: gone (400)."


@pytest.mark.parametrize(
    ("answer", "error", "match"),
    [
        (refusal("invalid_client", "bad secret", status=401), TransientError, "operator"),
        (refusal("invalid_scope", "no such scope"), PermanentError, "no such scope"),
        (refusal("server_error", "oops"), TransientError, "could not answer"),
        (httpx.Response(400, text="<html>"), TransientError, "could not answer"),
        (httpx.Response(400, json=["x"]), TransientError, "could not answer"),
        (httpx.Response(200, text="<html>"), TransientError, "not JSON"),
        (httpx.Response(200, json=["x"]), TransientError, "not JSON"),
        (httpx.Response(200, json={"access_token": ""}), TransientError, "without a token"),
        (httpx.Response(200, json={**GOOD, "refresh_token": 5}), TransientError, "without a token"),
        (httpx.Response(200, json={**GOOD, "token_type": "mac"}), PermanentError, "a kind"),
        (httpx.Response(302, headers={"Location": "https://evil.test"}), PermanentError, "302"),
        (httpx.Response(503), TransientError, "503"),
        (httpx.ReadTimeout("x"), TransientError, "in time"),
    ],
)
def test_everything_else_says_nothing_about_the_grant(
    answer: httpx.Response | Exception, error: type[SyncError], match: str
) -> None:
    """Only a refusal in a form that is known is one."""
    endpoint = Endpoint(answer)
    with pytest.raises(error, match=match) as caught:
        make_server(endpoint).refresh("r-0")
    assert not isinstance(caught.value, GrantRefusedError)
    assert len(endpoint.forms) == 1


@pytest.mark.parametrize("first", [httpx.ConnectError("x"), httpx.Response(429)])
def test_what_the_server_surely_did_not_do_is_asked_again(
    first: httpx.Response | Exception,
) -> None:
    """No connection, and a refusal for its rate, used up no token."""
    endpoint = Endpoint(first, httpx.Response(200, json=GOOD))
    assert make_server(endpoint).refresh("r-0").access_token == "a-1"
    assert len(endpoint.requests) == 2


def test_no_secret_in_any_message(caplog: pytest.LogCaptureFixture) -> None:
    """A server that repeats what it was sent does not make us tell it."""
    caplog.set_level(logging.DEBUG)
    said = f"r-canary c-canary v-canary {SECRET}"
    answers = [
        httpx.Response(status, json={"error": error, "error_description": said, "message": said})
        for status, error in [
            (400, "invalid_grant"),
            (400, "x"),
            (401, "invalid_client"),
            (500, ""),
        ]
    ]
    for answer in answers:
        with pytest.raises(SyncError) as refresh:
            make_server(Endpoint(answer)).refresh("r-canary")
        with pytest.raises(SyncError) as exchange:
            make_server(Endpoint(answer)).exchange(
                code="c-canary", verifier="v-canary", redirect_uri=REDIRECT
            )
        assert "r-canary" not in str(refresh.value)
        assert SECRET not in str(refresh.value) + str(exchange.value)
        assert "c-canary" not in str(exchange.value)
        assert "v-canary" not in str(exchange.value)
    assert "canary" not in caplog.text
    assert SECRET not in repr(make_server(Endpoint()))
    assert "a-1" not in repr(make_server(Endpoint()).refresh("r-0"))


def test_a_token_is_revoked_where_that_can_be() -> None:
    """RFC 7009; a server without the endpoint is left alone."""
    endpoint = Endpoint(httpx.Response(200))
    assert make_server(endpoint).revoke("r-0") is True
    assert make_server(endpoint, revoke_url="").revoke("r-0") is False
    (form,) = endpoint.forms
    assert (form["token"], form["token_type_hint"]) == ("r-0", "refresh_token")
    assert form["client_secret"] == SECRET
    assert endpoint.requests[0].url.path == "/v2/revoke"


def id_token(claims: object) -> str:
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{body}.x"


@pytest.mark.parametrize(
    ("answer", "tenant"),
    [
        ({"id_token": id_token({"tid": "t-1"})}, "t-1"),
        ({"id_token": id_token({"tid": 5})}, ""),
        ({"id_token": id_token(["t-1"])}, ""),
        ({"id_token": "not.a.jwt"}, ""),
        ({"id_token": "x"}, ""),
        ({"id_token": None}, ""),
        ({}, ""),
    ],
)
def test_the_tenant_of_an_id_token(answer: dict[str, Any], tenant: str) -> None:
    """The account is the tenant; an answer without one binds none."""
    assert tenant_of(answer) == tenant


def test_entra_resources_share_a_consent() -> None:
    """Consent is asked for all scopes at once; each token request names those of one resource."""
    graph, bi = (f"{GRAPH}/Tasks.Read",), (f"{POWER_BI}/Dataset.Read.All",)
    spec = entra_oauth({"": graph, "power-bi": bi})
    assert entra_scopes(graph, bi) == ("openid", "offline_access", *graph, *bi)
    assert spec.resources == {
        "": ("openid", "offline_access", *graph),
        "power-bi": ("openid", "offline_access", *bi),
    }
    assert spec.idle_life is not None
    assert spec.idle_life.days == 90
