"""HubSpot's adapter writes to the emulator: rules, scopes, batches, and what nobody may lose."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from adapters import find_provider
from shared.domain.changes import Change, Delete, Page, Truncate, Upsert
from shared.errors import AuthError
from shared.ports.provider import Connection, ConnectRequest, Credentials, PushResult
from tests.sandbox_kit import Running, running_sandbox

READ = ["crm.objects.deals.read", "crm.schemas.deals.read"]


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running_sandbox(tmp_path_factory.mktemp("state"), deals=300) as running:
        yield running


@pytest.fixture
def sandbox(started: Running) -> Iterator[Running]:
    yield started
    started.heal()
    put(started, "_rules", {})


def put(sandbox: Running, path: str, body: Any) -> None:
    with sandbox.hubspot() as client:
        client.put(f"/{path}", json=body).raise_for_status()


@contextmanager
def connected(sandbox: Running, token: str = "", **arguments: Any) -> Iterator[Connection]:
    entry = sandbox.directory["hubspot"]
    connection = find_provider("hubspot").connect(
        ConnectRequest(
            credentials=Credentials(values={"api_key": token or entry["token"]}),
            options={"base_url": entry["url"]},
            work_dir=Path("unused"),
            sleep=lambda _seconds: None,
            allow_private_hosts=True,
            **arguments,
        )
    )
    try:
        yield connection
    finally:
        connection.close()


def push(
    sandbox: Running, changes: Sequence[Change], stream: str = "deals", **arguments: Any
) -> list[PushResult]:
    with connected(sandbox, **arguments) as connection:
        return list(connection.push(stream, changes))


def read(sandbox: Running, scope: str, *fields: str) -> list[Page]:
    with connected(sandbox, selection={scope: fields}) as connection:
        return list(connection.read(scope, None))


def records_of(pages: Sequence[Page]) -> dict[str, Any]:
    return {c.key: c.record for page in pages for c in page.changes if isinstance(c, Upsert)}


def new_deals(name: str, count: int) -> list[Upsert]:
    return [
        Upsert("deals", f"{name}-{n}", {"dealname": f"{name} {n}", "amount": str(n)})
        for n in range(count)
    ]


def test_hundreds_are_made_once_however_often_they_are_pushed(sandbox: Running) -> None:
    """Three batches, pushed twice, leave each record once, with what was asked for."""
    changes = new_deals("many", 250)
    first = push(sandbox, changes)
    assert {result.outcome for result in first} == {"created"}
    again = push(sandbox, changes)
    assert {result.outcome for result in again} == {"unchanged"}
    assert [r.external_id for r in again] == [r.external_id for r in first]
    records = records_of(read(sandbox, "deals", "dealname", "amount"))
    assert [records[r.external_id]["dealname"] for r in first] == [f"many {n}" for n in range(250)]
    gone = push(sandbox, [Delete("deals", result.external_id) for result in first])
    assert {result.outcome for result in gone} == {"deleted"}


def test_the_rules_of_an_administrator_are_told_per_record(sandbox: Running) -> None:
    """What a rule asks for is missing in one record: that one is rejected, by name."""
    rule = {"require": ["closed_lost_reason"], "when": "dealstage", "values": ["closedlost"]}
    put(sandbox, "_rules", {"deals": [rule]})
    stages = {"pipeline": "default", "dealstage": "closedlost"}
    lost = Upsert("deals", "rule-1", {"dealname": "Lost", **stages})
    told = Upsert("deals", "rule-2", {"dealname": "Told", "closed_lost_reason": "Price", **stages})
    won = Upsert("deals", "rule-3", {"dealname": "Won", **stages, "dealstage": "closedwon"})
    results = push(sandbox, [lost, told, won])
    assert [result.outcome for result in results] == ["rejected", "created", "created"]
    problem = results[0].problem
    assert problem is not None
    assert (problem.key, problem.field) == ("rule-1", "closed_lost_reason")
    assert "required" in problem.message


def test_a_value_hubspot_does_not_take_is_told_for_its_record(sandbox: Running) -> None:
    """Among a batch of good ones, each bad one says which property and why."""
    good = new_deals("good", 20)
    bad = [
        Upsert("deals", "bad-1", {"dealname": "X", "amount": "a dozen"}),
        Upsert("deals", "bad-2", {"dealname": "X", "dealstage": "no such stage"}),
        Upsert("deals", "bad-3", {"dealname": "X", "hs_priority": "extreme"}),
    ]
    results = push(sandbox, [*good[:10], *bad, *good[10:]])
    assert {r.outcome for r in results if r.key.startswith("good")} == {"created"}
    problems = [r.problem for r in results if r.problem]
    assert [p.field for p in problems] == ["amount", "dealstage", "hs_priority"]


@pytest.mark.parametrize("part", ["objects", "schemas"])
def test_what_was_not_granted_is_named(sandbox: Running, part: str) -> None:
    """Without a right to write, or to add the property creates need, the error says which."""
    scopes = ["crm.objects.companies.read", "crm.schemas.companies.read"]
    if part == "schemas":
        scopes.append("crm.objects.companies.write")
    with sandbox.hubspot() as client:
        body = {"token": "pat-less", "scopes": scopes}
        client.post("/_tokens", json=body).raise_for_status()
    key = "scope-1"
    if part == "objects":
        key = next(iter(records_of(read(sandbox, "companies", "name"))))
    change = Upsert("companies", key, {"name": "Another"})
    with pytest.raises(AuthError, match=rf"crm\.{part}\.companies\.write"):
        push(sandbox, [change], stream="companies", token="pat-less")


def test_a_token_for_deals_alone_still_discovers_them(sandbox: Running) -> None:
    """Streams that were not granted are left out; what is left can be read."""
    with sandbox.hubspot() as client:
        body = {"token": "pat-deals", "scopes": READ}
        client.post("/_tokens", json=body).raise_for_status()
    with connected(sandbox, token="pat-deals") as connection:
        streams = {stream.name: stream for stream in connection.discover()}
    assert set(streams) == {"deals", "pipelines"}
    assert not [f.name for f in streams["deals"].fields if f.name.startswith("associations.")]


def test_what_was_erased_is_missing_from_a_full_read(sandbox: Running) -> None:
    """No archived list names it; the total is one less, which proves its absence."""
    before = read(sandbox, "deals", "dealname")
    lost = next(iter(records_of(before)))
    with sandbox.hubspot() as client:
        client.post("/_objects/deals", json={"purge": [lost]}).raise_for_status()
    after = read(sandbox, "deals", "dealname")
    assert after[-1].totals["deals"] == before[-1].totals["deals"] - 1
    keys = {c.key for page in after for c in page.changes if not isinstance(c, Truncate)}
    assert lost not in keys


@pytest.mark.parametrize("scope", ["deals", "companies", "contacts"])
def test_list_and_batch_tell_the_same_associations(sandbox: Running, scope: str) -> None:
    """What a full read shows beside records is what single reads and searches show."""
    other = {"deals": "companies", "companies": "contacts", "contacts": "deals"}[scope]
    field = f"associations.{other}"
    listed = records_of(read(sandbox, scope, field))
    with connected(sandbox, selection={scope: [field]}) as connection:
        found = connection.get(scope, list(listed))
    assert {c.key: c.record for c in found if isinstance(c, Upsert)} == listed
    assert any(record[field] for record in listed.values())


def test_an_address_another_contact_has_merges_nobody(sandbox: Running) -> None:
    """HubSpot's conflict is that record's problem and names the other contact."""
    known = records_of(read(sandbox, "contacts", "email"))
    key, record = next(iter(known.items()))
    change = Upsert("contacts", "twin-1", {"email": record["email"], "firstname": "Twin"})
    [result] = push(sandbox, [change], stream="contacts")
    assert result.outcome == "rejected"
    assert result.problem is not None
    assert key in result.problem.message
