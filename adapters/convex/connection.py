"""An opened Convex deployment: check it, list its tables, read all of them from one snapshot."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from adapters.convex.deployment import Deployment, read_deployment
from adapters.convex.exports import (
    Export,
    ExportApi,
    GoneError,
    InProgressError,
    RightsError,
    classify,
)
from adapters.convex.pages import Selection, read_pages
from adapters.convex.snapshot import Snapshot
from shared.domain.changes import Change, Page
from shared.domain.checkpoints import Checkpoint
from shared.domain.fields import Field, FieldType
from shared.domain.providers import Stream
from shared.errors import PermanentError, TransientError
from shared.http.auth import BearerAuth, StaticToken
from shared.http.client import HttpClient
from shared.ports.provider import CheckResult, ConnectRequest, PushResult

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 15.0
"""Seconds between two looks at an export that is being made."""
LONGEST_WAIT = 24 * 3600.0
"""Seconds of waiting for one export before it counts as stuck."""
_STALE = 24 * 3600
"""Seconds after which a download nobody came back for is removed."""
_KNOWN_TYPES = {"_id": FieldType.STRING, "_creationTime": FieldType.FLOAT}


def open_connection(request: ConnectRequest) -> ConvexConnection:
    """Return a connection; raise AuthError or PermanentError for what cannot be a deployment."""
    deployment = read_deployment(
        url=request.options.get("deployment_url", ""),
        key=request.credentials.values.get("api_key", ""),
    )
    client = HttpClient(
        name="Convex",
        base_url=deployment.url,
        auth=BearerAuth(StaticToken(deployment.key), scheme="Convex"),
        sleep=request.sleep,
        interactive=request.interactive,
        allow_private_hosts=request.allow_private_hosts,
        transport=request.transport,
        headers={"Convex-Client": "linkhub-integrator-1.0"},
        secrets=(deployment.key, deployment.key.partition("|")[2]),
        classify=classify,
    )
    return ConvexConnection(
        deployment=deployment,
        client=client,
        wanted=request.selection,
        work_dir=request.work_dir,
        sleep=request.sleep,
    )


class ConvexConnection:
    """Reads by snapshot exports only: always everything, always consistent over all tables.

    A page with no changes only notes how far the export or its download is, so that a run may
    stop there and another one go on.
    """

    def __init__(
        self,
        *,
        deployment: Deployment,
        client: HttpClient,
        wanted: Selection,
        work_dir: Path,
        sleep: Callable[[float], None],
    ) -> None:
        self._deployment = deployment
        self._client = client
        self._api = ExportApi(client, sleep=sleep)
        self._wanted = wanted
        self._work_dir = work_dir
        self._sleep = sleep

    def check(self) -> CheckResult:
        """Prove that the key may see the deployment's backups, which every plan has."""
        self._api.latest()
        name = self._deployment.name
        return CheckResult(account=name, label=f"{name} ({self._deployment.host})")

    def discover(self) -> Sequence[Stream]:
        """Return the tables and columns the deployment knows of; none where it does not say.

        Only names are known: any field of any document may hold any type.
        """
        try:
            answer = self._api.column_names()
        except (PermanentError, RightsError):  # an older back end, or a plan without it
            return ()
        components = answer.get("byComponent") if isinstance(answer, dict) else None
        if not isinstance(components, dict):
            return ()
        return tuple(
            _stream(f"{component}/{table['name']}" if component else table["name"], table)
            for component, tables in components.items()
            for table in tables
            if not table["name"].startswith("_")
        )

    def read(self, scope: str, checkpoint: Checkpoint | None) -> Iterator[Page]:
        """Yield a whole snapshot of the wanted tables; `scope` is always `*`.

        An export that expired while its reading was interrupted is replaced by a new one, read
        from the start: its Truncates void what came before.
        """
        if scope != "*":
            raise PermanentError(f"Convex has one scope, '*', not {scope!a}.")
        resume = (checkpoint.resume if checkpoint else None) or {}
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

    def get(self, stream: str, keys: Sequence[str]) -> Sequence[Change]:
        """Refuse: a snapshot export cannot be asked for single documents."""
        raise PermanentError(
            f"{len(keys)} documents of {stream} not read: a Convex export comes whole. Sync the "
            "instance instead."
        )

    def push(self, stream: str, changes: Sequence[Change]) -> Iterator[PushResult]:
        """Refuse: Convex is import only."""
        raise PermanentError(f"{len(changes)} changes of {stream} not sent: Convex is import only.")

    def close(self) -> None:
        """Release sockets. A download stays, for a run that goes on with it."""
        self._client.close()

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
                if export.state == "completed":
                    return export.start_ts
                if is_new:
                    _fail(export)
                after = None  # it ended badly while nobody watched: ask for another one
                continue
            if waited > LONGEST_WAIT:
                raise PermanentError(
                    "Convex has not finished an export within a day: look at the backups of the "
                    "deployment on the Convex dashboard."
                )
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
        front = f"convex-{hashlib.sha256(self._deployment.url.encode()).hexdigest()[:16]}-"
        for other in self._work_dir.glob(f"{front}*"):
            with suppress(FileNotFoundError):  # another run tidies too
                if other.stat().st_mtime < time.time() - _STALE:
                    other.unlink()
        return self._work_dir / f"{front}{start_ts}.zip"


def _fail(export: Export) -> NoReturn:
    if export.state == "failed":
        raise TransientError("Convex could not make the export; it will be asked for again.")
    raise PermanentError(
        f"The Convex export ended in state {export.state[:40]!a}: somebody stopped it. Start the "
        "sync again when exports may run."
    )


def _stream(name: str, table: Mapping[str, Any]) -> Stream:
    return Stream(
        name=name,
        label=name,
        fields=tuple(
            Field(
                name=column,
                label=column,
                type=_KNOWN_TYPES.get(column, FieldType.JSON),
                required=column in _KNOWN_TYPES,
                unique=column == "_id",
            )
            for column in table["columns"]
        ),
    )
