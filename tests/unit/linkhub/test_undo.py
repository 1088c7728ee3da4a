"""Taking a job's writes to LinkHub back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress

import pytest

from shared.domain.changes import Change, Delete, RecordProblem
from shared.domain.checkpoints import SavedCheckpoint
from shared.domain.tallies import Tally
from shared.errors import LeaseLostError
from shared.ports.sink import NoteStep, WriteResult
from shared.sinks.linkhub import journal, undo
from shared.sinks.linkhub.client import LinkHubRecord, UpsertInput
from shared.store.unit_of_work import UnitOfWork
from tests.fakes import PowerCutError
from tests.linkhub_kit import Bench, deal, make_client

BEFORE: Sequence[Change] = [deal(str(number)) for number in range(1, 7)]
JOB: Sequence[Sequence[Change]] = [
    [deal("1", amount="99"), Delete("deals", "2"), deal("7"), deal("3")],
    [deal("1", amount="98"), deal("4", dealname="Four"), Delete("deals", "7"), deal("8")],
    [deal("2", amount="5"), deal("7", amount="6"), Delete("deals", "6")],
]
KEYS = [str(number) for number in range(1, 9)]


class Story:
    """A job that created, changed, deleted and revived, and how all was before it."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        bench.read_all(BEFORE)
        self.before = self.state()
        bench.next_job()
        self.target = bench.job.id
        for page in JOB:
            bench.sync(*page, approved=100)
        self.after = self.state()
        assert self.after != self.before

    def state(self) -> tuple[object, ...]:
        """Return everything an undo gives back: records, live links, the checkpoint."""
        links = {
            key: (link.linkhub_id, link.base, link.sent_hash, link.seen_job_id)
            for key, link in self.bench.links(*KEYS).items()
            if link.deleted_at is None
        }
        return self.bench.linkhub_fields(*KEYS), links, self.saved()

    def saved(self) -> SavedCheckpoint | None:
        with self.bench.open_uow(read_only=True) as uow:
            data = uow.checkpoints.get(self.bench.instance.id, "deals", "import")
        return None if data is None else SavedCheckpoint.from_json(data)

    def take_back(self, *, steps: int | None = None) -> WriteResult:
        """Undo the target in the present run, or only some steps; return what was noted."""
        notes: list[WriteResult] = []

        def note(uow: UnitOfWork, result: WriteResult) -> None:
            del uow
            notes.append(result)

        for number, _ in enumerate(self._steps(note), start=1):
            if number == steps:
                break
        tally = sum((result.tally for result in notes), Tally())
        problems: list[RecordProblem] = [one for result in notes for one in result.problems]
        return WriteResult(tally=tally, problems=problems)

    def _steps(self, note: NoteStep) -> Iterator[None]:
        return self.bench.sink(begins=False).take_back(self.target, note=note)

    def undo(self) -> WriteResult:
        """Undo the target in a job of its own."""
        self.bench.next_job()
        return self.take_back()

    def edit(self, key: str, fields: str) -> None:
        """Change a record as a person in LinkHub might."""
        client = make_client(self.bench.running, self.bench.instance.profile_id)
        try:
            list(
                client.upsert(
                    "initiatives",
                    source=self.bench.instance.id,
                    inputs=[UpsertInput(f"deals/{key}", fields)],
                    salt=fields,
                )
            )
        finally:
            client.close()


@pytest.fixture
def story(bench: Bench) -> Story:
    return Story(bench)


def test_everything_is_as_it_was_before(story: Story) -> None:
    """Records with their ids, links with their bases, the checkpoint: as if the job never ran."""
    result = story.undo()
    assert story.state() == story.before
    assert result.tally.warning == 0
    assert result.problems == []


def test_the_next_sync_does_the_same_again(story: Story) -> None:
    """Nothing of the job is taken for known: its records are sent once more."""
    story.undo()
    story.bench.next_job()
    for page in JOB:
        story.bench.sync(*page, approved=100)
    fields = story.bench.linkhub_fields(*KEYS)
    assert fields == story.after[0]


def test_doing_it_twice_changes_nothing_more(story: Story) -> None:
    """The second undo finds every entry settled."""
    story.undo()
    before = story.bench.requests()
    assert story.undo() == WriteResult(tally=Tally(), problems=[])
    assert story.bench.requests() == before
    assert story.state() == story.before


@pytest.mark.parametrize("size", [1, 2, 3])
def test_small_steps_come_to_the_same(
    story: Story, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However the journal is cut, also between two writes of one record."""
    monkeypatch.setattr(undo, "_STEP", size)
    monkeypatch.setattr(undo, "_FETCHED", size)
    story.undo()
    assert story.state() == story.before


@pytest.mark.parametrize("writes", range(8))
def test_a_power_cut_anywhere_is_made_good(
    story: Story, writes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever of its transactions the run died before, the next run ends it."""
    monkeypatch.setattr(undo, "_STEP", 2)
    monkeypatch.setattr(undo, "_FETCHED", 2)
    story.bench.next_job()
    story.bench.cut_after(writes=writes)
    with suppress(PowerCutError):
        story.take_back()
    story.bench.cut_after(writes=None)
    story.bench.claim()
    result = story.take_back()
    assert story.state() == story.before
    assert result.tally.warning == 0


def test_a_run_that_stops_is_gone_on_with(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    """What one run settled the next one leaves alone."""
    monkeypatch.setattr(undo, "_STEP", 2)
    monkeypatch.setattr(undo, "_FETCHED", 2)
    story.bench.next_job()
    first = story.take_back(steps=2)
    assert story.saved() != story.before[2]
    story.bench.claim()
    second = story.take_back()
    assert story.state() == story.before
    assert (first.tally + second.tally).warning == 0


def test_a_record_somebody_changed_since_is_left_and_named(story: Story) -> None:
    """Changed ones keep the change, also in a field no mapping knows; the others go back."""
    story.edit("1", '{"budget":"1.00"}')
    story.edit("8", '{"owner":"Ada"}')
    result = story.undo()
    assert {(problem.key, problem.severity) for problem in result.problems} == {
        ("1", "warning"),
        ("8", "warning"),
    }
    assert "changed in LinkHub since" in result.problems[0].message
    assert result.tally.warning == 2
    fields = story.bench.linkhub_fields(*KEYS)
    assert fields["1"]["budget"] == "1.00"
    assert fields["8"]["owner"] == "Ada"
    rest = {key: value for key, value in fields.items() if key not in {"1", "8"}}
    was = story.before[0]
    assert isinstance(was, dict)
    assert rest == {key: value for key, value in was.items() if key != "1"}


def test_what_is_as_before_already_is_done(story: Story) -> None:
    """Somebody put a record back by hand: nothing to do, nothing to name."""
    story.edit("1", '{"budget":"10.00"}')
    result = story.undo()
    assert result.problems == []
    assert story.state() == story.before


def test_an_edit_in_the_last_moment_is_not_overwritten(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look and the write LinkHub refuses what is not of the version that was seen."""
    real = journal.read_present

    def read_and_edit(*args: object, **kwargs: object) -> dict[tuple[str, str], LinkHubRecord]:
        found: dict[tuple[str, str], LinkHubRecord] = real(*args, **kwargs)  # type: ignore[arg-type]
        story.edit("1", '{"budget":"1.00"}')
        return found

    monkeypatch.setattr("shared.sinks.linkhub.undo.read_present", read_and_edit)
    result = story.undo()
    assert [problem.key for problem in result.problems] == ["1"]
    assert story.bench.linkhub_fields("1")["1"]["budget"] == "1.00"


def test_what_was_written_but_never_committed_is_taken_back(bench: Bench) -> None:
    """A job that failed between LinkHub and its commit: the journal knows of the records."""
    bench.read_all([deal("1")])
    bench.next_job()
    target = bench.job.id
    bench.sink().write("deals", [deal("1", amount="99"), deal("2")])
    bench.claim()
    for _ in bench.sink(begins=False).take_back(target, note=lambda *_: None):
        pass
    assert bench.linkhub_fields("1", "2") == {
        "1": {"name": "Deal 1", "status": "ON_TIME", "budget": "10.00"}
    }


def test_a_page_that_was_repeated_is_taken_back_once(bench: Bench) -> None:
    """Each record has two entries then; both lead to what was there before the first."""
    bench.read_all([deal("1")])
    bench.next_job()
    target = bench.job.id
    page = [deal("1", amount="99"), deal("2")]
    bench.sink().write("deals", page)
    bench.claim()
    bench.sync(*page)
    bench.next_job()
    for _ in bench.sink(begins=False).take_back(target, note=lambda *_: None):
        pass
    assert list(bench.linkhub_fields("1", "2")) == ["1"]
    assert bench.linkhub_fields("1")["1"]["budget"] == "10.00"


def test_a_first_load_leaves_nothing(bench: Bench) -> None:
    """Records, live links and checkpoint are gone: the scope was never read."""
    bench.read_all(BEFORE)
    story_target = bench.job.id
    bench.next_job()
    for _ in bench.sink(begins=False).take_back(story_target, note=lambda *_: None):
        pass
    assert bench.linkhub_fields(*KEYS) == {}
    assert all(link.deleted_at is not None for link in bench.links(*KEYS).values())
    with bench.open_uow(read_only=True) as uow:
        assert uow.checkpoints.get(bench.instance.id, "deals", "import") is None
        assert not uow.journal.has_standing(story_target)


def test_a_run_that_lost_the_job_takes_nothing_back(story: Story) -> None:
    """LinkHub and the store stay as they are."""
    story.bench.next_job()
    sink = story.bench.sink(begins=False)
    story.bench.claim()
    with pytest.raises(LeaseLostError):
        next(sink.take_back(story.target, note=lambda *_: None))
    assert story.bench.linkhub_fields(*KEYS) == story.after[0]


def test_every_entry_tells_what_became_of_it(story: Story) -> None:
    """Left ones are marked, so that nobody tries them again."""
    story.edit("4", '{"name":"Somebody\'s"}')
    story.undo()
    with story.bench.open_uow(read_only=True) as uow:
        assert uow.journal.list_standing(story.target, limit=99) == []
        assert uow.journal.list_scopes(story.target) == []
        assert uow.journal.find_last_job(story.bench.instance.id) != story.target
