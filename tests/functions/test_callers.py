"""Callers beyond the access matrix: odd headers, odd ids, no profile yet, odd roles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from shared.backends.oidc import OidcTokenVerifier
from tests.functions.kit import ADMIN, PUBLIC, Client, HttpWorld, Indexed, http_functions
from tests.functions.records_kit import add_conflict, add_record
from tests.issuer_kit import AUDIENCE, Issuer, rsa_key, running_issuer
from tests.warehouse_access_kit import WAREHOUSE

CLOSED = [function for function in http_functions() if function.name not in PUBLIC]
OPEN = [function for function in http_functions() if function.name in PUBLIC]
FOR_ADMINS = [function for function in CLOSED if "/admin/" in function.route]
WITH_IDS = [function for function in CLOSED if "_id}" in function.route]
FOR_PROFILES = [
    function
    for function in CLOSED
    if function not in FOR_ADMINS and "/providers" not in function.route
    if function.name != "put_me"
]
# Bodies good enough to get past their check: a new route that has one needs an entry.
BODIES: dict[str, dict[str, Any]] = {
    "settle_conflict": {"choice": "external"},
    "complete_sign_in": {"state": "hubspot.x", "code": "c"},
    "create_instance": {"provider": "fake"},
    "put_connection": {"apiKey": "k"},
    "put_mappings": {"mappings": []},
    "put_tables": {"tables": []},
    "create_warehouse": WAREHOUSE,
    "put_warehouse": WAREHOUSE,
    "test_new_warehouse": WAREHOUSE,
}

BAD_HEADERS: dict[str, Callable[[Issuer], str | None]] = {
    "none": lambda _: None,
    "empty": lambda _: "",
    "no scheme": lambda issuer: issuer.token(),
    "another scheme": lambda issuer: f"Basic {issuer.token()}",
    "no token": lambda _: "Bearer ",
    "not a token": lambda _: "Bearer let-me-in",
    "of another issuer": lambda issuer: f"Bearer {issuer.token(iss='https://evil.test')}",
    "signed by another key": lambda issuer: f"Bearer {issuer.token(key=rsa_key(1))}",
}


def name_of(function: Indexed) -> str:
    return f"{function.method} {function.route}"


@pytest.mark.parametrize("function", CLOSED, ids=name_of)
def test_every_other_route_refuses_every_bad_token(world: HttpWorld, function: Indexed) -> None:
    """Without a valid token the answer is 401 with the way to sign in, whatever else is wrong."""
    for label, make in BAD_HEADERS.items():
        header = make(world.issuer)
        answer = world.nobody.call(
            function.method,
            function.example,
            raw=b"not JSON",
            params={"limit": "nonsense"},
            headers={} if header is None else {"Authorization": header},
        )
        assert answer.status == 401, label
        answer.problem(401, "unauthenticated")
        assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_the_scheme_may_be_written_in_any_case(world: HttpWorld) -> None:
    """`bearer` is as good as `Bearer`, as RFC 9110 has it."""
    token = world.ada.token
    answer = Client(None).call("GET", "me", headers={"authorization": f"bearer {token}"})
    assert answer.status == 200


def test_only_the_role_itself_makes_an_admin(world: HttpWorld) -> None:
    """A role that merely resembles the admin's opens nothing; the role in a list does."""
    for roles in ([], ["admin"], [ADMIN.upper()], ["integrator.administrator"]):
        caller = world.caller("mallory", roles=roles)
        caller.get("admin/dead-letters").problem(403, "forbidden")
    assert world.caller("grace", roles=["x", ADMIN]).get("admin/dead-letters").status == 200


@pytest.mark.parametrize("function", WITH_IDS, ids=name_of)
def test_another_profiles_ids_are_unknown(world: HttpWorld, function: Indexed) -> None:
    """On every route with an id, another's looks exactly like one that does not exist."""
    instance_id = world.connected(world.ada)
    job_id = world.start(world.ada, instance_id)
    world.run(job_id)
    log_id = world.ada.get("logs").json["items"][0]["id"]
    ids = {
        "{instance_id}": instance_id,
        "{job_id}": job_id,
        "{log_id}": log_id,
        "{letter_id}": job_id,
        "{breaker_id}": job_id,
        "{record_id}": add_record(world.app, job_id),
        "{conflict_id}": add_conflict(world.app, instance_id),
        "{warehouse_id}": world.ada.post("warehouses", WAREHOUSE).json["id"],
    }
    stranger = world.admin if function in FOR_ADMINS else world.bob
    answers = []
    for known in (ids, dict.fromkeys(ids, "019a0000-0000-7000-8000-000000000000")):
        path = "/".join(known[w] if w.startswith("{") else w for w in function.route.split("/"))
        answers.append(
            stranger.call(function.method, path, body=BODIES.get(function.name)).problem(
                404, "not-found"
            )
        )
    assert answers[0] == answers[1]
    assert world.ada.get(f"instances/{instance_id}").status == 200


@pytest.mark.parametrize("function", WITH_IDS, ids=name_of)
@pytest.mark.parametrize("odd", ["ключ", "x" * 5000, "a b", "' OR 1=1 --", "%00"])
def test_ids_of_any_form_are_unknown(world: HttpWorld, function: Indexed, odd: str) -> None:
    """What cannot be an id is one that does not exist."""
    who = world.admin if function in FOR_ADMINS else world.ada
    path = "/".join(odd if "{" in word else word for word in function.route.split("/"))
    who.call(function.method, path, body=BODIES.get(function.name)).problem(404, "not-found")


@pytest.mark.parametrize("function", FOR_PROFILES, ids=name_of)
def test_a_caller_without_a_profile_is_told_to_make_one(
    world: HttpWorld, function: Indexed
) -> None:
    """Whoever is signed in and has no profile yet learns how to get one."""
    answer = world.caller("new").call(
        function.method, function.example, body=BODIES.get(function.name)
    )
    kind = (404, "not-found") if function.name == "get_me" else (409, "conflict")
    assert "PUT /api/v1/me" in answer.problem(*kind)["detail"]


def test_the_same_subject_of_another_issuer_is_somebody_else(world: HttpWorld) -> None:
    """A profile belongs to issuer and subject together."""
    assert world.ada.get("me").status == 200
    with running_issuer() as other:
        world.app.__dict__["verifier"] = OidcTokenVerifier(
            issuer=other.url, audience=AUDIENCE, admin_role=ADMIN
        )
        Client(other.token(sub="ada")).get("me").problem(404, "not-found")
