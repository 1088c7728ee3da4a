"""Faults that can be switched on, over every emulator."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx
import pytest

from local.sandbox.faults import Fault, Faults
from tests.sandbox_kit import Running

DEALS = "/crm/objects/2026-03/deals"
DOCS = Path(__file__).parents[3] / "docs" / "sandbox"
ONE = {"source": "s", "inputs": [{"externalKey": "deals/1", "fields": {"name": "A", "unit": "kg"}}]}


def test_rate_limit_with_retry_after(sandbox: Running, hubspot: httpx.Client) -> None:
    """A storm of two 429s carries Retry-After and ends by itself."""
    sandbox.fault("hubspot", "rate_limit", count=2, retry_after=7)
    answers = [hubspot.get(DEALS) for _ in range(3)]
    assert [a.status_code for a in answers] == [429, 429, 200]
    assert answers[0].headers["retry-after"] == "7"
    assert answers[0].json()["policyName"] == "TEN_SECONDLY_ROLLING"


def test_rate_limit_without_retry_after(sandbox: Running, hubspot: httpx.Client) -> None:
    """Without `retry_after` the 429 says nothing about when to come back."""
    sandbox.fault("hubspot", "rate_limit", count=1)
    assert "retry-after" not in hubspot.get(DEALS).headers


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_server_error(sandbox: Running, linkhub: httpx.Client, status: int) -> None:
    """An error of the server is one in the provider's own form, and nothing was carried out."""
    sandbox.fault("linkhub", "server_error", count=1, status=status)
    answer = linkhub.post("/v1/indicators/batch/upsert", json=ONE)
    assert answer.status_code == status
    assert answer.json()["status"] == status
    assert linkhub.get("/_state").json()["indicators"] == 0


def test_unauthorized_until_cleared(sandbox: Running, hubspot: httpx.Client) -> None:
    """A fault without a count strikes until it is cleared, but never the control paths."""
    sandbox.fault("hubspot", "unauthorized")
    answers = [hubspot.get(DEALS) for _ in range(3)]
    assert {a.status_code for a in answers} == {401}
    assert answers[0].json()["category"] == "INVALID_AUTHENTICATION"
    assert hubspot.get("/_state").status_code == 200
    sandbox.heal()
    assert hubspot.get(DEALS).status_code == 200


def test_skip_and_path(sandbox: Running, hubspot: httpx.Client) -> None:
    """A fault can wait for the third list page and leave other calls alone."""
    sandbox.fault("hubspot", "server_error", count=1, skip=2, path="/objects/", method="get")
    first = [hubspot.get(DEALS).status_code for _ in range(2)]
    assert first == [200, 200]
    assert hubspot.get("/crm/owners/2026-03").status_code == 200
    assert [hubspot.get(DEALS).status_code for _ in range(2)] == [503, 200]


def test_truncated_body_was_carried_out(sandbox: Running, linkhub: httpx.Client) -> None:
    """A cut connection loses the answer, not what the request did."""
    sandbox.fault("linkhub", "truncated", count=1)
    with pytest.raises(httpx.RemoteProtocolError):
        linkhub.post("/v1/indicators/batch/upsert", json=ONE)
    assert linkhub.get("/_state").json()["indicators"] == 1


def test_truncated_after_bytes(sandbox: Running, hubspot: httpx.Client) -> None:
    """The cut comes after as many bytes as were asked for."""
    sandbox.fault("hubspot", "truncated", count=1, bytes=10)
    received = b""
    with (  # noqa: PT012 - the answer begins well and breaks while it is read
        pytest.raises(httpx.RemoteProtocolError),
        hubspot.stream("GET", DEALS) as answer,
    ):
        for piece in answer.iter_raw():
            received += piece
    assert len(received) == 10


def test_malformed_json(sandbox: Running, hubspot: httpx.Client) -> None:
    """A malformed answer is complete by its length and no JSON."""
    sandbox.fault("hubspot", "malformed", count=1)
    answer = hubspot.get(DEALS)
    assert answer.status_code == 200
    with pytest.raises(ValueError, match=r"Expecting|Unterminated|delimiter"):
        answer.json()


def test_slow_body(sandbox: Running, hubspot: httpx.Client) -> None:
    """A slow body comes whole, and takes as long as was asked for."""
    whole = hubspot.get(DEALS).content
    sandbox.fault("hubspot", "slow", count=1, seconds=0.2)
    started = time.monotonic()
    assert hubspot.get(DEALS).content == whole
    assert time.monotonic() - started >= 0.2


def test_clock_skew(sandbox: Running, hubspot: httpx.Client) -> None:
    """The Date header is ahead by the seconds asked for, and right otherwise."""
    sandbox.fault("hubspot", "clock_skew", count=1, seconds=600)
    before = datetime.now(UTC).replace(microsecond=0)
    ahead, right = (parsedate_to_datetime(hubspot.get(DEALS).headers["date"]) for _ in range(2))
    took = datetime.now(UTC) - before
    assert timedelta() <= ahead - timedelta(seconds=600) - before <= took
    assert timedelta() <= right - before <= took


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"provider": "nobody", "fault": "slow"}, "nobody"),
        ({"provider": "hubspot", "fault": "earthquake"}, "rate_limit"),
        ({"provider": "hubspot"}, "fault"),
    ],
)
def test_unknown_fault(sandbox: Running, body: dict[str, str], named: str) -> None:
    """A fault nobody knows is refused with what there is."""
    answer = sandbox.control.post("/_faults", json=body)
    assert answer.status_code == 400
    assert named in answer.text


def test_clear_one_provider() -> None:
    """Clearing one provider's faults leaves the others'."""
    faults = Faults()
    for provider in ("hubspot", "linkhub"):
        faults.declare(provider)
        faults.add(Fault(provider=provider, fault="slow"))
    faults.clear("hubspot")
    assert [fault.provider for fault in faults.active()] == ["linkhub"]


def test_requests_are_counted(sandbox: Running, hubspot: httpx.Client) -> None:
    """The counters tell calls apart by method, path and status, ids folded together."""
    sandbox.heal()
    for deal in hubspot.get(DEALS).json()["results"][:3]:
        hubspot.get(f"{DEALS}/{deal['id']}")
    report = sandbox.control.get("/_requests").json()["hubspot"]
    assert report["total"] == 4
    assert report["requests"][0] == {
        "method": "GET",
        "path": f"{DEALS}/{{id}}",
        "status": 200,
        "count": 3,
    }


def test_every_fault_is_documented(sandbox: Running) -> None:
    """Each kind of fault stands in the page of its provider or in the common one."""
    kinds = sandbox.control.get("/_faults").json()["kinds"]
    assert {"hubspot", "entra", "linkhub", "issuer", "convex", "powerbi", "graph"} == set(kinds)
    common = (DOCS / "README.md").read_text()
    for provider in kinds:
        page = (DOCS / f"{provider}.md").read_text() + common
        missing = [kind for kind in kinds[provider] if f"`{kind}`" not in page]
        assert not missing, provider
