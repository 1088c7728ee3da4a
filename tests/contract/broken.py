"""Adapters that break one promise each: the Toybox's own, wrapped."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from shared.domain.changes import Change, Delete, Page, Upsert
from shared.domain.checkpoints import Checkpoint
from shared.domain.fields import Field
from shared.domain.providers import Stream
from shared.errors import AuthError, PermanentError, SyncError, TransientError
from shared.ports.provider import (
    CheckResult,
    Connection,
    ConnectRequest,
    ProviderDefinition,
    PushResult,
)
from tests.toy.adapter import PROVIDER, ToyConnection

_log = logging.getLogger(__name__)

Rework = Callable[[list[Page]], Sequence[Page]]


@dataclass(kw_only=True)
class Habits:
    """What a broken adapter does otherwise; each of them is right as it stands here."""

    request: Callable[[ConnectRequest], ConnectRequest] = lambda request: request
    label: str | None = None
    accepts_all: bool = False
    streams: Callable[[Sequence[Stream]], Sequence[Stream]] = lambda streams: streams
    pages: Rework = list
    resumed: Rework = list
    incremental: Rework = list
    swaps: dict[type[SyncError], Callable[[SyncError], Exception]] = field(default_factory=dict)
    any_scope: bool = False
    get: Callable[[list[Change]], Sequence[Change]] = list
    get_refuses: bool = False
    push: Callable[[ToyConnection, Change], PushResult] | None = None
    after_push: Callable[[PushResult], PushResult] = lambda result: result
    says: Callable[[ConnectRequest], str] = lambda _request: ""
    shows: Callable[[ConnectRequest], str] = lambda _request: "ToyConnection"


class BrokenConnection:
    """A Toybox with bad habits."""

    def __init__(self, request: ConnectRequest, habits: Habits) -> None:
        self._request = request
        self._habits = habits
        self._toys = ToyConnection(habits.request(request))

    def __repr__(self) -> str:
        return self._habits.shows(self._request)

    def check(self) -> CheckResult:
        try:
            found = self._toys.check()
        except AuthError:
            if not self._habits.accepts_all:
                raise
            found = CheckResult(account="", label="Toybox")
        label = self._habits.label
        return found if label is None else replace(found, label=label)

    def discover(self) -> Sequence[Stream]:
        return self._habits.streams(self._toys.discover())

    def read(self, scope: str, checkpoint: Checkpoint | None) -> Iterator[Page]:
        habits = self._habits
        if said := habits.says(self._request):
            _log.debug(said)
        try:
            if scope != "toys" and habits.any_scope:
                return
            pages = list(self._toys.read(scope, checkpoint))
        except SyncError as error:
            swap = habits.swaps.get(type(error))
            raise (error if swap is None else swap(error)) from None
        if checkpoint is not None and checkpoint.resume is not None:
            pages = list(habits.resumed(pages))
        elif checkpoint is not None:
            pages = list(habits.incremental(pages))
        yield from habits.pages(pages)

    def get(self, stream: str, keys: Sequence[str]) -> Sequence[Change]:
        if self._habits.get_refuses:
            raise PermanentError("Nothing can be asked for.")
        return self._habits.get(list(self._toys.get(stream, keys)))

    def push(self, stream: str, changes: Sequence[Change]) -> Iterator[PushResult]:
        if self._habits.push is None:
            return map(self._habits.after_push, self._toys.push(stream, changes))
        return (self._habits.push(self._toys, change) for change in changes)

    def close(self) -> None:
        self._toys.close()


def broken(definition: ProviderDefinition = PROVIDER, **habits: Any) -> ProviderDefinition:
    """Return the Toybox's provider with these habits."""

    def connect(request: ConnectRequest) -> Connection:
        return BrokenConnection(request, Habits(**habits))

    return replace(definition, connect=connect)


def with_spec(**changes: Any) -> ProviderDefinition:
    """Return the Toybox's provider with another catalogue entry."""
    return replace(PROVIDER, spec=replace(PROVIDER.spec, **changes))


def repeat_a_record(pages: list[Page]) -> list[Page]:
    """Give the first record again at the end of the first page."""
    first, *others = pages
    return [replace(first, changes=[*first.changes, *first.changes[:1]]), *others]


def empty_key(pages: list[Page]) -> list[Page]:
    """Give the first record no key."""
    first, *others = pages
    changes = [
        change._replace(key="") if number == 0 and isinstance(change, Upsert) else change
        for number, change in enumerate(first.changes)
    ]
    return [replace(first, changes=changes), *others]


def no_end(pages: list[Page]) -> list[Page]:
    """Leave the last page's checkpoint open."""
    *others, last = pages
    open_end = replace(last.checkpoint, resume={"next": "99", "end": 14, "mark": None})
    return [*others, replace(last, checkpoint=open_end)]


def no_watermark(pages: list[Page]) -> list[Page]:
    """End without saying until when."""
    *others, last = pages
    return [*others, replace(last, checkpoint=Checkpoint())]


def one_page(pages: list[Page]) -> list[Page]:
    """Give everything at once."""
    changes = [change for page in pages for change in page.changes]
    return [replace(pages[-1], changes=changes)]


def wrong_totals(pages: list[Page]) -> list[Page]:
    """Count one record too many."""
    return [
        replace(page, totals={name: total + 1 for name, total in page.totals.items()})
        for page in pages
    ]


def tuples_to_go_on_with(pages: list[Page]) -> list[Page]:
    """Put into the checkpoint what JSON does not give back."""

    def marked(page: Page) -> Page:
        if page.checkpoint.resume is None:
            return page
        resume = {**page.checkpoint.resume, "seen": (1, 2)}
        return replace(page, checkpoint=replace(page.checkpoint, resume=resume))

    return [marked(page) for page in pages]


def lose_the_first(pages: list[Page]) -> list[Page]:
    """Lose the first page of what is left."""
    return pages[1:] or [replace(pages[0], changes=[])]


def everything_again(pages: list[Page]) -> list[Page]:
    """Give some records as changed that are not."""
    last = pages[-1]
    again: list[Change] = [Upsert("toys", f"t-{n:04}", {"id": str(n)}) for n in range(1, 40)]
    return [*pages[:-1], replace(last, changes=[*last.changes, *again])]


def forget_the_missing(found: list[Change]) -> list[Change]:
    """Say nothing of what is not there."""
    return [change for change in found if not isinstance(change, Delete)]


def doubled_fields(streams: Sequence[Stream]) -> list[Stream]:
    """Name a field twice."""
    return [replace(stream, fields=(*stream.fields, stream.fields[0])) for stream in streams]


def other_fields(streams: Sequence[Stream]) -> list[Stream]:
    """Offer fields the default mapping does not know."""
    return [
        replace(stream, fields=tuple(_renamed(one) for one in stream.fields)) for stream in streams
    ]


def _renamed(one: Field) -> Field:
    return replace(one, name=f"new_{one.name}")


def waiting(seconds: float) -> Callable[[ConnectRequest], ConnectRequest]:
    """Return a habit of waiting so long, whatever was asked for."""

    def habit(request: ConnectRequest) -> ConnectRequest:
        return replace(request, sleep=lambda _wish: request.sleep(seconds))

    return habit


def impatient(request: ConnectRequest) -> ConnectRequest:
    """Give up as if somebody looked."""
    return replace(request, interactive=True)


def patient(request: ConnectRequest) -> ConnectRequest:
    """Wait as if nobody looked."""
    return replace(request, interactive=False)


def open_to_all(request: ConnectRequest) -> ConnectRequest:
    """Reach private hosts whatever was said."""
    return replace(request, allow_private_hosts=True)


def as_permanent(error: SyncError) -> Exception:
    """Give up for good."""
    return PermanentError(str(error))


def as_auth(error: SyncError) -> Exception:
    """Blame the credentials."""
    return AuthError(str(error))


def without_delay(error: SyncError) -> Exception:
    """Forget when to come back."""
    return TransientError(str(error))


def with_a_delay_of_its_own(error: SyncError) -> Exception:
    """Make up a delay where the provider named none."""
    return TransientError(str(error), retry_after=getattr(error, "retry_after", None) or 5.0)


def push_blindly(toys: ToyConnection, change: Change) -> PushResult:
    """Create without looking for what an earlier attempt made."""
    if isinstance(change, Upsert) and not change.key.startswith("t-"):
        made = toys._http.request_json("POST", "/toys", json={"ref": change.key, **change.record})
        return PushResult(key=change.key, external_id=made["id"], outcome="created")
    (result,) = toys.push(change.stream, [change])
    return result


def push_always(toys: ToyConnection, change: Change) -> PushResult:
    """Write what is there already and call it an update."""
    (result,) = toys.push(change.stream, [change])
    is_upsert = isinstance(change, Upsert)
    return replace(result, outcome="updated") if is_upsert and _stayed(result) else result


def push_nothing(toys: ToyConnection, change: Change) -> PushResult:
    """Say that it was updated, and leave it as it is."""
    if isinstance(change, Upsert) and change.key.startswith("t-"):
        found = list(toys.get(change.stream, [change.key]))
        if isinstance(found[0], Upsert):
            is_same = change.record.items() <= found[0].record.items()
            outcome = "unchanged" if is_same else "updated"
            return PushResult(key=change.key, external_id=change.key, outcome=outcome)
    (result,) = toys.push(change.stream, [change])
    return result


def _stayed(result: PushResult) -> bool:
    return result.outcome == "unchanged"


def push_and_stop(toys: ToyConnection, change: Change) -> PushResult:
    """Fail the whole batch over a record that is gone."""
    (result,) = toys.push(change.stream, [change])
    if result.outcome == "rejected":
        raise PermanentError("A toy is gone.")
    return result


class Forgetful:
    """Loses the last record of a read in which it had to wait."""

    def __init__(self) -> None:
        self._has_waited = False

    def request(self, request: ConnectRequest) -> ConnectRequest:
        """Notice every wait."""
        self._has_waited = False

        def sleep(seconds: float) -> None:
            self._has_waited = True
            request.sleep(seconds)

        return replace(request, sleep=sleep)

    def pages(self, pages: list[Page]) -> list[Page]:
        """Return them, one record short after a wait."""
        if not self._has_waited:
            return pages
        *others, last = pages
        return [*others, replace(last, changes=last.changes[:-1])]
