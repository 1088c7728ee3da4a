"""Checks of connecting, discovering and reading."""

# ruff: noqa: D401 - the first line of a check is its promise, as a test's is
from __future__ import annotations

import pytest

from shared.domain.changes import Delete, Truncate, Upsert
from shared.domain.mapping_checks import validate_mapping
from shared.errors import AuthError, PermanentError
from shared.ports.provider import Credentials
from tests.contract.bench import Bench, Recorder, changes_of, through_json

_UNKNOWN = "0"


def right_credentials_are_accepted(bench: Bench) -> None:
    """Credentials that work give a label a person can recognise."""
    assert bench.connect().check().label.strip()


def wrong_credentials_are_refused(bench: Bench) -> None:
    """Well-formed credentials that open nothing are an AuthError."""
    wrong = Credentials(values=bench.case.bad_credentials)
    with pytest.raises(AuthError):
        bench.connect(credentials=wrong).check()


def private_hosts_are_closed_unless_allowed(bench: Bench) -> None:
    """The egress guard stands in front of every provider."""
    with pytest.raises(PermanentError):
        bench.connect(allow_private_hosts=False).check()


def discovered_names_are_unique(bench: Bench) -> None:
    """There are streams; no two of them, and no two fields of one, share a name."""
    streams = bench.connect().discover()
    assert streams
    assert all(stream.name and stream.label for stream in streams)
    assert len({stream.name for stream in streams}) == len(streams)
    for stream in streams:
        assert len({field.name for field in stream.fields}) == len(stream.fields)


def default_mappings_fit_what_is_discovered(bench: Bench) -> None:
    """A person who changes nothing in the mapping step gets a mapping that is valid."""
    streams = bench.connect().discover()
    provider = bench.provider
    problems = validate_mapping(
        provider.default_mappings, streams=streams, default_transform=provider.default_transform
    )
    assert problems == []


def keys_are_present_and_unique(bench: Bench) -> None:
    """A full read names each record once, with a key, and something is read."""
    changes = [change for change in changes_of(bench.read()) if not isinstance(change, Truncate)]
    keys = [(change.stream, change.key) for change in changes]
    assert all(stream and key == key.strip() != "" for stream, key in keys)
    assert len(set(keys)) == len(keys) > 0


def only_the_last_page_ends_a_read(bench: Bench) -> None:
    """Every page but the last can be resumed from; there are enough to prove something."""
    *before, last = bench.read()
    assert len(before) + 1 >= bench.case.least_pages
    assert all(page.checkpoint.resume is not None for page in before)
    assert last.checkpoint.resume is None
    assert (last.checkpoint.watermark is not None) == bench.is_incremental


def totals_count_what_was_read(bench: Bench) -> None:
    """A stream's total is the number of records a full read gave: deletes are proven by it."""
    pages = bench.read()
    found = [change.stream for change in changes_of(pages) if isinstance(change, Upsert)]
    failed = {(problem.stream, problem.key) for page in pages for problem in page.problems}
    for page in pages:
        for stream, total in page.totals.items():
            unread = len([key for key in failed if key[0] == stream])
            assert total == found.count(stream) + unread


def a_checkpoint_survives_json(bench: Bench) -> None:
    """It is what it was after a way through the database, of every page."""
    for page in bench.read():
        assert through_json(page.checkpoint) == page.checkpoint


def any_page_leads_to_exactly_the_rest(bench: Bench) -> None:
    """A new connection goes on from any page's checkpoint to the same end."""
    pages = bench.read()
    for number, page in enumerate(pages[:-1], start=1):
        rest = bench.read(through_json(page.checkpoint))
        assert changes_of(rest) == changes_of(pages[number:])
        assert rest[-1].checkpoint == pages[-1].checkpoint
        assert rest[-1].totals == pages[-1].totals


def an_incremental_read_starts_at_the_watermark(bench: Bench) -> None:
    """It gives fewer records than a full one, a watermark not before its own, and can be resumed.

    A source that cannot tell what changed gives everything.
    """
    full = bench.read()
    end = through_json(full[-1].checkpoint)
    pages = bench.read(end)
    upserts = [change for change in changes_of(pages) if isinstance(change, Upsert)]
    if not bench.is_incremental:
        assert changes_of(pages) == changes_of(full)
        return
    assert len(upserts) < len(changes_of(full))
    assert pages[-1].checkpoint == end
    for number, page in enumerate(pages[:-1], start=1):
        rest = bench.read(through_json(page.checkpoint))
        assert changes_of(rest) == changes_of(pages[number:])


def an_unknown_scope_is_refused(bench: Bench) -> None:
    """What the provider has not is a PermanentError that a person can act on."""
    with pytest.raises(PermanentError):
        list(bench.connect().read("no such scope", None))


def get_tells_which_records_exist(bench: Bench) -> None:
    """Known keys come as upserts, unknown ones as deletes, in order; or `get` is refused."""
    upserts = bench.upserts()
    stream, keys = upserts[0].stream, [upserts[0].key, _UNKNOWN, upserts[1].key]
    if not bench.case.can_get:
        with pytest.raises(PermanentError):
            bench.connect().get(stream, keys)
        return
    found = bench.connect().get(stream, keys)
    assert list(found) == [upserts[0], Delete(stream, _UNKNOWN), upserts[1]]


def what_travels_fits_the_vendors_document(bench: Bench) -> None:
    """Requests and answers of connecting, reading and writing are as the vendor describes them."""
    assert bench.case.document is not None
    recorder = Recorder()
    connection = bench.connect(transport=recorder)
    connection.check()
    connection.discover()
    upserts = [
        change
        for change in changes_of(list(connection.read(bench.case.scope, None)))
        if isinstance(change, Upsert)
    ]
    if bench.case.can_get:
        connection.get(upserts[0].stream, [upserts[0].key, _UNKNOWN])
    if push := bench.case.push:
        make = Upsert(push.stream, bench.new_key(), push.make(upserts))
        (made,) = connection.push(push.stream, [make])
        list(connection.push(push.stream, [Upsert(push.stream, made.external_id, push.change)]))
        list(connection.push(push.stream, [Delete(push.stream, made.external_id)]))
    assert recorder.exchanges
    assert list(bench.case.document(recorder.exchanges)) == []
