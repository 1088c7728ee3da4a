"""Whatever an account does while it is read, nothing is lost."""

from __future__ import annotations

import json

import httpx
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.changes import Delete, Page, Upsert
from shared.domain.checkpoints import Checkpoint
from tests.hubspot_kit import NOW, START_MS, FakeDeal, FakeHubSpot, changes_of, read

NOW_MS = int(NOW.timestamp() * 1000)
NO_OVERLAP = {"overlap_seconds": "0"}

few_times = st.integers(0, 6).map(lambda n: START_MS + n)
accounts = st.lists(few_times, max_size=25)
acts = st.lists(
    st.tuples(st.sampled_from(["touch", "archive", "create", "nothing"]), st.integers(1, 25)),
    max_size=30,
)
Acts = list[tuple[str, int]]


def account(times: list[int]) -> FakeHubSpot:
    server = FakeHubSpot(*(FakeDeal(id=n, modified=at) for n, at in enumerate(times, start=1)))
    server.page_size = 3
    return server


class Busy:
    """Changes one deal before each request; every change has a later time than all before.

    None is older than HubSpot's clock says it is, which is where a read begins.
    """

    def __init__(self, server: FakeHubSpot, planned: Acts) -> None:
        self._server = server
        self._planned = iter(planned)
        self._now = NOW_MS

    def __call__(self, request: httpx.Request) -> None:
        act, id_ = next(self._planned, ("nothing", 0))
        self._now += 1
        deal = self._server.deals.get(id_)
        if act == "create":
            new = max(self._server.deals, default=0) + 1
            self._server.deals[new] = FakeDeal(id=new, modified=self._now)
        elif deal is not None and deal.archived is None:
            if act == "touch":
                deal.modified = self._now
            elif act == "archive":
                deal.archived = self._now


@settings(max_examples=60, deadline=None)
@given(times=accounts, since=few_times)
def test_a_quiet_account_is_read_exactly_once(times: list[int], since: int) -> None:
    """Every deal changed since comes once, in the order of change, whatever times are shared."""
    pages = read(account(times), Checkpoint(watermark=since), options=NO_OVERLAP)
    given_ids = [int(c.key) for c in changes_of(pages) if isinstance(c, Upsert)]
    expected = {n for n, at in enumerate(times, start=1) if at >= since}
    assert sorted(given_ids) == sorted(expected)
    given_times = [times[n - 1] for n in given_ids]
    assert given_times == sorted(given_times)


@settings(max_examples=60, deadline=None)
@given(times=accounts, stop_after=st.integers(1, 6), is_full=st.booleans())
def test_any_interruption_is_seamless(times: list[int], stop_after: int, is_full: bool) -> None:
    """Stopping after every few pages and going on gives what an undisturbed read gives."""
    server = account(times)
    start = None if is_full else Checkpoint(watermark=START_MS)
    whole = read(server, start, options=NO_OVERLAP)
    pieces: list[Page] = []
    checkpoint = start
    while not pieces or pieces[-1].checkpoint.resume is not None:
        pieces += read(server, checkpoint, options=NO_OVERLAP)[:stop_after]
        last = pieces[-1].checkpoint
        resume = json.loads(json.dumps(last.resume))
        checkpoint = Checkpoint(resume=resume, watermark=last.watermark)
    assert changes_of(pieces) == changes_of(whole)
    assert pieces[-1].checkpoint == whole[-1].checkpoint


@settings(max_examples=120, deadline=None)
@given(times=accounts, planned=acts, is_full=st.booleans())
def test_a_busy_account_loses_nothing(times: list[int], planned: Acts, is_full: bool) -> None:
    """After a read and one more, what was given adds up to the account as it is."""
    server = account(times)
    server.meddle = Busy(server, planned)
    start = None if is_full else Checkpoint(watermark=START_MS)
    first = read(server, start, options=NO_OVERLAP)
    server.meddle = lambda _request: None
    second = read(server, first[-1].checkpoint, options=NO_OVERLAP)
    known: dict[str, str | None] = {}
    for change in changes_of([*first, *second]):
        if isinstance(change, Upsert):
            known[change.key] = change.record["hs_lastmodifieddate"]
        elif isinstance(change, Delete):
            known.pop(change.key, None)
    live = [deal for deal in server.deals.values() if deal.archived is None]
    assert known == {
        str(deal.id): deal.to_json(["hs_lastmodifieddate"])["properties"]["hs_lastmodifieddate"]
        for deal in live
    }
