"""Reads a deployment by a snapshot export: always everything, all tables of one moment."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, NoReturn

from adapters.convex.exports import Export, ExportApi, GoneError, InProgressError
from adapters.convex.listing import tables_of
from adapters.convex.pages import Selection, read_pages
from adapters.convex.snapshot import Snapshot
from shared.domain.changes import Page
from shared.domain.checkpoints import Checkpoint
from shared.domain.providers import Stream
from shared.errors import PermanentError, TransientError

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 15.0
"""Seconds between two looks at an export that is being made."""
LONGEST_WAIT = 24 * 3600.0
"""Seconds of waiting for one export before it counts as stuck."""
LONGEST_LOOK = 300.0
"""Seconds of waiting for an export that is only to tell which tables there are."""
_RECENT = 24 * 3600
"""Seconds for which an export tells well enough which tables there are."""
_STUCK = (
    "Convex has not finished an export within a day: look at the backups of the deployment on the "
    "Convex dashboard."
)
_STALE = 24 * 3600
"""Seconds after which a download nobody came back for is removed."""


class SnapshotSource:
    """A page with no changes only notes how far the export or its download is, so that a run may
    stop there and another one go on.
    """

    def __init__(
        self,
        *,
        url: str,
        api: ExportApi,
        wanted: Selection,
        work_dir: Path,
        sleep: Callable[[float], None],
    ) -> None:
        self._url = url
        self._api = api
        self._wanted = wanted
        self._work_dir = work_dir
        self._sleep = sleep

    def read(self, resume: Mapping[str, Any]) -> Iterator[Page]:
        """Yield a whole snapshot of the wanted tables, or what is left of it.

        An export that expired while its reading was interrupted is replaced by a new one, read
        from the start: its Truncates void what came before.
        """
        try:
            yield from self._read(resume)
        except GoneError:
            pass
        else:
            return
        try:
            yield from self._read({})
        except GoneError as error:
            raise TransientError(f"{error} The export is gone before it was read.") from None

    def tables(self) -> Sequence[Stream]:
        """Return the tables of the newest export, of a new one where that is older than a day.

        Raises TransientError, with a time to wait, where one takes long to make, and PermanentError
        where it takes more than a day.
        """
        newest = self._api.latest()
        if newest is not None and newest.is_running and age_of(newest) > LONGEST_WAIT:
            raise PermanentError(_STUCK)
        if newest is not None and _is_recent(newest):
            with suppress(GoneError):
                return self._tables(newest.start_ts)
        try:
            return self._tables(self._wait_for_one())
        except GoneError as error:
            raise TransientError(f"{error} The export is gone before it was read.") from None

    def _tables(self, start_ts: str) -> Sequence[Stream]:
        path = self._prepare_file(start_ts)
        for _ in self._api.download(start_ts, path):
            pass
        try:
            with closing(Snapshot.open(path)) as snapshot:
                return tables_of(snapshot)
        finally:
            path.unlink(missing_ok=True)

    def _wait_for_one(self) -> str:
        looks = self._obtain({})
        while True:
            try:
                page = next(looks)
            except StopIteration as done:
                return str(done.value)
            if float((page.checkpoint.resume or {})["waited"]) > LONGEST_LOOK:
                raise TransientError(
                    "Convex is still making the export that tells its tables: they are looked at "
                    "once it is there.",
                    retry_after=LONGEST_LOOK,
                    is_outage=False,
                )

    def _read(self, resume: Mapping[str, Any]) -> Iterator[Page]:
        if "export" not in resume:
            start_ts = yield from self._obtain(resume)
            resume = {"export": start_ts}
        path = self._prepare_file(str(resume["export"]))
        for _ in self._api.download(str(resume["export"]), path):
            yield Page(changes=(), checkpoint=Checkpoint(resume=dict(resume)))
        try:
            snapshot = Snapshot.open(path)
            try:
                yield from read_pages(snapshot, resume=resume, wanted=self._wanted)
            finally:
                snapshot.close()
        except PermanentError:
            path.unlink(missing_ok=True)  # should it be the download's fault, the next one differs
            raise
        path.unlink(missing_ok=True)

    def _obtain(self, resume: Mapping[str, Any]) -> Generator[Page, None, str]:
        """Wait for an export; return its start. Each page notes which one is waited for.

        `after` in the checkpoint is the id of the newest export before the one wanted ('' where
        there was none), None while none could be asked for.
        """
        after: str | None = resume.get("after")
        waited = float(resume.get("waited", 0))
        is_new = after is None
        pause = FIRST_PAUSE
        while True:
            if after is None:
                after, is_new = self._request(), True
            export = self._api.latest() if after is not None else None
            if export is not None and export.id != after and not export.is_running:
                if export.state == "completed" and not export.component:
                    return export.start_ts
                if is_new and not export.component:
                    _fail(export)
                # It ended badly while nobody watched, or a person's with less in it: ask anew.
                after = None
                continue
            if waited > LONGEST_WAIT:
                raise PermanentError(_STUCK)
            self._sleep(pause)
            waited += pause
            pause = min(pause * 2, LONGEST_PAUSE)
            yield Page(changes=(), checkpoint=Checkpoint(resume={"after": after, "waited": waited}))

    def _request(self) -> str | None:
        """Ask for an export; return the id of the one before it, None if none can be had now.

        One that is being made already is taken over (most likely an earlier run asked for it),
        unless it leaves components out; backups of the dashboard do not count as exports.
        """
        before = self._api.latest()
        try:
            self._api.request()
        except InProgressError:
            newest = before if before and before.is_running else self._api.latest()
            is_ours = newest is not None and newest.is_running and not newest.component
            return "" if is_ours else None
        return before.id if before else ""

    def _prepare_file(self, start_ts: str) -> Path:
        """Return where this export belongs, with forgotten ones of this deployment removed."""
        self._work_dir.mkdir(parents=True, exist_ok=True)
        front = f"convex-{hashlib.sha256(self._url.encode()).hexdigest()[:16]}-"
        for other in self._work_dir.glob(f"{front}*"):
            with suppress(FileNotFoundError):  # another run tidies too
                if other.stat().st_mtime < time.time() - _STALE:
                    other.unlink()
        return self._work_dir / f"{front}{start_ts}.zip"


def _is_recent(export: Export) -> bool:
    is_whole = export.state == "completed" and not export.component and export.start_ts
    return bool(is_whole) and age_of(export) < _RECENT


def age_of(export: Export) -> float:
    """Return the seconds since an export was begun, 0 for one that is only asked for."""
    return time.time() - int(export.start_ts) / 1e9 if export.start_ts else 0.0


def _fail(export: Export) -> NoReturn:
    if export.state == "failed":
        raise TransientError("Convex could not make the export; it will be asked for again.")
    raise PermanentError(
        f"The Convex export ended in state {export.state[:40]!a}: somebody stopped it. Start the "
        "sync again when exports may run."
    )
