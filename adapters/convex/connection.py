"""An opened Convex deployment: check it, list its tables, read them by what it offers."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from adapters.convex import data_sync, exports
from adapters.convex.catalogue import CatalogueApi
from adapters.convex.data_sync import DataSyncApi, NotAllowedError, NotOfferedError
from adapters.convex.deployment import Deployment, Source, read_deployment
from adapters.convex.exports import ExportApi
from adapters.convex.pages import Selection
from adapters.convex.snapshot_source import SnapshotSource
from adapters.convex.sync_source import KEY, SyncSource
from shared.domain.changes import Change, Page
from shared.domain.checkpoints import Checkpoint
from shared.domain.providers import Stream
from shared.errors import PermanentError, SyncError
from shared.http.auth import BearerAuth, StaticToken
from shared.http.client import HttpClient
from shared.ports.provider import CheckResult, ConnectRequest, PushResult

if TYPE_CHECKING:
    from shared.http.errors import Failure

_log = logging.getLogger(__name__)

CLIENT = "linkhub-integrator-1.0.0"
"""`<name>-<semantic version>`: a version of two numbers is refused (`crates/common/version.rs`)."""
_NO_SYNC = (NotOfferedError, NotAllowedError)


def open_connection(request: ConnectRequest) -> ConvexConnection:
    """Return a connection; raise AuthError or PermanentError for what cannot be a deployment."""
    deployment = read_deployment(
        url=request.options.get("deployment_url", ""),
        key=request.credentials.values.get("api_key", ""),
        source=request.options.get("source", ""),
    )
    client = HttpClient(
        name="Convex",
        base_url=deployment.url,
        auth=BearerAuth(StaticToken(deployment.key), scheme="Convex"),
        sleep=request.sleep,
        interactive=request.interactive,
        allow_private_hosts=request.allow_private_hosts,
        transport=request.transport,
        headers={"Convex-Client": CLIENT},
        secrets=(deployment.key, deployment.key.partition("|")[2]),
        classify=_classify,
    )
    return ConvexConnection(deployment=deployment, client=client, request=request)


class ConvexConnection:
    """Reads by data syncs or by snapshot exports, as the connection's `source` says; `auto` takes
    data syncs where the deployment offers them to the key, and a checkpoint goes on with what it
    began with.
    """

    def __init__(
        self, *, deployment: Deployment, client: HttpClient, request: ConnectRequest
    ) -> None:
        self._deployment = deployment
        self._is_interactive = request.interactive
        self._client = client
        self._catalogue = CatalogueApi(client)
        self._exports = ExportApi(client, sleep=request.sleep)
        whole = {s: fields for s, fields in request.selection.items() if s in request.whole}
        changing = {s: fields for s, fields in request.selection.items() if s not in whole}
        self._syncs = self._data_syncs(request, changing)
        self._by_sync = SyncSource(
            self._syncs if changing or not whole else None,
            self._data_syncs(request, whole) if whole else None,
        )
        self._by_snapshot = SnapshotSource(
            url=deployment.url,
            api=self._exports,
            wanted=request.selection,
            work_dir=request.work_dir,
            sleep=request.sleep,
        )

    def check(self) -> CheckResult:
        """Prove that the key may do what the source needs: read data, or see backups."""
        source = self._deployment.source
        if source is Source.SYNC:
            self._syncs.test()
        elif source is Source.SNAPSHOT or not self._offers_sync():
            self._exports.latest()
        name = self._deployment.name
        return CheckResult(account=name, label=f"{name} ({self._deployment.host})")

    def discover(self) -> Sequence[Stream]:
        """Return the tables, columns and counts the deployment tells, or else those of an export.

        Only names of columns are known: any field of any document may hold any type. While somebody
        is looking nothing is counted, and no export is made, which takes minutes.
        """
        told = self._catalogue.streams(is_quick=self._is_interactive)
        if told is not None:
            return told
        return () if self._is_interactive else self._by_snapshot.tables()

    def read(self, scope: str, checkpoint: Checkpoint | None) -> Iterator[Page]:
        """Yield the wanted tables whole, or what has changed; `scope` is always `*`.

        Whatever cannot be gone on with begins again, by Truncates: a cursor or an export that
        expired, and, with `auto`, a data sync the deployment offers no longer. A snapshot ends
        without a watermark, so that the next job asks again what is offered.
        """
        if scope != "*":
            raise PermanentError(f"Convex has one scope, '*', not {scope!a}.")
        resume = (checkpoint.resume if checkpoint else None) or {}
        position = resume or (checkpoint.watermark if checkpoint else None) or {}
        source = self._deployment.source
        is_snapshot = bool(position) and KEY not in position
        if source is Source.SNAPSHOT or (source is Source.AUTO and is_snapshot):
            yield from self._by_snapshot.read(position if is_snapshot else {})
            return
        try:
            yield from self._by_sync.read({} if is_snapshot else position)
        except _NO_SYNC as error:
            if source is Source.SYNC:
                raise
            _log.info("%s A snapshot is read instead.", error)
        else:
            return
        yield from self._by_snapshot.read({})

    def get(self, stream: str, keys: Sequence[str]) -> Sequence[Change]:
        """Refuse: neither an export nor a data sync can be asked for single documents."""
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

    def _data_syncs(self, request: ConnectRequest, wanted: Selection) -> DataSyncApi:
        return DataSyncApi(
            self._client, wanted=wanted, work_dir=request.work_dir, sleep=request.sleep
        )

    def _offers_sync(self) -> bool:
        try:
            self._syncs.test()
        except _NO_SYNC:
            return False
        return True


def _classify(failure: Failure, text: str) -> SyncError | None:
    return data_sync.classify(failure, text) or exports.classify(failure, text)
