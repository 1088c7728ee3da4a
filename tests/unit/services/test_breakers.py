"""Breakers as runs meet them, over a real database."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from threading import Barrier

import pytest

from shared.domain.breakers import FIRST_OPEN, PROBE_LEASE, Breaker, CircuitState
from shared.domain.jobs import Job, JobStatus
from shared.errors import AuthError, PermanentError, TransientError
from shared.ports.provider import Connection, Credentials
from shared.services.connections import Connector
from shared.services.provider_health import ProviderHealth
from shared.services.runs import SinkRequest
from shared.store.database import Database
from tests.fakes import FakeSink
from tests.store_kit import make_database
from tests.world import SECRET, World

OUTAGE = f"Fake answered 503 to GET /deals with {SECRET}."


@dataclass
class Town(World):
    """A world whose syncs of one account know of each other."""

    @property
    def connector(self) -> Connector:
        return Connector(find_provider=self._find, work_dir=self.work_dir, health=self.health)

    @property
    def health(self) -> ProviderHealth:
        return ProviderHealth(open_uow=self.database.open_uow, now=self.clock)

    @property
    def breaker(self) -> Breaker | None:
        return self.breaker_of("4711")

    def breaker_of(self, account: str) -> Breaker | None:
        with self.database.open_uow(read_only=True) as uow:
            return uow.breakers.find("fake", account)

    def state(self) -> CircuitState | None:
        return self.breaker.state if self.breaker else None

    def add_account_job(self, account: str = "4711", **values: object) -> Job:
        instance = self.add_instance(**values)
        with self.database.open_uow() as uow:
            state = uow.instances.get_state(instance.id)
            uow.instances.save_state(replace(state, account=account), now=self.clock())
            uow.commit()
        return self.add_job(instance)

    def fail(self, job: Job, error: Exception | None = None) -> None:
        """Run the job into an outage."""
        self.source.fail_at = {0: error or TransientError(OUTAGE)}
        with suppress(TransientError):
            self.run(job)

    def open_breaker(self, job: Job) -> None:
        for _ in range(3):
            self.fail(job)
        assert self.state() is CircuitState.OPEN
        self.source.fail_at = {}
        self.source.reads.clear()
        self.queue.sent.clear()

    def connect(self, *, interactive: bool = False) -> Connection:
        return self.connector.open(
            "fake",
            credentials=Credentials(values={"api_key": SECRET}),
            options={},
            sleep=lambda _: None,
            interactive=interactive,
            account="4711",
        )


@pytest.fixture
def town() -> Iterator[Town]:
    with tempfile.TemporaryDirectory() as folder:
        database = make_database("file", Path(folder))
        yield Town(database=database, work_dir=Path(folder))
        database.dispose()


def test_the_third_outage_in_a_row_opens_it(town: Town, caplog: pytest.LogCaptureFixture) -> None:
    """Two attempts are counted; the third is a known wait, said in the job, the log and the row."""
    job = town.add_account_job()
    for attempts in (1, 2):
        town.fail(job)
        assert (town.job(job.id).attempts, town.state()) == (attempts, CircuitState.CLOSED)
    with caplog.at_level(logging.WARNING):
        town.fail(job)
    waiting = town.job(job.id)
    assert (waiting.status, waiting.attempts) == (JobStatus.PENDING, 2)
    assert waiting.not_before == town.clock() + FIRST_OPEN
    assert town.queue.sent == [(job.id, False, 60)]
    assert "answered 503" in waiting.error_message
    assert "failed 3 syncs of this account in a row. Nothing is asked" in waiting.error_message
    assert "open until" in caplog.text
    assert town.breaker is not None
    assert (town.breaker.failures, town.breaker.opened_at) == (3, town.clock())
    assert "503" in town.breaker.last_error
    assert SECRET not in caplog.text + waiting.error_message + town.breaker.last_error


def test_while_it_is_open_nothing_is_asked(town: Town) -> None:
    """Another instance of the account waits as long, for no attempt, and does not connect."""
    town.open_breaker(town.add_account_job())
    other = town.add_account_job(profile_id=town.add_profile(subject="bob"))
    town.clock.move(seconds=10)
    town.run(other)
    waiting = town.job(other.id)
    assert (waiting.status, waiting.attempts) == (JobStatus.PENDING, 0)
    assert waiting.not_before == town.clock() + timedelta(seconds=50)
    assert town.source.reads == []
    assert town.source.closed == 3


def test_no_wait_is_so_short_that_it_would_cost_an_attempt(town: Town) -> None:
    """Shortly before the breaker's time the job still waits, longer than the host's redelivery."""
    job = town.add_account_job()
    town.open_breaker(job)
    other = town.add_account_job(profile_id=town.add_profile(subject="bob"))
    town.clock.move(seconds=59)
    town.run(other)
    assert (town.job(other.id).attempts, town.queue.sent[-1][2]) == (0, 45)


def test_a_probe_that_brings_records_closes_it(town: Town) -> None:
    """The first sync after the time tries, succeeds and lets all others through."""
    job = town.add_account_job()
    town.open_breaker(job)
    town.clock.move(seconds=60)
    town.run(job)
    assert town.job(job.id).status is JobStatus.SUCCESS
    assert town.state() is CircuitState.CLOSED
    assert town.breaker is not None
    assert (town.breaker.failures, town.breaker.retry_at) == (0, None)


def test_a_probe_that_fails_opens_it_for_longer(town: Town) -> None:
    """The job waits twice as long, still without burning attempts."""
    job = town.add_account_job()
    town.open_breaker(job)
    for minutes, wait in [(1, 120), (2, 240)]:
        town.clock.move(minutes=minutes)
        town.fail(job)
        assert town.job(job.id).not_before == town.clock() + timedelta(seconds=wait)
    assert town.job(job.id).attempts == 2


def test_an_outage_of_a_day_is_told_to_people(town: Town) -> None:
    """Jobs that would only wait on burn attempts again, which ends as a dead letter with a mail."""
    job = town.add_account_job()
    town.open_breaker(job)
    for hours, attempts in [(23, 2), (1, 3)]:
        town.clock.move(hours=hours)
        town.fail(job)
        assert town.job(job.id).attempts == attempts
    with pytest.raises(TransientError, match="Nothing is asked of it before"):
        town.run(job)
    assert (town.job(job.id).attempts, len(town.source.reads)) == (4, 2)


def test_records_between_outages_start_the_count_anew(town: Town) -> None:
    """A provider that fails now and then, and brings records in between, is never left alone."""
    job = town.add_account_job()
    for start in (0, 2, 0, 2, 0):
        town.source.fail_at = {start: TransientError(OUTAGE)}
        with suppress(TransientError):
            town.run(job)
    assert town.state() is CircuitState.CLOSED


@pytest.mark.parametrize(
    "error",
    [
        AuthError("no"),
        PermanentError("never"),
        TransientError("429", retry_after=10, is_outage=False),
        TransientError("day's quota", retry_after=3600, is_outage=False),
    ],
    ids=["auth", "permanent", "rate limit", "quota"],
)
def test_only_outages_count(town: Town, error: Exception) -> None:
    """Refused credentials, hopeless requests and limits that are waited for open nothing."""
    for number in range(4):
        town.fail(town.add_account_job(profile_id=town.add_profile(subject=f"s{number}")), error)
    assert town.breaker is None


def test_outages_of_others_do_not_count(town: Town) -> None:
    """That LinkHub or a warehouse is away says nothing of the provider."""
    job = town.add_account_job()

    def refuse(_: SinkRequest) -> FakeSink:
        raise TransientError("LinkHub answered 503.")

    town.make_sink = refuse
    for _ in range(4):
        with suppress(TransientError):
            town.run(job)
    assert town.job(job.id).attempts == 4
    assert town.breaker is None


def test_accounts_have_breakers_of_their_own(town: Town) -> None:
    """Another account of the provider syncs on; one without a known account is its instance."""
    town.open_breaker(town.add_account_job())
    other = town.add_account_job("4712", profile_id=town.add_profile(subject="bob"))
    town.run(other)
    assert town.job(other.id).status is JobStatus.SUCCESS
    unnamed = town.add_account_job("", profile_id=town.add_profile(subject="eve"))
    town.fail(unnamed)
    assert town.breaker_of(unnamed.instance_id) is not None


def test_a_probe_that_ends_otherwise_makes_room(town: Town) -> None:
    """One whose credentials are refused learnt nothing of the outage: the next may try at once."""
    job = town.add_account_job()
    town.open_breaker(job)
    town.clock.move(seconds=60)
    town.fail(job, AuthError("no"))
    assert town.state() is CircuitState.OPEN
    other = town.add_account_job(profile_id=town.add_profile(subject="bob"))
    town.run(other)
    assert town.job(other.id).status is JobStatus.SUCCESS


def test_of_many_at_once_exactly_one_is_the_probe(town: Town) -> None:
    """Eight threads that find the time over race for it; seven wait."""
    town.open_breaker(town.add_account_job())
    town.clock.move(seconds=60)
    barrier = Barrier(8)

    def enter() -> Connection | TransientError:
        barrier.wait(120)
        try:
            return town.connect()
        except TransientError as error:
            return error

    with ThreadPoolExecutor(8) as pool:
        found = [future.result() for future in [pool.submit(enter) for _ in range(8)]]
    errors = [one for one in found if isinstance(one, TransientError)]
    assert len(errors) == 7
    assert {error.retry_after for error in errors} == {45}
    assert all("One sync is trying" in str(error) for error in errors)


def test_a_probe_that_died_is_replaced(town: Town) -> None:
    """Half open for good would be closed to all: after a while another probe goes."""
    town.open_breaker(town.add_account_job())
    town.clock.move(seconds=60)
    town.connect()  # and is never heard of again
    town.clock.move(seconds=PROBE_LEASE.total_seconds() - 1)
    with pytest.raises(TransientError):
        town.connect()
    town.clock.move(seconds=1)
    with closing(town.connect()) as connection:
        assert list(connection.read("deals", None))
    assert town.state() is CircuitState.CLOSED


def test_a_person_is_never_stopped(town: Town) -> None:
    """A wizard connects while it is open, and what it meets counts neither way."""
    town.open_breaker(town.add_account_job())
    before = town.breaker
    with closing(town.connect(interactive=True)) as connection:
        assert list(connection.read("deals", None))
        town.source.fail_at = {0: TransientError(OUTAGE)}
        with pytest.raises(TransientError):
            list(connection.read("deals", None))
    assert town.breaker == before


def test_sql_that_is_away_hides_no_outage(
    town: Town, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be counted is said in the log, and the run learns what its provider said."""

    def refuse(*_: object, **__: object) -> None:
        raise TransientError("The database cannot answer now.")

    town.source.fail_at = {0: TransientError(OUTAGE)}
    with closing(town.connect()) as connection:
        with monkeypatch.context() as away:
            away.setattr(Database, "_open", refuse)
            with pytest.raises(TransientError, match="Fake answered 503"):
                list(connection.read("deals", None))
        assert "is not kept: The database cannot answer now." in caplog.text
    assert town.breaker is None
