"""Who gets through which route: every indexed route by every kind of caller, as one table."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any, Final

import pytest

from adapters import find_provider
from shared.domain.ids import new_id
from shared.domain.jobs import DeadLetter, DeadLetterState
from shared.services.oauth_servers import OAuthServers
from tests.factories import NOW
from tests.functions.kit import ADMIN, Answer, Client, HttpWorld, http_functions
from tests.functions.records_kit import add_breaker, add_conflict, add_record
from tests.issuer_kit import Issuer, hmac_token, unsigned_token
from tests.store_kit import make_oauth_state
from tests.warehouse_access_kit import WAREHOUSE

IN: Final = 0
"""Let through: the answer is the route's own, whatever the thing's state makes of it."""

Row = tuple[int, int, int, int]
PUBLIC: Final[Row] = (IN, IN, IN, IN)
SIGNED_IN: Final[Row] = (401, IN, IN, IN)
OWNED: Final[Row] = (401, IN, 404, 404)
FOR_ADMINS: Final[Row] = (401, 403, 403, IN)

# What these get: somebody without a valid token, whoever owns the thing named (no admin), another
# profile (no admin), and an admin with a profile of their own. A new route needs a row.
MATRIX: Final[dict[str, Row]] = {
    "health": PUBLIC,
    "ready": PUBLIC,
    "get_openapi": PUBLIC,
    "come_back": PUBLIC,
    "list_providers": SIGNED_IN,
    "get_provider": SIGNED_IN,
    "get_me": SIGNED_IN,
    "put_me": SIGNED_IN,
    "create_instance": SIGNED_IN,
    "list_instances": SIGNED_IN,
    "get_instance": OWNED,
    "delete_instance": OWNED,
    "put_connection": OWNED,
    "disconnect": OWNED,
    "start_sign_in": OWNED,
    "complete_sign_in": (401, IN, 404, 404),
    "get_streams": OWNED,
    "get_mappings": OWNED,
    "put_mappings": OWNED,
    "preview_mappings": OWNED,
    "get_tables": OWNED,
    "put_tables": OWNED,
    "discover_tables": OWNED,
    "put_sync_config": OWNED,
    "activate_instance": OWNED,
    "pause_instance": OWNED,
    "resume_instance": OWNED,
    "start_job": OWNED,
    "list_jobs": SIGNED_IN,
    "get_job": OWNED,
    "cancel_job": OWNED,
    "approve_job": OWNED,
    "reject_job": OWNED,
    "retry_job": OWNED,
    "undo_job": OWNED,
    "replay_record": OWNED,
    "list_logs": SIGNED_IN,
    "list_log_records": OWNED,
    "list_conflicts": SIGNED_IN,
    "settle_conflict": OWNED,
    "create_warehouse": SIGNED_IN,
    "list_warehouses": SIGNED_IN,
    "test_new_warehouse": SIGNED_IN,
    "get_warehouse": OWNED,
    "put_warehouse": OWNED,
    "delete_warehouse": OWNED,
    "test_warehouse": OWNED,
    "list_dead_letters": FOR_ADMINS,
    "replay_dead_letter": FOR_ADMINS,
    "list_breakers": FOR_ADMINS,
    "reset_breaker": FOR_ADMINS,
}

CLAIMS: Final[dict[str, Any]] = {"sub": "ada", "roles": [ADMIN]}
# All of these say that they are Ada, and an admin.
WITHOUT_A_VALID_TOKEN: Final[dict[str, Callable[[Issuer], str | None]]] = {
    "no token": lambda _: None,
    "expired": lambda issuer: issuer.token(**CLAIMS, exp=int(time.time()) - 3600),
    "wrong audience": lambda issuer: issuer.token(**CLAIMS, aud="another-api"),
    "alg none": lambda issuer: unsigned_token(issuer, {"alg": "none", "kid": "k1"}, **CLAIMS),
    "HS256 with the public key": lambda issuer: hmac_token(issuer, **CLAIMS),
}


class Doors:
    """Things of Ada's, and every way to knock at a route with their ids."""

    def __init__(self, world: HttpWorld) -> None:
        self.world = world
        world.app.settings = replace(world.app.settings, dashboard_url="https://dashboard.test")
        world.app.__dict__["oauth_servers"] = OAuthServers(
            find_provider=lambda slug: (
                find_provider(slug) if slug == "hubspot" else world.providers.find(slug)
            ),
            registrations={},
            public_url="https://api.test",
            platform_options={},
        )
        instance_id = world.connected(world.ada)
        job_id = world.start(world.ada, instance_id)
        world.run(job_id)
        self.ids = {
            "{instance_id}": instance_id,
            "{job_id}": job_id,
            "{log_id}": world.ada.get("logs").json["items"][0]["id"],
            "{letter_id}": self._add_letter(job_id),
            "{breaker_id}": add_breaker(world.app),
            "{record_id}": add_record(world.app, job_id),
            "{conflict_id}": add_conflict(world.app, instance_id),
            "{warehouse_id}": world.ada.post("warehouses", WAREHOUSE).json["id"],
            "{slug}": "fake",
            "{provider}": "hubspot",
        }
        self.bodies = {**example_bodies(), "complete_sign_in": self._add_sign_in(instance_id)}

    def knock(self, client: Client, name: str) -> Answer:
        """Call the route with Ada's ids and a body of the right form."""
        function = next(one for one in http_functions() if one.name == name)
        words = function.route.split("/")
        path = "/".join(self.ids[word] if word.startswith("{") else word for word in words)
        return client.call(function.method, path, body=self.bodies.get(name))

    def _add_letter(self, job_id: str) -> str:
        letter = DeadLetter(
            id=new_id(),
            job_id=job_id,
            attempt=1,
            body_hash="",
            queue="sync-manual",
            body="",
            error_class="",
            error="",
            state=DeadLetterState.OPEN,
            created_at=NOW,
            updated_at=NOW,
        )
        with self.world.app.open_uow() as uow:
            uow.dead_letters.upsert(letter)
            uow.commit()
        return letter.id

    def _add_sign_in(self, instance_id: str) -> dict[str, str]:
        """Return the body that completes a sign-in of Ada's, which she has completed already."""
        state = f"fake.{'s' * 43}"
        with self.world.app.open_uow() as uow:
            instance = uow.instances.get(instance_id, profile_id=None)
            digest = hashlib.sha256(state.encode()).hexdigest()
            uow.oauth_states.add(make_oauth_state(instance, state_hash=digest, used_at=NOW))
            uow.commit()
        return {"state": state, "code": "a-code"}


@cache
def example_bodies() -> dict[str, Any]:
    """Return the body each route documents as its example."""
    paths = Client(None).get("api/openapi.json").json["paths"]
    return {
        operation["operationId"]: operation["requestBody"]["content"]["application/json"]["example"]
        for methods in paths.values()
        for operation in methods.values()
        if "requestBody" in operation
    }


@pytest.fixture
def doors(world: HttpWorld) -> Doors:
    return Doors(world)


def verdict(answer: Answer) -> int:
    """Return IN for an answer of the route's own, else why it was not given; no fault passes."""
    assert answer.status < 500 or answer.status == 503, answer.body
    return answer.status if answer.status in {401, 403, 404} else IN


def test_every_indexed_route_has_a_row() -> None:
    """Nobody adds a route without saying who gets through."""
    assert set(MATRIX) == {function.name for function in http_functions()}


def test_public_routes_are_exactly_these() -> None:
    """Health, readiness, the API document and the way back from a provider ask for no token."""
    public = {name for name, row in MATRIX.items() if row == PUBLIC}
    assert public == {"health", "ready", "get_openapi", "come_back"}


@pytest.mark.parametrize("name", MATRIX)
def test_without_a_valid_token(doors: Doors, name: str) -> None:
    """No token, an old one, one for others, an unsigned and a forged one: all get the same."""
    expected = MATRIX[name][0]
    for label, make in WITHOUT_A_VALID_TOKEN.items():
        answer = doors.knock(Client(make(doors.world.issuer)), name)
        assert verdict(answer) == expected, label
        if expected == 401:
            answer.problem(401, "unauthenticated")
            assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("name", MATRIX)
def test_with_a_valid_token(doors: Doors, name: str) -> None:
    """The owner gets in, another profile finds nothing, an admin has the admin's routes more."""
    world = doors.world
    admin = world.caller("grace", roles=[ADMIN])
    assert admin.put("me", {"name": "Grace"}).status == 200
    _, *expected = MATRIX[name]
    # The owner comes last: what they do may take the thing away.
    found = [verdict(doors.knock(client, name)) for client in (admin, world.bob, world.ada)]
    assert found == expected[::-1]
