"""What every adapter must do, proven against its emulator.

A new provider needs one entry in `cases.py`; there is nothing to write here.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from adapters import find_provider, known_slugs
from shared.domain.changes import Change, Delete, Page, Truncate, Upsert
from shared.domain.checkpoints import Checkpoint
from shared.domain.mapping_checks import validate_mapping
from shared.domain.providers import Direction
from shared.errors import AuthError, PermanentError, SyncError, TransientError
from shared.ports.provider import Connection, ConnectRequest, Credentials, ProviderDefinition
from tests.contract.cases import CASES, Emulator, FaultCase, ProviderCase

COMMON_FAULTS = (
    FaultCase(kind="truncated", options={"count": 2}),
    FaultCase(kind="rate_limit", options={"count": 2}),
    FaultCase(kind="server_error", options={"count": 2, "retry_after": 3}),
    FaultCase(kind="slow", options={"count": 1, "seconds": 0.2}),
)


class Bench:
    """One provider with its emulator; opens connections that wait only on paper."""

    def __init__(self, case: ProviderCase, emulator: Emulator, folder: Path) -> None:
        self.case = case
        self.emulator = emulator
        self.provider: ProviderDefinition = find_provider(case.slug)
        self.waits: list[float] = []
        self._folder = folder
        self._opened: list[Connection] = []

    @property
    def is_incremental(self) -> bool:
        """Reads end with a watermark."""
        can = self.case.incremental
        return self.provider.spec.incremental if can is None else can

    def connect(self, **changes: Any) -> Connection:
        defaults: dict[str, Any] = {
            "credentials": Credentials(values=self.emulator.credentials),
            "options": self.emulator.options,
            "work_dir": self._folder,
            "sleep": self.waits.append,
            "allow_private_hosts": True,
        }
        connection = self.provider.connect(ConnectRequest(**{**defaults, **changes}))
        self._opened.append(connection)
        return connection

    def read(self, checkpoint: Checkpoint | None = None) -> list[Page]:
        return list(self.connect().read(self.case.scope, checkpoint))

    def rest(self) -> None:
        """Close connections and forget faults and waits."""
        for connection in self._opened:
            connection.close()
        self._opened.clear()
        self.waits.clear()
        self.emulator.heal()


@pytest.fixture(
    scope="module", params=CASES, ids=lambda case: "-".join(filter(None, (case.slug, case.variant)))
)
def shared_bench(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Bench]:
    case: ProviderCase = request.param
    with case.start(tmp_path_factory.mktemp(case.slug)) as emulator:
        yield Bench(case, emulator, tmp_path_factory.mktemp("work"))


@pytest.fixture
def bench(shared_bench: Bench) -> Iterator[Bench]:
    yield shared_bench
    shared_bench.rest()


def changes_of(pages: Sequence[Page]) -> list[Change]:
    return [change for page in pages for change in page.changes]


def through_json(checkpoint: Checkpoint) -> Checkpoint:
    return Checkpoint(
        resume=json.loads(json.dumps(checkpoint.resume)),
        watermark=json.loads(json.dumps(checkpoint.watermark)),
    )


def test_every_provider_has_a_case() -> None:
    """A new adapter fails here until `cases.py` has its entry."""
    assert sorted({case.slug for case in CASES}) == known_slugs()


def test_check_accepts_the_right_credentials(bench: Bench) -> None:
    """Credentials that work give a label a person can recognise."""
    assert bench.connect().check().label


def test_check_refuses_the_wrong_credentials(bench: Bench) -> None:
    """Well-formed credentials that open nothing are an AuthError."""
    wrong = Credentials(values=bench.case.bad_credentials)
    with pytest.raises(AuthError):
        bench.connect(credentials=wrong).check()


def test_discovered_names_are_unique(bench: Bench) -> None:
    """There are streams; no two of them, and no two fields of one, share a name."""
    streams = bench.connect().discover()
    assert streams
    assert len({stream.name for stream in streams}) == len(streams)
    for stream in streams:
        assert len({field.name for field in stream.fields}) == len(stream.fields)


def test_default_mappings_fit_what_is_discovered(bench: Bench) -> None:
    """A person who changes nothing in the mapping step gets a mapping that is valid."""
    streams = bench.connect().discover()
    provider = bench.provider
    problems = validate_mapping(
        provider.default_mappings, streams=streams, default_transform=provider.default_transform
    )
    assert problems == []


def test_keys_are_present_and_unique(bench: Bench) -> None:
    """A full read names each record once, with a key, and something is read."""
    changes = [change for change in changes_of(bench.read()) if not isinstance(change, Truncate)]
    keys = [(change.stream, change.key) for change in changes]
    assert all(stream and key == key.strip() != "" for stream, key in keys)
    assert len(set(keys)) == len(keys) > 0


def test_only_the_last_page_ends_the_read(bench: Bench) -> None:
    """Every page but the last can be resumed from; there are enough to prove something."""
    *before, last = bench.read()
    assert len(before) + 1 >= bench.case.least_pages
    assert all(page.checkpoint.resume is not None for page in before)
    assert last.checkpoint.resume is None
    assert (last.checkpoint.watermark is not None) == bench.is_incremental


def test_any_page_leads_to_exactly_the_rest(bench: Bench) -> None:
    """A checkpoint survives JSON, and a new connection goes on from it to the same end."""
    pages = bench.read()
    for number, page in enumerate(pages[:-1], start=1):
        rest = bench.read(through_json(page.checkpoint))
        assert changes_of(rest) == changes_of(pages[number:])
        assert rest[-1].checkpoint == pages[-1].checkpoint
        assert rest[-1].totals == pages[-1].totals


def test_an_incremental_read_starts_at_the_watermark(bench: Bench) -> None:
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


def test_get_tells_which_records_exist(bench: Bench) -> None:
    """Known keys come as upserts, unknown ones as deletes, in order; or `get` is refused."""
    upserts = [change for change in changes_of(bench.read()) if isinstance(change, Upsert)]
    stream, keys = upserts[0].stream, [upserts[0].key, "0", upserts[1].key]
    if not bench.case.can_get:
        with pytest.raises(PermanentError):
            bench.connect().get(stream, keys)
        return
    found = bench.connect().get(stream, keys)
    assert found == [upserts[0], Delete(stream, "0"), upserts[1]]


def test_pushing_needs_an_export_direction(bench: Bench) -> None:
    """An import-only provider refuses; any other gives the same outcome for the same change."""
    upserts = [change for change in changes_of(bench.read()) if isinstance(change, Upsert)][:3]
    stream = upserts[0].stream
    if set(bench.provider.spec.directions) == {Direction.IMPORT}:
        with pytest.raises(PermanentError, match="import only"):
            list(bench.connect().push(stream, upserts))
        return
    first = list(bench.connect().push(stream, upserts))
    again = list(bench.connect().push(stream, upserts))
    assert [result.external_id for result in again] == [result.external_id for result in first]
    assert {result.outcome for result in again} == {"unchanged"}


@pytest.mark.parametrize(
    ("kind", "options", "expected", "retry_after"),
    [
        ("unauthorized", {}, AuthError, None),
        ("rate_limit", {"retry_after": 90}, TransientError, 90),
        ("server_error", {"status": 503, "retry_after": 90}, TransientError, 90),
        ("server_error", {"status": 500}, TransientError, None),
    ],
)
def test_refusals_end_in_their_class(
    bench: Bench,
    kind: str,
    options: dict[str, Any],
    expected: type[SyncError],
    retry_after: float | None,
) -> None:
    """401 is an AuthError; 429 and 5xx are TransientErrors that carry the provider's delay."""
    bench.emulator.fault(kind, **options)
    with pytest.raises(expected) as caught:
        bench.read()
    assert getattr(caught.value, "retry_after", None) == retry_after


@pytest.mark.parametrize("fault", COMMON_FAULTS, ids=lambda fault: fault.id)
def test_passing_faults_change_nothing(bench: Bench, fault: FaultCase) -> None:
    """A read through a few bad answers gives exactly what it gives on a good day."""
    expected = changes_of(bench.read())
    bench.emulator.fault(fault.kind, **fault.options)
    assert changes_of(bench.read()) == expected


def test_the_emulators_own_faults_end_as_documented(
    bench: Bench, subtests: pytest.Subtests
) -> None:
    """Each fault of the case ends in its class, or the read comes through unharmed."""
    expected = changes_of(bench.read())
    for fault in bench.case.faults:
        with subtests.test(fault.id):
            bench.rest()
            bench.emulator.fault(fault.kind, **fault.options)
            if fault.ends_in is None:
                assert changes_of(bench.read()) == expected
            else:
                with pytest.raises(fault.ends_in):
                    bench.read()


def test_somebody_who_looks_waits_five_seconds_at_most(bench: Bench) -> None:
    """An interactive call gives up soon; a background one keeps on for half a minute."""
    bench.emulator.fault("server_error")
    with pytest.raises(TransientError):
        bench.connect(interactive=True).check()
    assert 0 < sum(bench.waits) <= 5
    bench.waits.clear()
    with pytest.raises(TransientError):
        bench.connect().check()
    assert 20 < sum(bench.waits) < 40


def test_private_hosts_are_closed_unless_allowed(bench: Bench) -> None:
    """The egress guard stands in front of every provider."""
    with pytest.raises(PermanentError):
        bench.connect(allow_private_hosts=False).check()


def _read_badly(kind: str) -> Callable[[Bench], Any]:
    def act(bench: Bench) -> None:
        bench.emulator.fault(kind)
        bench.read()

    return act


@pytest.mark.parametrize(
    "act",
    [
        lambda bench: bench.read(),
        _read_badly("unauthorized"),
        _read_badly("rate_limit"),
        _read_badly("truncated"),
        _read_badly("malformed"),
        lambda bench: bench.connect().push("x", []),
        lambda bench: bench.connect().read("no such scope", None).__next__(),
    ],
    ids=["good day", "unauthorized", "rate limit", "truncated", "malformed", "push", "scope"],
)
def test_no_secret_reaches_a_log_or_a_message(
    bench: Bench, act: Callable[[Bench], Any], caplog: pytest.LogCaptureFixture
) -> None:
    """With every logger at DEBUG, no credential is in a record, an error or a repr."""
    caplog.set_level(logging.DEBUG)
    said = [repr(bench.connect()), repr(Credentials(values=bench.emulator.credentials))]
    try:
        act(bench)
    except SyncError as error:
        said.append(f"{error!r} {error.__cause__!r} {error.__context__!r}")
    text = caplog.text + "".join(said)
    for secret in bench.emulator.credentials.values():
        assert secret not in text
        assert secret.rpartition("|")[2] not in text
