"""Reading deals: everything once, from any page on, whatever happens meanwhile."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import httpx
import pytest

from shared.domain.changes import Delete, Upsert
from shared.domain.checkpoints import Checkpoint
from shared.errors import PermanentError
from tests.hubspot_kit import (
    NOW,
    START_MS,
    FakeDeal,
    FakeHubSpot,
    changes_of,
    make_deals,
    read,
)

NOW_MS = int(NOW.timestamp() * 1000)
NO_OVERLAP = {"options": {"overlap_seconds": "0"}}


def since(ms: int) -> Checkpoint:
    return Checkpoint(watermark=ms)


def ids_of(changes: Sequence[Any], kind: type[Any] = Upsert) -> list[int]:
    return [int(change.key) for change in changes if isinstance(change, kind)]


def archived(id_: int, at: int) -> FakeDeal:
    return FakeDeal(id=id_, modified=START_MS, archived=at)


def test_a_full_read_gives_every_deal_once_then_the_archived_ones() -> None:
    """All live deals are upserts in list order, all archived ones deletes after them."""
    server = FakeHubSpot(*make_deals(250), archived(901, START_MS), archived(902, NOW_MS))
    changes = changes_of(read(server))
    assert ids_of(changes) == list(range(1, 251))
    assert changes[250:] == [Delete("deals", "901"), Delete("deals", "902")]


def test_an_incremental_read_gives_what_changed_since() -> None:
    """Deals changed at the watermark or later come in the order of their change."""
    server = FakeHubSpot(*make_deals(500))
    changes = changes_of(read(server, since(START_MS + 100_000), **NO_OVERLAP))
    assert ids_of(changes) == list(range(400, 0, -1))


def test_the_overlap_reaches_behind_the_watermark() -> None:
    """Five minutes before the watermark count as changed, for upserts and for deletes."""
    server = FakeHubSpot(
        *make_deals(3, step_ms=300_000), archived(901, START_MS), archived(902, START_MS - 1)
    )
    changes = changes_of(read(server, since(START_MS + 300_000)))
    assert (ids_of(changes), ids_of(changes, Delete)) == ([3, 2, 1], [901])


@pytest.mark.parametrize("tied", [200, 201, 450, 10_500])
def test_any_number_of_deals_may_share_a_time(tied: int) -> None:
    """Deals of one import are given once each, also where they are more than a search can page."""
    crowd = [FakeDeal(id=1000 + n, modified=START_MS + 50_500) for n in range(tied)]
    server = FakeHubSpot(*make_deals(120), *crowd)
    ids = ids_of(changes_of(read(server, since(START_MS), **NO_OVERLAP)))
    assert len(ids) == len(set(ids)) == 120 + tied


@pytest.mark.parametrize("mode", ["full", "incremental"])
def test_any_page_leads_to_exactly_the_rest(mode: str) -> None:
    """Going on from a page's checkpoint, through JSON, gives the pages that came after it."""
    crowd = [FakeDeal(id=1000 + n, modified=START_MS + 50_500) for n in range(450)]
    gone = [archived(5000 + n, NOW_MS) for n in range(210)]
    server = FakeHubSpot(*make_deals(700), *crowd, *gone)
    pages = read(server, None if mode == "full" else since(START_MS))
    assert len(pages) > 8
    for number, page in enumerate(pages[:-1], start=1):
        resumed = json.loads(json.dumps(page.checkpoint.resume))
        rest = read(server, Checkpoint(resume=resumed, watermark=page.checkpoint.watermark))
        assert rest == pages[number:]


def test_a_deal_changed_meanwhile_hides_no_other() -> None:
    """Each page, an already given deal moves to the end: all the others still come."""
    server = FakeHubSpot(*make_deals(900))
    moved = iter(range(900, 0, -1))

    def touch_one(request: httpx.Request) -> None:
        if request.url.path.endswith("/search"):
            server.deals[next(moved)].modified = START_MS + 10_000_000

    server.meddle = touch_one
    ids = ids_of(changes_of(read(server, since(START_MS), **NO_OVERLAP)))
    assert set(ids) == set(range(1, 901))


def test_the_watermark_is_the_latest_change_seen() -> None:
    """A read ends without `resume`, its watermark at the newest deal."""
    pages = read(FakeHubSpot(*make_deals(250)))
    assert pages[-1].checkpoint == Checkpoint(watermark=START_MS + 249_000)
    assert all(page.checkpoint.resume for page in pages[:-1])


@pytest.mark.parametrize("start", [None, since(START_MS)])
def test_the_watermark_stays_a_minute_behind_hubspots_clock(start: Checkpoint | None) -> None:
    """What changed just now may have neighbours the index does not show yet."""
    server = FakeHubSpot(FakeDeal(id=1, modified=NOW_MS - 5))
    assert read(server, start)[-1].checkpoint.watermark == NOW_MS - 60_000


@pytest.mark.parametrize(
    ("start", "expected"), [(None, NOW_MS - 60_000), (since(START_MS), START_MS)]
)
def test_an_empty_answer_moves_no_watermark(start: Checkpoint | None, expected: int) -> None:
    """Where nothing was seen the watermark stays; the first read takes HubSpot's clock."""
    pages = read(FakeHubSpot(), start)
    assert pages[-1].checkpoint == Checkpoint(watermark=expected)


def test_the_watermark_never_goes_back() -> None:
    """A clock that is behind, or only overlap read again, leaves it where it was."""
    late = NOW_MS + 3_600_000
    server = FakeHubSpot(FakeDeal(id=1, modified=late - 1000))
    assert read(server, since(late))[-1].checkpoint.watermark == late


def test_empty_text_is_none() -> None:
    """HubSpot's "" and null both arrive as None, and only wanted properties arrive."""
    server = FakeHubSpot(FakeDeal(id=7, modified=START_MS, values={"dealname": "A"}))
    page = read(server, selection={"deals": ["amount", "dealname", "dealstage"]})[0]
    assert page.changes == [
        Upsert(
            "deals",
            "7",
            {
                "amount": None,
                "dealname": "A",
                "dealstage": None,
                "hs_lastmodifieddate": "2026-09-21T14:13:20.000Z",
            },
        )
    ]


@pytest.mark.parametrize("start", [None, since(START_MS)])
def test_many_properties_are_read_in_batches(start: Checkpoint | None) -> None:
    """Where the URL or the body would be too long, records still come whole and once."""
    names = [f"custom_property_number_{n}" for n in range(300)]
    server = FakeHubSpot(
        *(
            FakeDeal(id=n, modified=START_MS + n, values=dict.fromkeys(names, "x"))
            for n in range(1, 301)
        )
    )
    server.properties += [{"name": name, "type": "string"} for name in names]
    changes = changes_of(read(server, start))
    assert sorted(ids_of(changes)) == list(range(1, 301))
    for change in changes:
        assert isinstance(change, Upsert)
        assert [change.record[name] for name in names] == ["x"] * 300
    assert max(len(str(request.url)) for request in server.requests) < 4_500
    bodies = [r.content for r in server.requests if r.url.path.endswith("/search")]
    assert max(map(len, bodies), default=0) <= 3_000


def test_a_deal_gone_between_list_and_batch_is_left_out() -> None:
    """It is no upsert without values; the archived list gives its delete."""
    names = [f"custom_property_number_{n}" for n in range(300)]
    server = FakeHubSpot(*make_deals(10))
    server.properties += [{"name": name, "type": "string"} for name in names]

    def archive_one(request: httpx.Request) -> None:
        if request.url.path.endswith("/batch/read"):
            server.deals[5].archived = NOW_MS

    server.meddle = archive_one
    changes = changes_of(read(server))
    assert (5 in ids_of(changes), ids_of(changes, Delete)) == (False, [5])


def test_a_property_that_is_gone_stops_the_read() -> None:
    """HubSpot would answer without it, and LinkHub's field would be emptied."""
    with pytest.raises(PermanentError, match="no deal property named lost_one"):
        read(FakeHubSpot(), selection={"deals": ["dealname", "lost_one"]})


@pytest.mark.parametrize(
    "checkpoint",
    [
        Checkpoint(resume={"phase": "dance"}),
        Checkpoint(resume=[1]),
        Checkpoint(resume={"phase": "list", "seen": [], "colour": 1}),
        Checkpoint(watermark="yesterday"),
    ],
)
def test_a_checkpoint_of_another_making_is_refused(checkpoint: Checkpoint) -> None:
    """The message says what to do."""
    with pytest.raises(PermanentError, match="full sync"):
        read(FakeHubSpot(), checkpoint)


def test_a_deal_without_an_id_is_a_problem_of_its_own() -> None:
    """The page goes on and says so."""
    answers: dict[str, Any] = {
        "/crm/properties/2026-03/deals": {"results": []},
        "/crm/objects/2026-03/deals": {"results": [{"properties": {}}, {"id": "5"}]},
    }
    server = httpx.MockTransport(lambda r: httpx.Response(200, json=answers[r.url.path]))
    page = read(server, selection={"deals": []})[0]
    assert page.changes == [Upsert("deals", "5", {})]
    assert [problem.message for problem in page.problems] == [
        "HubSpot sent a deal without an id; it cannot be synced."
    ]


def test_v3_paths_are_a_version_like_any_other() -> None:
    """The older numbered paths are used where the option says so."""
    server = FakeHubSpot(*make_deals(1))
    wanted = {"deals": ["dealname"]}
    read(server, since(START_MS), options={"api_version": "v3"}, selection=wanted)
    assert [request.url.path for request in server.requests] == [
        "/crm/v3/properties/deals",
        "/crm/v3/objects/deals/search",
        "/crm/v3/objects/deals",
    ]
