"""The issuer's keys while many requests arrive at once."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Barrier, Event

import pytest

from shared.backends.oidc import OidcTokenVerifier
from shared.errors import UnauthenticatedError
from tests.issuer_kit import AUDIENCE, Issuer, rsa_entry, rsa_key

URL = "https://issuer.test"
THREADS = 12
PATIENCE = 120.0


@dataclass
class Desk:
    """An issuer without a network: its keys, a clock, and a gate that holds answers back."""

    issuer: Issuer = field(default_factory=lambda: Issuer(url=URL))
    now: float = 1000.0
    asked: list[str] = field(default_factory=list)
    is_slow: bool = False
    reached: Event = field(default_factory=Event)
    gate: Event = field(default_factory=Event)

    def verifier(self) -> OidcTokenVerifier:
        return OidcTokenVerifier(
            issuer=URL,
            audience=AUDIENCE,
            admin_role="x",
            fetch=self._fetch,
            clock=lambda: self.now,
        )

    def _fetch(self, url: str) -> bytes:
        self.asked.append(url)
        if self.is_slow:
            self.reached.set()
            assert self.gate.wait(PATIENCE)
        if url.endswith("openid-configuration"):
            return json.dumps({"issuer": URL, "jwks_uri": f"{URL}/jwks"}).encode()
        return json.dumps({"keys": self.issuer.keys}).encode()


@pytest.fixture
def desk() -> Desk:
    return Desk()


def at_once(work: Callable[[int], str]) -> list[str]:
    """Do the work in many threads that begin together; return what each got."""
    start = Barrier(THREADS)

    def begin(number: int) -> str:
        start.wait(PATIENCE)
        return work(number)

    with ThreadPoolExecutor(max_workers=THREADS) as pool:
        return list(pool.map(begin, range(THREADS)))


def test_the_first_requests_of_a_process_fetch_the_keys_once(desk: Desk) -> None:
    """Twelve at once cost one discovery and one list of keys, and all pass."""
    verifier = desk.verifier()
    token = desk.issuer.token()
    assert at_once(lambda _: verifier.verify(token).subject) == ["user-1"] * THREADS
    assert len(desk.asked) == 2


def test_a_rotated_key_is_fetched_once(desk: Desk) -> None:
    """Twelve tokens with a new key at once cost one fetch more, and none is refused."""
    verifier = desk.verifier()
    verifier.verify(desk.issuer.token())
    desk.issuer.keys = [rsa_entry("k1", rsa_key()), rsa_entry("k2", rsa_key(1))]
    desk.now += 61
    token = desk.issuer.token(key=rsa_key(1), kid="k2")
    assert at_once(lambda _: verifier.verify(token).subject) == ["user-1"] * THREADS
    assert len(desk.asked) == 4


def test_a_flood_of_unknown_keys_is_no_flood_of_requests(desk: Desk) -> None:
    """Hundreds of made-up key ids from twelve threads cost one fetch, and known keys go on."""
    verifier = desk.verifier()
    good = desk.issuer.token()
    verifier.verify(good)
    desk.now += 61

    def flood(number: int) -> str:
        for turn in range(20):
            with pytest.raises(UnauthenticatedError, match="does not list"):
                verifier.verify(desk.issuer.token(kid=f"made-up-{number}-{turn}"))
        return verifier.verify(good).subject

    assert at_once(flood) == ["user-1"] * THREADS
    assert len(desk.asked) == 4


@pytest.mark.parametrize("kid", ["k1", "made-up"], ids=["keys an hour old", "an unknown key"])
def test_a_slow_issuer_holds_up_one_request_only(desk: Desk, kid: str) -> None:
    """While one thread waits for the issuer, tokens with known keys pass without waiting."""
    verifier = desk.verifier()
    good = desk.issuer.token()
    verifier.verify(good)
    desk.now += 61 if kid == "made-up" else 3601
    desk.is_slow = True
    with ThreadPoolExecutor(max_workers=1) as pool:
        held_up = pool.submit(verifier._keys.find, kid)
        assert desk.reached.wait(PATIENCE)
        assert verifier.verify(good).subject == "user-1"
        assert not held_up.done()
        desk.gate.set()
        assert (held_up.result(PATIENCE) is None) is (kid == "made-up")
