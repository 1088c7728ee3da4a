"""Companies, contacts, owners and stages; labels and associations as fields; totals."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from shared.domain.changes import Delete, Upsert
from shared.domain.checkpoints import Checkpoint
from shared.domain.fields import FieldType
from shared.errors import AuthError, PermanentError, TransientError
from tests.hubspot_kit import (
    START_MS,
    FakeDeal,
    FakeHubSpot,
    changes_of,
    connect,
    make_deals,
    read,
)

SINCE = Checkpoint(watermark=START_MS)
LINKS = "associations.companies"


def records_of(pages: list[Any]) -> dict[str, Any]:
    return {c.key: c.record for c in changes_of(pages) if isinstance(c, Upsert)}


def wanting(stream: str, *names: str) -> dict[str, Any]:
    return {"scope": stream, "selection": {stream: names}}


@pytest.mark.parametrize("stream", ["companies", "contacts"])
@pytest.mark.parametrize("start", [None, SINCE])
def test_companies_and_contacts_are_read_as_deals_are(
    stream: str, start: Checkpoint | None
) -> None:
    """Whole and by what changed, each by its own property for the time of change."""
    server = FakeHubSpot(*make_deals(450), FakeDeal(id=900, modified=START_MS, archived=START_MS))
    changes = changes_of(read(server, start, **wanting(stream, "dealname")))
    assert {change.stream for change in changes} == {stream}
    assert changes[-1] == Delete(stream, "900")
    assert len(changes) == 451
    modified = "lastmodifieddate" if stream == "contacts" else "hs_lastmodifieddate"
    bodies = [json.loads(r.content) for r in server.requests if r.url.path.endswith("/search")]
    assert {body["sorts"][0]["propertyName"] for body in bodies} <= {modified}
    assert all(set(record) == {"dealname", modified} for record in records_of_changes(changes))


def records_of_changes(changes: list[Any]) -> list[Any]:
    return [change.record for change in changes if isinstance(change, Upsert)]


def test_the_streams_are_those_the_account_granted() -> None:
    """A token that may not read contacts or owners still offers the rest."""
    server = FakeHubSpot()

    def limited(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith(("/properties/2026-03/contacts", "/owners/2026-03")):
            return httpx.Response(403, json={"category": "MISSING_SCOPES"})
        return server.handle_request(request)

    streams = {s.name: s for s in connect(httpx.MockTransport(limited)).discover()}
    assert list(streams) == ["deals", "companies", "pipelines"]
    names = [field.name for field in streams["deals"].fields]
    assert LINKS in names
    assert "associations.contacts" not in names
    assert [stream.name for stream in connect(server).discover()] == [
        "deals",
        "companies",
        "contacts",
        "owners",
        "pipelines",
    ]


def test_a_token_without_deals_offers_nothing() -> None:
    """The scopes every instance needs are named."""
    body = {"errors": [{"context": {"requiredGranularScopes": ["crm.objects.deals.read"]}}]}
    server = httpx.MockTransport(lambda _: httpx.Response(403, json=body))
    with pytest.raises(AuthError, match=r"crm\.objects\.deals\.read"):
        connect(server).discover()


@pytest.mark.parametrize("start", [None, SINCE])
def test_labels_are_fields_of_deals(start: Checkpoint | None) -> None:
    """The words people see come with the ids; an id nobody knows stands for itself."""
    server = FakeHubSpot(
        FakeDeal(id=1, modified=START_MS + 1, values={"dealstage": "closedwon"}),
        FakeDeal(id=2, modified=START_MS + 2, values={"dealstage": "77"}),
        FakeDeal(id=3, modified=START_MS + 3),
    )
    records = records_of(read(server, start, **wanting("deals", "dealstage.label")))
    assert [records[key]["dealstage.label"] for key in "123"] == ["Won", "77", None]
    assert "dealstage" not in records["1"]
    pipelines = [r for r in server.requests if "/pipelines/" in r.url.path]
    assert len(pipelines) == 1


def many_linked(count: int) -> FakeHubSpot:
    ids = [str(n) for n in range(1000 + count, 1000, -1)]
    linked = FakeDeal(id=1, modified=START_MS + 1, links={"companies": ids})
    twice = FakeDeal(id=2, modified=START_MS + 2, links={"companies": ["9", "10", "9"]})
    return FakeHubSpot(linked, twice, FakeDeal(id=3, modified=START_MS + 3))


@pytest.mark.parametrize("start", [None, SINCE])
@pytest.mark.parametrize("count", [1, 100, 101, 250])
def test_associations_are_fields(start: Checkpoint | None, count: int) -> None:
    """All ids, each once and in one order, also where the list shows the first of them only."""
    records = records_of(read(many_linked(count), start, **wanting("deals", LINKS)))
    expected = ";".join(str(n) for n in range(1001, 1001 + count))
    assert [records[key][LINKS] for key in "123"] == [expected, "9;10", None]


def test_associations_cost_nothing_where_nobody_wants_them() -> None:
    """A read of plain properties makes a request a page, and asks for nothing more."""
    server = many_linked(250)
    read(server, **wanting("deals", "dealname"))
    assert [r.url.path.rpartition("/")[2] for r in server.requests] == ["deals"] * 3
    assert all("associations" not in r.url.params for r in server.requests)


def test_single_records_come_with_all_their_fields() -> None:
    """What `get` returns is what a read gives."""
    server = many_linked(150)
    wanted: dict[str, Any] = {"selection": {"deals": ["dealname", "dealstage.label", LINKS]}}
    upserts = [c for c in changes_of(read(server, **wanted)) if isinstance(c, Upsert)]
    assert connect(server, **wanted).get("deals", ["1", "2", "3"]) == upserts


def test_associations_in_a_circle_are_noticed() -> None:
    """The same cursor twice would never end."""
    page = {"from": {"id": "1"}, "to": [], "paging": {"next": {"after": "x"}}}
    server = many_linked(250)

    def circle(request: httpx.Request) -> httpx.Response:
        if "/associations/" in request.url.path:
            return httpx.Response(200, json={"results": [page]})
        return server.handle_request(request)

    with pytest.raises(PermanentError, match="twice"):
        read(httpx.MockTransport(circle), **wanting("deals", LINKS))


@pytest.mark.parametrize(("category", "fails"), [("OBJECT_NOT_FOUND", False), ("OTHER", True)])
def test_errors_among_associations(category: str, *, fails: bool) -> None:
    """HubSpot reports a record without associations as an error; any other one is tried later."""
    server = many_linked(250)

    def some(request: httpx.Request) -> httpx.Response:
        if "/associations/" in request.url.path:
            body = {"results": [], "errors": [{"category": category}]}
            return httpx.Response(207, json=body)
        return server.handle_request(request)

    arguments = wanting("deals", LINKS)
    if fails:
        with pytest.raises(TransientError, match="associations with companies"):
            read(httpx.MockTransport(some), **arguments)
    else:
        assert len(changes_of(read(httpx.MockTransport(some), **arguments))) == 3


def test_the_numbered_version_reads_associations_too() -> None:
    """Beside v3 stands v4 of the associations."""
    server = many_linked(1)
    read(server, SINCE, options={"api_version": "v3"}, **wanting("deals", LINKS))
    paths = [r.url.path for r in server.requests if "/associations/" in r.url.path]
    assert paths == ["/crm/v4/associations/deals/companies/batch/read"]


def test_a_full_read_knows_its_total() -> None:
    """The last page of a complete list has its count, from whichever page it was resumed."""
    server = FakeHubSpot(*make_deals(350), FakeDeal(id=900, modified=1, archived=2))
    pages = read(server)
    assert [page.totals for page in pages[:-1]] == [{}] * (len(pages) - 1)
    assert pages[-1].totals == {"deals": 350}
    for page in pages[:-1]:
        assert read(server, page.checkpoint)[-1].totals == {"deals": 350}


def test_what_is_not_whole_has_no_total() -> None:
    """An incremental read, and a list with a record that could not be given, prove no absence."""
    assert read(FakeHubSpot(*make_deals(5)), SINCE)[-1].totals == {}
    nameless = httpx.MockTransport(
        lambda r: httpx.Response(
            200, json={"results": [] if "properties/" in r.url.path else [{"id": None}]}
        )
    )
    assert read(nameless, selection={"deals": []})[-1].totals == {}


def people() -> FakeHubSpot:
    server = FakeHubSpot()
    server.owners = [
        {"id": "1", "firstName": "Ada", "lastName": "Lovelace", "email": "a@x.test", "userId": 5},
        {"id": "2", "firstName": "", "lastName": "", "email": "b@x.test", "archived": True},
        {"id": "3", "firstName": "Alan", "archived": False, "teams": [{"name": "UK"}, {"id": 4}]},
    ]
    server.page_size = 1
    return server


def test_owners_are_read_whole_with_those_who_left() -> None:
    """Archived owners are records too, since deals still name them; the count is a total."""
    pages = read(people(), scope="owners")
    records = records_of(pages)
    assert {key: record["name"] for key, record in records.items()} == {
        "1": "Ada Lovelace",
        "2": "b@x.test",
        "3": "Alan",
    }
    assert [records[key]["archived"] for key in "123"] == [False, True, False]
    assert (records["1"]["userId"], records["3"]["teams"]) == ("5", "UK")
    assert pages[-1].totals == {"owners": 3}
    assert pages[-1].checkpoint == Checkpoint()


def test_any_page_of_owners_leads_to_the_rest() -> None:
    """The checkpoint tells which of the two lists is read, and how many came before."""
    pages = read(people(), scope="owners")
    for number, page in enumerate(pages[:-1], start=1):
        resume = json.loads(json.dumps(page.checkpoint.resume))
        assert read(people(), Checkpoint(resume=resume), scope="owners") == pages[number:]
    with pytest.raises(PermanentError, match="full sync"):
        read(people(), Checkpoint(resume={"x": 1}), scope="owners")


def test_stages_are_records_with_the_words_for_them() -> None:
    """One for each stage of each pipeline, in order."""
    server = FakeHubSpot()
    server.pipelines.append(
        {"id": "42", "label": "Partners", "stages": [{"id": "closedwon", "label": "Signed"}]}
    )
    [page] = read(server, scope="pipelines")
    assert page.totals == {"pipelines": 2}
    records = records_of([page])
    assert list(records) == ["default/closedwon", "42/closedwon"]
    assert [records[key]["label"] for key in records] == ["Won", "Signed"]
    assert records["default/closedwon"]["probability"] == "1.0"
    assert records["42/closedwon"]["pipelineLabel"] == "Partners"


@pytest.mark.parametrize(("stream", "key"), [("owners", "2"), ("pipelines", "default/closedwon")])
def test_single_owners_and_stages(stream: str, key: str) -> None:
    """They are found in their short lists; what is not there is a delete."""
    first, second = connect(people(), selection={stream: ["id"]}).get(stream, [key, "99"])
    assert isinstance(first, Upsert)
    assert (first.key, set(first.record)) == (key, {"id"})
    assert second == Delete(stream, "99")


def test_fields_of_owners_that_are_none_are_refused() -> None:
    """A mapping to something owners do not have stops the job."""
    with pytest.raises(PermanentError, match="no field named shoe_size"):
        read(people(), **wanting("owners", "shoe_size"))


def test_types_of_derived_fields() -> None:
    """Labels are choices, associations are text, and neither can be written."""
    server = FakeHubSpot()
    server.properties.append({"name": "linkhub_id", "type": "string", "hasUniqueValue": True})
    fields = {field.name: field for field in connect(server).discover()[0].fields}
    assert fields["dealstage.label"].type is FieldType.ENUMERATION
    assert fields[LINKS].type is FieldType.STRING
    read_only = {name for name, field in fields.items() if field.read_only}
    assert {"dealstage.label", LINKS, "linkhub_id", "hs_object_id"} <= read_only
    assert "dealname" not in read_only
