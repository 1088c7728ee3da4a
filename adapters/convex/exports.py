"""The snapshot export API: ask for one, see how it comes along, fetch it.

Facts are from the open source back end (`crates/local_backend/src/snapshot_export.rs`) and the
command line tool (`cli/lib/convexExport.ts`), which does the same three steps.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared.errors import AuthError, PermanentError, SyncError, TransientError

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

    from shared.http.client import HttpClient
    from shared.http.errors import Failure

RIGHTS = "deployment:backups:create, deployment:backups:view and deployment:backups:download"
PIECE = 64 * 1024 * 1024
"""Bytes fetched between two notes of how far a download is."""
QUERY_FAILED = 560
"""The status of an answer from a query that failed, as from one there is not."""
FRUITLESS_ATTEMPTS = 5
"""How often in a row a download may be cut without getting any further."""

_LATEST = "_system/cli/exports:getLatest"
_RANGE = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+)")


class InProgressError(PermanentError):
    """The deployment makes an export or a backup already, and does one at a time."""


class GoneError(PermanentError):
    """The deployment has no such export any more."""


class RightsError(AuthError):
    """The key works, but not for this call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """A row of the deployment's exports. `start_ts` (ns) is '' while it is only requested;
    `component` is '' for an export of everything.
    """

    id: str
    state: str
    start_ts: str
    component: str

    @property
    def is_running(self) -> bool:
        """It will be completed, failed or canceled."""
        return self.state in {"requested", "in_progress"}


class ExportApi:
    """Calls one deployment. `sleep` is called for every wait between attempts of a download."""

    def __init__(self, client: HttpClient, *, sleep: Callable[[float], None]) -> None:
        self._client = client
        self._sleep = sleep

    def request(self) -> None:
        """Start an export of all components, files left out; InProgressError while one runs."""
        self._client.request(
            "POST",
            "/api/export/request/zip",
            params={"includeStorage": "false"},
            repeatable=True,  # a second one is refused while the first runs
        )

    def latest(self) -> Export | None:
        """Return the newest export anybody asked for, None where there never was one."""
        query = {"path": _LATEST, "args": {}, "format": "json"}
        answer = self._client.request_json(
            "POST", "/api/query", json=query, repeatable=True, ok={HTTPStatus.OK, QUERY_FAILED}
        )
        if not isinstance(answer, dict) or answer.get("status") != "success":
            said = answer.get("errorMessage") if isinstance(answer, dict) else None
            raise PermanentError(
                f"Convex does not tell about its exports ({str(said)[:200]}): check that the "
                "deployment URL is that of a Convex deployment and its version a current one."
            )
        row = answer.get("value")
        return _read_export(row) if isinstance(row, dict) else None

    def download(self, start_ts: str, target: Path) -> Iterator[None]:
        """Fetch an export into `target`, which is whole once this ends; yield after each PIECE.

        What an earlier attempt left is gone on from. Raises GoneError where the export expired.
        """
        part = target.with_suffix(".part")
        failures = 0
        while not target.exists():
            before = _size(part)
            try:
                yield from self._fetch(start_ts, part)
            except TransientError:
                failures = failures + 1 if _size(part) <= before else 1
                if failures >= FRUITLESS_ATTEMPTS:
                    raise
                self._sleep(2.0 ** (failures - 1))
            else:
                with suppress(FileNotFoundError):  # another run has just done the same
                    part.replace(target)

    def _fetch(self, start_ts: str, part: Path) -> Iterator[None]:
        """Bring `part` to its full length, or raise TransientError with what came kept in it."""
        at = _size(part)
        headers = {"Accept-Encoding": "identity", "Accept": "application/zip"}
        if at:
            headers["Range"] = f"bytes={at}-"
        statuses = {HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT}
        statuses |= {HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE} if at else set()
        path = f"/api/export/zip/{start_ts}"
        with self._client.stream("GET", path, headers=headers, ok=statuses) as response:
            start, total = _extent(response)
            if response.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                start = at if at == total else -1
            elif start in {0, at}:
                _check_space(part.parent, needed=(total or 0) - at)
                if total is None:
                    part.unlink(missing_ok=True)
                yield from _write(response, part, start=start)
        if start not in {0, at} or (total is not None and _size(part) != total):
            part.unlink(missing_ok=True)
            raise TransientError("The download of the Convex export does not fit what came before.")


def classify(failure: Failure, text: str) -> SyncError | None:
    """Return Convex's own errors for an answer, None for the usual ones."""
    if failure.code == "ExportInProgress":
        return InProgressError(text)
    if failure.code == "ExportNotFound":
        return GoneError(text)
    if failure.code == "ExportNotComplete":
        return TransientError(text)
    if failure.status == HTTPStatus.UNAUTHORIZED:
        return AuthError(f"{text} Connect again with a deploy key that is still valid.")
    if failure.status == HTTPStatus.FORBIDDEN:
        return RightsError(f"{text} Connect again with a deploy key that has the rights {RIGHTS}.")
    return None


def _read_export(row: dict[str, Any]) -> Export:
    start_ts = str(row.get("start_ts") or "")
    if start_ts and not start_ts.isdigit():
        raise PermanentError(f"Convex names an export by {start_ts[:40]!a}, which is no time.")
    return Export(
        id=str(row.get("_id") or start_ts),
        state=str(row.get("state") or ""),
        start_ts=start_ts,
        component=str(row.get("component") or ""),
    )


def _extent(response: httpx.Response) -> tuple[int, int | None]:
    """Return where an answer's body starts in the file and how long the whole file is."""
    if response.status_code == HTTPStatus.OK:
        length = response.headers.get("content-length", "")
        return 0, int(length) if length.isdigit() else None
    found = _RANGE.fullmatch(response.headers.get("content-range", ""))
    if not found:
        return -1, None
    return int(found[1] or -1), int(found[2])


def _write(response: httpx.Response, part: Path, *, start: int) -> Iterator[None]:
    """Write the body at `start`.

    Always at its own place, never truncating: two runs that fetch the same export write the same
    bytes to the same places.
    """
    noted = 0
    try:
        part.touch()
        with part.open("r+b") as file:
            file.seek(start)
            for chunk in response.iter_raw():  # sized chunks would hold back what came before a cut
                file.write(chunk)
                noted += len(chunk)
                if noted >= PIECE:
                    noted = 0
                    yield
    except OSError as error:
        raise PermanentError(
            f"The export cannot be kept in the work folder (WORK_DIR): {error.strerror}."
        ) from None


def _check_space(folder: Path, *, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise PermanentError(
            f"The export needs {needed:,} bytes of disk and only {free:,} are free: give the work "
            "folder more room (WORK_DIR), or choose data syncs, which need none."
        )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
