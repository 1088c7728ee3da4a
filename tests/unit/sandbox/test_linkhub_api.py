"""The LinkHub API: batches, idempotency, the feed of changes, and what it refuses."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import httpx
import pytest

from local.sandbox.linkhub.batches import Input
from local.sandbox.linkhub.records import Records
from shared.domain.linkhub import ENTITIES
from tests.sandbox_kit import Running

UPSERT = "/v1/initiatives/batch/upsert"
REFERENCE = Path(__file__).parents[3] / "docs" / "linkhub-api.md"


def deal(number: int, **fields: Any) -> dict[str, Any]:
    given = {"name": f"Deal {number}", "status": "ON_TIME", **fields}
    return {"externalKey": f"deals/{number}", "fields": given}


def upsert(client: httpx.Client, *inputs: dict[str, Any], key: str = "") -> list[dict[str, Any]]:
    headers = {"Idempotency-Key": key} if key else {}
    body = {"source": "instance-1", "inputs": list(inputs)}
    answer = client.post(UPSERT, json=body, headers=headers)
    answer.raise_for_status()
    results: list[dict[str, Any]] = answer.json()["results"]
    return results


def read(client: httpx.Client, *numbers: int) -> dict[str, Any]:
    keys = [f"deals/{number}" for number in numbers]
    body = {"source": "instance-1", "externalKeys": keys}
    found: dict[str, Any] = client.post("/v1/initiatives/batch/get", json=body).json()
    return found


def test_outcomes_in_order(linkhub: httpx.Client) -> None:
    """New, changed, equal and wrong records are told apart, in the order they were sent."""
    first = upsert(linkhub, deal(1), deal(2), deal(3))
    assert {result["outcome"] for result in first} == {"created"}
    second = upsert(
        linkhub, deal(2, budget="5"), deal(3), deal(4, progress=500), deal(1, status=None), deal(5)
    )
    outcomes = [(result["externalKey"], result["outcome"]) for result in second]
    assert outcomes == [
        ("deals/2", "updated"),
        ("deals/3", "unchanged"),
        ("deals/4", "rejected"),
        ("deals/1", "rejected"),
        ("deals/5", "created"),
    ]
    assert second[0]["id"] == first[1]["id"]
    assert second[2]["id"] is None
    assert second[3]["id"] == first[0]["id"]
    assert [(e["field"], e["code"]) for e in second[2]["errors"]] == [("progress", "out_of_range")]
    assert read(linkhub, 1, 4)["missing"] == ["deals/4"]


def test_fields_not_named_stay(linkhub: httpx.Client) -> None:
    """An upsert changes the fields it names; null empties one."""
    upsert(linkhub, deal(1, budget="5", owner="Ana"))
    body = {"externalKey": "deals/1", "fields": {"owner": None, "progress": 10}}
    assert upsert(linkhub, body)[0]["outcome"] == "updated"
    record = read(linkhub, 1)["results"][0]
    assert record["fields"] == {
        "name": "Deal 1",
        "status": "ON_TIME",
        "budget": "5.00",
        "progress": 10,
    }
    assert record["version"] == 2
    assert upsert(linkhub, body)[0]["outcome"] == "unchanged"
    assert read(linkhub, 1)["results"][0]["version"] == 2


def test_same_key_twice_in_a_batch(linkhub: httpx.Client) -> None:
    """Inputs take effect one after the other, as if sent alone."""
    results = upsert(linkhub, deal(1), deal(1, progress=5), deal(1, progress=5))
    assert [result["outcome"] for result in results] == ["created", "updated", "unchanged"]
    assert len({result["id"] for result in results}) == 1
    assert read(linkhub, 1)["results"][0]["version"] == 2


def test_delete_and_revive(linkhub: httpx.Client) -> None:
    """A deleted record is gone; an upsert brings it back empty of its old fields, id kept."""
    created = upsert(linkhub, deal(1, budget="5"))[0]
    body = {"source": "instance-1", "externalKeys": ["deals/1", "deals/9"]}
    deleted = linkhub.post("/v1/initiatives/batch/delete", json=body).json()["results"]
    assert [result["outcome"] for result in deleted] == ["deleted", "missing"]
    assert read(linkhub, 1) == {"results": [], "missing": ["deals/1"]}
    again = linkhub.post("/v1/initiatives/batch/delete", json=body).json()["results"]
    assert [result["outcome"] for result in again] == ["missing", "missing"]
    lacking = upsert(linkhub, {"externalKey": "deals/1", "fields": {"progress": 1}})[0]
    assert lacking["outcome"] == "rejected"
    revived = upsert(linkhub, deal(1))[0]
    assert (revived["id"], revived["outcome"]) == (created["id"], "created")
    record = read(linkhub, 1)["results"][0]
    assert "budget" not in record["fields"]
    assert record["version"] == 3


def test_get_by_id(linkhub: httpx.Client) -> None:
    """Records can be read by id too."""
    created = upsert(linkhub, deal(1))[0]
    answer = linkhub.post("/v1/initiatives/batch/get", json={"ids": [created["id"], "none"]})
    assert answer.json()["results"] == read(linkhub, 1)["results"]
    assert answer.json()["missing"] == ["none"]
    body = {"source": "ids", "externalKeys": ["deals/1"]}
    assert linkhub.post("/v1/initiatives/batch/get", json=body).json()["missing"] == ["deals/1"]


def test_profiles_and_sources_are_apart(sandbox: Running, linkhub: httpx.Client) -> None:
    """The same external key is another record in another profile, source or entity."""
    ids = {upsert(linkhub, deal(1))[0]["id"]}
    with sandbox.linkhub("profile-2") as other:
        assert read(other, 1)["missing"] == ["deals/1"]
        ids.add(upsert(other, deal(1))[0]["id"])
    body = {"source": "instance-2", "inputs": [deal(1)]}
    ids.add(linkhub.post(UPSERT, json=body).json()["results"][0]["id"])
    body = {"source": "instance-1", "inputs": [{"externalKey": "deals/1", "fields": {"name": "I"}}]}
    indicators = linkhub.post("/v1/indicators/batch/upsert", json=body)
    ids.add(indicators.json()["results"][0]["id"])
    assert len(ids) == 4


def test_idempotency_key(linkhub: httpx.Client) -> None:
    """The same call again gets the same answer and does nothing; another body is a conflict."""
    first = upsert(linkhub, deal(1), key="batch-1")
    assert upsert(linkhub, deal(1), key="batch-1") == first
    assert first[0]["outcome"] == "created"
    body = {"source": "instance-1", "inputs": [deal(2)]}
    conflict = linkhub.post(UPSERT, json=body, headers={"Idempotency-Key": "batch-1"})
    assert conflict.status_code == 409
    assert read(linkhub, 2)["missing"] == ["deals/2"]
    assert upsert(linkhub, deal(1), key="batch-2")[0]["outcome"] == "unchanged"


def test_idempotency_key_ends_after_a_day(tmp_path: Path) -> None:
    """An answer older than asked for is forgotten."""
    records = Records(tmp_path / "linkhub.db")
    records.keep_answer("p", "values", "k", body_hash=b"h", answer=b"{}", now=1000.0)
    assert records.answer_given("p", "values", "k", after=999.0) == (b"h", b"{}")
    assert records.answer_given("p", "values", "k", after=1000.0) is None
    records.close()


def test_feed_of_changes(linkhub: httpx.Client) -> None:
    """The feed gives every changed record once, as it stands, deleted ones without fields."""
    upsert(linkhub, *(deal(number) for number in range(5)))
    upsert(linkhub, deal(1, progress=7))
    body = {"source": "instance-1", "externalKeys": ["deals/2"]}
    linkhub.post("/v1/initiatives/batch/delete", json=body).raise_for_status()
    found, cursor, more = [], "", True
    while more:
        page = linkhub.get("/v1/initiatives/changes", params={"since": cursor, "limit": 2}).json()
        found += page["changes"]
        cursor, more = page["nextCursor"], page["hasMore"]
    keys = [change["externalKey"] for change in found]
    assert keys == ["deals/0", "deals/3", "deals/4", "deals/1", "deals/2"]
    assert found[3]["fields"]["progress"] == 7
    assert (found[4]["deleted"], found[4]["fields"]) == (True, {})
    page = linkhub.get("/v1/initiatives/changes", params={"since": cursor}).json()
    assert page == {"changes": [], "nextCursor": cursor, "hasMore": False}
    upsert(linkhub, deal(9))
    page = linkhub.get("/v1/initiatives/changes", params={"since": cursor}).json()
    assert [change["externalKey"] for change in page["changes"]] == ["deals/9"]


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"{", 400),
        (b"[]", 422),
        (b'{"inputs": []}', 422),
        (b'{"source": "", "inputs": []}', 422),
        (b'{"source": "s", "inputs": [{"externalKey": 5, "fields": {}}]}', 422),
        (b'{"source": "s", "inputs": [{"externalKey": "a", "fields": {}, "color": "x"}]}', 422),
        (b'{"source": "s", "inputs": [' + b",".join([b"{}"] * 501) + b"]}", 413),
        (b'{"source": "s", "inputs": []}' + b" " * 5_000_000, 413),
        (b'{"source": "s", "inputs": []}', 200),
    ],
)
def test_bodies(linkhub: httpx.Client, content: bytes, status: int) -> None:
    """What is wrong with a body is told by the status, in a problem+json answer."""
    answer = linkhub.post(UPSERT, content=content)
    assert answer.status_code == status
    if status != 200:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == status
        assert {"type", "title", "detail"} <= set(answer.json())


@pytest.mark.parametrize("key", ["", " deals/1", "deals/1 ", "x" * 256])
def test_external_keys(linkhub: httpx.Client, key: str) -> None:
    """An external key that could not be found again is rejected, alone."""
    results = upsert(linkhub, {**deal(1), "externalKey": key}, deal(2))
    assert [result["outcome"] for result in results] == ["rejected", "created"]
    assert results[0]["errors"][0]["code"] == "invalid_key"


def test_who_may_come_in(sandbox: Running, linkhub: httpx.Client) -> None:
    """No key is a 401, no profile a 400, an unknown entity a 404, a wrong method a 405."""
    url = f"{sandbox.url}/linkhub/v1/initiatives/changes"
    assert sandbox.control.get(url).status_code == 401
    refused = linkhub.get(url, headers={"Authorization": "Bearer wrong"})
    assert refused.headers["www-authenticate"] == "Bearer"
    assert linkhub.get(url, headers={"X-LinkHub-Profile": ""}).status_code == 400
    assert linkhub.get("/v1/people/changes").status_code == 404
    assert linkhub.get(UPSERT).status_code == 405
    for query in ({"since": "tomorrow"}, {"since": "é"}, {"limit": 0}, {"limit": "x"}):
        assert linkhub.get("/v1/initiatives/changes", params=query).status_code == 400


def test_rejects_on_request(sandbox: Running, linkhub: httpx.Client) -> None:
    """The fault `reject` refuses every n-th input and lets the others through."""
    sandbox.fault("linkhub", "reject", count=1, every=2)
    results = upsert(linkhub, *(deal(number) for number in range(4)))
    outcomes = [result["outcome"] for result in results]
    assert outcomes == ["created", "rejected", "created", "rejected"]


def test_state_outlives_the_process(tmp_path: Path) -> None:
    """The file keeps records and the order of changes; a person can look into it by entity."""
    for round_number in range(2):
        records = Records(tmp_path / "linkhub.db")
        fields = {"name": "A", "status": "LATE", "budget": str(round_number)}
        results = records.upsert("p", "initiatives", "s", [Input("deals/1", fields)])
        records.close()
    assert results[0].outcome == "updated"
    db = sqlite3.connect(tmp_path / "linkhub.db")
    rows = db.execute("SELECT external_key, name, budget, version FROM initiatives").fetchall()
    (sequence,) = db.execute("SELECT max(sequence) FROM records").fetchone()
    db.close()
    assert rows == [("deals/1", "A", "1.00", 2)]
    assert sequence == 2


def test_reference_names_every_field() -> None:
    """The API's reference page describes each field of each entity with its type."""
    text = REFERENCE.read_text()
    for entity in ENTITIES.values():
        section = text.split(f"### `{entity.name}`", 1)[1].split("\n### ", 1)[0]
        for field in entity.fields:
            row = next(
                line for line in section.splitlines() if line.startswith(f"| `{field.name}`")
            )
            assert field.type in row
            assert all(option.value in row for option in field.options)
            assert ("yes" in row) == field.required
            limits = (field.max_length or None, field.scale, field.maximum)
            assert all(str(limit) in row for limit in limits if limit is not None)
