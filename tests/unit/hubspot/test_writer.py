"""Writing records: what is sent, what is not, and that nothing is made twice."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest

from shared.domain.changes import Change, Delete, Truncate, Upsert
from shared.errors import AuthError, PermanentError, TransientError
from tests.hubspot_kit import START_MS, FakeDeal, connect, make_deals, to_iso
from tests.hubspot_write_kit import KEY, LATER_MS, WritableHubSpot, push, push_one, upsert

UNIQUE = {"name": "linkhub_id", "type": "string", "hasUniqueValue": True}


def deal(**values: str | None) -> FakeDeal:
    return FakeDeal(id=7, modified=START_MS, values=values)


def test_only_what_differs_is_sent() -> None:
    """Of a record, the properties that hold the value already are left out of the update."""
    server = WritableHubSpot(deal(dealname="Old", amount="12.50"))
    result = push_one(server, upsert("7", dealname="New", amount="12.5"))
    assert (result.outcome, result.external_id) == ("updated", "7")
    [[sent]] = server.sent("update")
    assert (sent["id"], sent["properties"]) == ("7", {"dealname": "New"})


@pytest.mark.parametrize(
    ("name", "present", "wanted"),
    [
        ("dealname", "", None),
        ("dealname", None, ""),
        ("amount", "1200.00", Decimal(1200)),
        ("amount", "12.5", "12.50"),
        ("is_hot", "true", True),
        ("closedate", "2026-11-21T15:30:00Z", "2026-11-21"),
        ("closedate", "2026-11-21T15:30:00Z", date(2026, 11, 21)),
        ("closedate", "2026-11-21T15:30:00Z", datetime(2026, 11, 21, 15, 30, tzinfo=UTC)),
        ("signed_on", "2026-11-21", "2026-11-21T23:00:00Z"),
        ("tags", "b;a", "a;b"),
        ("dealstage", "closedwon", " closedwon "),
        ("days_open", "3", "99"),
        ("hs_lastmodifieddate", "2026-01-01T00:00:00Z", "2020-01-01T00:00:00Z"),
        ("associations.companies", None, "12"),
        ("dealstage.label", None, "Won"),
    ],
)
def test_what_is_there_already_is_not_sent(name: str, present: str | None, wanted: Any) -> None:
    """Equal values in another form, and fields nobody may write, are no change."""
    server = WritableHubSpot(deal(**{name: present}))
    assert push_one(server, upsert("7", **{name: wanted})).outcome == "unchanged"
    assert server.sent("update") == []


@pytest.mark.parametrize(
    ("name", "present", "wanted", "sent"),
    [
        ("dealname", "A", None, ""),
        ("amount", "1", Decimal("1E+2"), "100"),
        ("is_hot", "true", False, "false"),
        ("closedate", "", "2026-11-21", "2026-11-21T12:00:00.000Z"),
        ("closedate", "", datetime(2026, 11, 21, 9, tzinfo=UTC), "2026-11-21T09:00:00.000Z"),
        ("signed_on", "", "2026-11-21T23:00:00Z", "2026-11-21"),
        ("signed_on", "", date(2026, 11, 21), "2026-11-21"),
        ("tags", "a", ["b", "a"], "b;a"),
        ("amount", "1", "a dozen", "a dozen"),
        ("dealname", "a;b", "b;a", "b;a"),
        ("dealname", "a", "a ", "a "),
    ],
)
def test_values_travel_in_hubspots_form(name: str, present: str, wanted: Any, sent: str) -> None:
    """All is text, '' empties, a plain day is noon where an instant is asked for."""
    server = WritableHubSpot(deal(**{name: present}))
    assert push_one(server, upsert("7", **{name: wanted})).outcome == "updated"
    [[item]] = server.sent("update")
    assert item["properties"] == {name: sent}


@pytest.mark.parametrize("edited", [{"dealname": START_MS, "amount": 0}, {}])
def test_what_somebody_changed_meanwhile_is_not_overwritten(edited: dict[str, int]) -> None:
    """A property changed after the version the caller read, or maybe changed, stays as it is."""
    server = WritableHubSpot(deal(dealname="Theirs", amount="1"))
    server.deals[7].edited = edited
    record = {"dealname": "Ours", "hs_lastmodifieddate": to_iso(START_MS - 1)}
    result = push_one(server, upsert("7", **record))
    assert result.outcome == "rejected"
    assert result.problem
    assert result.problem.field == "dealname"
    assert "dealname: changed in HubSpot" in result.problem.message
    assert server.sent("update") == []
    known = server.deals[7].to_json(["hs_lastmodifieddate"])["properties"]
    assert push_one(server, upsert("7", dealname="Ours", **known)).outcome == "updated"


def test_changes_to_other_properties_stand_in_nobodys_way() -> None:
    """The record is another version, but not for what is written; a hundred cost two more calls."""
    server = WritableHubSpot(*make_deals(100))
    for own in server.deals.values():
        own.edited = {"dealname": START_MS - 60_000}
    version = to_iso(START_MS - 1)
    changes = [upsert(str(n), dealname="Ours", hs_lastmodifieddate=version) for n in range(1, 101)]
    assert {r.outcome for r in push(server, changes)} == {"updated"}
    assert len([r for r in server.requests if r.url.path.endswith("/batch/read")]) == 3


def test_a_create_finds_what_an_earlier_attempt_made() -> None:
    """Pushed again after a crash, the same key leads to the same record."""
    server = WritableHubSpot()
    first = push_one(server, upsert(KEY, dealname="New"))
    again = push_one(server, upsert(KEY, dealname="New"))
    changed = push_one(server, upsert(KEY, dealname="Newer"))
    outcomes = [first.outcome, again.outcome, changed.outcome]
    assert outcomes == ["created", "unchanged", "updated"]
    assert {first.external_id, again.external_id, changed.external_id} == {"1"}
    assert list(server.deals) == [1]
    assert server.deals[1].values == {"linkhub_id": KEY, "dealname": "Newer"}


def test_a_lost_answer_makes_nothing_twice() -> None:
    """A create whose answer never came is sent again and finds its record."""
    server = WritableHubSpot()
    server.lose = 1
    assert push_one(server, upsert(KEY, dealname="New")).external_id == "1"
    assert len(server.sent("upsert")) == 2
    assert list(server.deals) == [1]


def test_what_was_made_between_look_and_write_is_found() -> None:
    """An upsert goes by the key, so it makes no second record of what another attempt made."""
    server = WritableHubSpot()
    server.properties.append(dict(UNIQUE))

    def other_attempt(request: httpx.Request) -> None:
        if request.url.path.endswith("/upsert"):
            server.deals[3] = FakeDeal(id=3, modified=START_MS, values={"linkhub_id": KEY})

    server.meddle = other_attempt
    result = push_one(server, upsert(KEY, dealname="New"))
    assert (result.external_id, list(server.deals)) == ("3", [3])


def test_the_unique_property_is_made_once() -> None:
    """The first create adds `linkhub_id` with unique values; updates never need it."""
    server = WritableHubSpot(*make_deals(1))
    push_one(server, upsert("1", dealname="New"))
    assert not [r for r in server.requests if r.method == "POST" and "/properties/" in r.url.path]
    push(server, [upsert(KEY, dealname="A"), upsert(f"{KEY}x", dealname="B")])
    made = server.properties[-1]
    assert (made["name"], made["hasUniqueValue"]) == ("linkhub_id", True)
    assert (made["groupName"], made["fieldType"]) == ("dealinformation", "text")
    push_one(server, upsert(f"{KEY}y", dealname="C"))
    assert [p["name"] for p in server.properties].count("linkhub_id") == 1


def test_a_missing_scope_names_itself_and_the_way_out() -> None:
    """Who may not add a property is told which scope, or what an administrator must make."""
    server = WritableHubSpot()
    server.refusal = httpx.Response(403, json={"category": "MISSING_SCOPES"})
    with pytest.raises(AuthError, match=r"crm\.schemas\.deals\.write") as caught:
        push_one(server, upsert(KEY, dealname="New"))
    assert "unique values" in caught.value.message


@pytest.mark.parametrize("status", [400, 409])
def test_a_property_that_cannot_be_made_stops_the_push(status: int) -> None:
    """Too many unique properties, or an archived one of that name: somebody must make room."""
    server = WritableHubSpot()
    server.refusal = httpx.Response(status, json={"message": "no room"})
    with pytest.raises(PermanentError, match=r"no room.*unique values"):
        push_one(server, upsert(KEY, dealname="New"))


def test_a_property_made_meanwhile_is_used() -> None:
    """Two jobs may need it at once: the slower one goes on with the other's."""
    server = WritableHubSpot()

    def made_by_another(request: httpx.Request) -> httpx.Response:
        if request.method == "POST" and request.url.path.endswith("/properties/2026-03/deals"):
            server.properties.append(dict(UNIQUE))
            return httpx.Response(409, json={"message": "exists"})
        return server.handle_request(request)

    result = push_one(httpx.MockTransport(made_by_another), upsert(KEY, dealname="New"))
    assert result.outcome == "created"


def test_a_property_without_unique_values_is_refused() -> None:
    """By a property that any record may repeat, nothing can be found again."""
    server = WritableHubSpot()
    server.properties.append({"name": "linkhub_id", "type": "string"})
    with pytest.raises(PermanentError, match="twice"):
        push_one(server, upsert(KEY, dealname="New"))


def test_deletes_archive_and_can_be_repeated() -> None:
    """What is there is archived; what is not, by whichever key, is unchanged."""
    server = WritableHubSpot(*make_deals(3))
    deletes = [Delete("deals", key) for key in ("1", "3", "99", KEY)]
    assert [r.outcome for r in push(server, deletes)] == [
        "deleted",
        "deleted",
        "unchanged",
        "unchanged",
    ]
    assert {r.outcome for r in push(server, deletes)} == {"unchanged"}
    assert [id_ for id_, own in server.deals.items() if own.archived is None] == [2]


def test_a_delete_by_linkhubs_key_takes_what_was_made_for_it() -> None:
    """A record made by an attempt that died, and deleted in LinkHub since, goes too."""
    server = WritableHubSpot()
    push_one(server, upsert(KEY, dealname="New"))
    result = push_one(server, Delete("deals", KEY))
    assert (result.outcome, result.external_id) == ("deleted", "1")
    assert server.deals[1].archived == LATER_MS


def test_what_is_gone_is_not_made_again() -> None:
    """An update of a record that HubSpot no longer has is rejected."""
    result = push_one(WritableHubSpot(), upsert("7", dealname="New"))
    assert (result.outcome, result.external_id) == ("rejected", "7")
    assert result.problem
    assert "does not exist" in result.problem.message


def test_results_come_in_the_order_of_the_changes() -> None:
    """250 mixed changes take three batches of a hundred at most, and none loses its place."""
    server = WritableHubSpot(*make_deals(250))
    changes: list[Change] = []
    for n in range(1, 251):
        key = f"{KEY}-{n}" if n % 5 == 0 else str(n)
        changes.append(Delete("deals", key) if n % 7 == 0 else upsert(key, dealname=f"New {n}"))
    results = push(server, changes)
    assert [result.key for result in results] == [
        change.key for change in changes if not isinstance(change, Truncate)
    ]
    assert max(len(batch) for act in ("update", "upsert") for batch in server.sent(act)) <= 100
    assert len(server.sent("update")) == 3


def test_a_key_twice_in_a_row_is_taken_in_turn() -> None:
    """The second change of a key sees what the first one left."""
    server = WritableHubSpot(deal(dealname="A"))
    changes: list[Change] = [upsert("7", dealname="B"), upsert("7", dealname="B")]
    changes.append(Delete("deals", "7"))
    assert [r.outcome for r in push(server, changes)] == ["updated", "unchanged", "deleted"]


def test_a_property_nobody_knows_stops_the_push() -> None:
    """A mapping to a property that is gone is a matter of the set-up, not of one record."""
    server = WritableHubSpot(deal())
    with pytest.raises(PermanentError, match="no deal property named lost_one"):
        push_one(server, upsert("7", lost_one="x"))


def test_nothing_is_emptied() -> None:
    """A truncate is refused."""
    with pytest.raises(PermanentError, match="emptied"):
        push(WritableHubSpot(), [Truncate("deals")])


def test_contacts_have_their_own_time_of_change() -> None:
    """The etag and the check against edits use the property of the kind."""
    server = WritableHubSpot(deal(dealname="A"))
    stale = Upsert("contacts", "7", {"dealname": "B", "lastmodifieddate": "2020-01-01T00:00:00Z"})
    fresh = Upsert("contacts", "7", {"dealname": "B", "hs_lastmodifieddate": "2020"})
    assert [r.outcome for r in _push_to("contacts", server, stale)] == ["rejected"]
    assert [r.outcome for r in _push_to("contacts", server, fresh)] == ["updated"]


def test_a_spent_quota_stops_the_push_where_it_is() -> None:
    """What cannot be written now is no record's problem."""
    server = WritableHubSpot(deal(dealname="A"))

    def limited(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/update"):
            return httpx.Response(429, json={"policyName": "DAILY"})
        return server.handle_request(request)

    with pytest.raises(TransientError):
        push_one(httpx.MockTransport(limited), upsert("7", dealname="B"))


def _push_to(stream: str, server: WritableHubSpot, change: Change) -> list[Any]:
    return list(connect(server).push(stream, [change]))
