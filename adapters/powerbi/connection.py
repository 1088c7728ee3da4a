"""Power BI, opened for one account."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence

from adapters.powerbi.api import Named, PowerBiApi
from adapters.powerbi.failures import (
    QueryError,
    RightsError,
    TokenAuth,
    UnknownDatasetError,
    classify,
)
from adapters.powerbi.keys import chosen_key, parse_key_columns, usable_key
from adapters.powerbi.positions import Position
from adapters.powerbi.reader import TableReader, Target
from adapters.powerbi.schema import DatasetSchema, Table, read_schema, read_unique
from adapters.powerbi.streams import DatasetRef, dataset_of
from shared.domain.changes import Change, Page
from shared.domain.checkpoints import Checkpoint
from shared.domain.providers import Stream
from shared.errors import PermanentError, SyncError
from shared.http.auth import token_source
from shared.http.client import HttpClient
from shared.http.rate import paced
from shared.ports.provider import CheckResult, ConnectRequest, PushResult

BASE_URL = "https://api.powerbi.com/v1.0/myorg"
PAGE_ROWS = 20_000

MOST_WORKSPACES = 50
MOST_DATASETS = 25
"""Discovery asks each dataset two queries, of the 120 a minute that one person has in all."""

_QUERIES, _PER_SECONDS = 116, 60
"""Of the 120 a minute: requests may arrive closer together than they left."""
_PREVIEW_ROWS = 200
_QUERY_SECONDS = 180.0
_PREVIEW_SECONDS = 30.0

_NOT_OURS = (QueryError, RightsError, UnknownDatasetError)
"""What refuses one dataset or workspace, and says nothing about the others."""

_log = logging.getLogger(__name__)


class PowerBIConnection:
    """The datasets one account may query. Used by one thread at a time."""

    def __init__(self, request: ConnectRequest) -> None:
        options = request.options
        self._workspaces = _names(options.get("workspaces", ""))
        self._datasets = _names(options.get("datasets", ""))
        self._key_columns = parse_key_columns(options.get("key_columns", ""))
        self._page_rows = _PREVIEW_ROWS if request.interactive else _page_rows(options)
        self._selection = request.selection
        self._schemas: dict[DatasetRef, DatasetSchema] = {}
        self._http = HttpClient(
            name="Power BI",
            base_url=options.get("base_url") or BASE_URL,
            sleep=request.sleep,
            auth=TokenAuth(token_source(request)),
            interactive=request.interactive,
            allow_private_hosts=request.allow_private_hosts,
            transport=request.transport,
            secrets=tuple(request.credentials.values.values()),
            classify=classify,
        )
        self._api = PowerBiApi(
            self._http,
            query_rate=paced(request, "queries", requests=_QUERIES, seconds=_PER_SECONDS),
            query_seconds=_PREVIEW_SECONDS if request.interactive else _QUERY_SECONDS,
        )

    def check(self) -> CheckResult:
        """List one workspace, which is the least the credentials must allow.

        The account is the tenant's id, which the sign-in tells and this API does not.
        """
        self._api.prove_access()
        return CheckResult(account="", label="Power BI")

    def discover(self) -> Sequence[Stream]:
        """Return the visible tables of the chosen datasets, which must not be too many.

        What the account may list but not open is left out. Raise PermanentError with what to
        do where there are more datasets than discovery asks, and whatever refused the only ones.
        """
        found: list[Stream] = []
        refused: list[SyncError] = []
        for workspace, dataset in self._chosen_datasets(refused):
            ref = DatasetRef(workspace=workspace.id, id=dataset.id)
            try:
                schema = self._schema(ref)
            except _NOT_OURS as error:
                refused.append(error)
                continue
            place = f"{dataset.name}, {workspace.name}"
            found += [
                Stream(name=name, label=f"{table.name} ({place})", fields=table.columns)
                for name, table in schema.tables.items()
            ]
        if refused and not found:
            raise refused[0]
        for reason in refused:
            _log.info("Left out of discovery: %s", reason)
        return found

    def read(self, scope: str, checkpoint: Checkpoint | None) -> Iterator[Page]:
        """Yield the pages after the checkpoint.

        A dataset tells only *that* it changed, by a refresh that ended: without one since the
        watermark nothing is read, else the whole table. Without a refresh history it always is.
        """
        dataset = dataset_of(scope)
        watermark = checkpoint.watermark if checkpoint else None
        resume = checkpoint.resume if checkpoint else None
        if resume is None and _is_current(watermark, self._api.refreshes(dataset).ended):
            yield Page(changes=(), checkpoint=Checkpoint(watermark=watermark))
            return
        target = self._target(scope)
        reader = TableReader(self._api, target, page_rows=self._page_rows)
        if resume is None:
            yield from reader.read(reader.begin())
        else:
            yield from reader.read(reader.resumed(Position.from_json(resume)))

    def get(self, stream: str, keys: Sequence[str]) -> Sequence[Change]:
        """Return the rows of these keys as they are now, in that order."""
        return TableReader(self._api, self._target(stream), page_rows=self._page_rows).get(keys)

    def push(self, stream: str, changes: Sequence[Change]) -> Iterator[PushResult]:  # noqa: ARG002
        """Raise PermanentError: nothing is ever written to Power BI."""
        raise PermanentError(
            "Power BI is import only: tables are read, never written. Choose the direction import."
        )

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def _chosen_datasets(self, refused: list[SyncError]) -> Sequence[tuple[Named, Named]]:
        """Return the datasets to offer with their workspaces; workspaces that refuse add to
        `refused`.
        """
        workspaces = [one for one in self._api.workspaces() if _is_wanted(one, self._workspaces)]
        if len(workspaces) > MOST_WORKSPACES:
            raise _too_many(f"{len(workspaces)} workspaces", MOST_WORKSPACES, "workspaces")
        found: list[tuple[Named, Named]] = []
        for workspace in workspaces:
            try:
                datasets = self._api.datasets(workspace.id)
            except _NOT_OURS as error:
                refused.append(error)
                continue
            found += [(workspace, one) for one in datasets if _is_wanted(one, self._datasets)]
        if len(found) > MOST_DATASETS:
            raise _too_many(f"{len(found)} datasets", MOST_DATASETS, "workspaces or datasets")
        return found

    def _schema(self, dataset: DatasetRef) -> DatasetSchema:
        if dataset not in self._schemas:
            candidates = tuple(self._key_columns)
            self._schemas[dataset] = read_schema(self._api, dataset, candidates=candidates)
        return self._schemas[dataset]

    def _target(self, stream: str) -> Target:
        """Return what to read of a stream; raise PermanentError where a wanted column is gone."""
        dataset = dataset_of(stream)
        table = self._schema(dataset).find(stream)
        wanted = tuple(self._selection.get(stream, table.types))
        gone = sorted(set(wanted) - table.types.keys())
        if gone:
            raise PermanentError(
                f"The Power BI table {table.name!r} has no column named {', '.join(gone)} (any "
                "more). Remove it from the mapping, or restore it in the model."
            )
        key = self._key(dataset, table)
        return Target(stream=stream, dataset=dataset, table=table, key=key, wanted=wanted)

    def _key(self, dataset: DatasetRef, table: Table) -> tuple[str, ...]:
        """Return what a person chose, else what the model marks, else what its relations prove."""
        wanted = self._key_columns.get(table.name)
        if wanted:
            return chosen_key(table, wanted)
        marked = usable_key(table, table.unique)
        return marked or usable_key(table, read_unique(self._api, dataset, table.name))


def _is_current(watermark: object, ended: str | None) -> bool:
    known = watermark.get("refreshed") if isinstance(watermark, Mapping) else None
    return known is not None and known == ended


def _names(text: str) -> frozenset[str]:
    return frozenset(part.strip().casefold() for part in text.split(";") if part.strip())


def _is_wanted(item: Named, names: frozenset[str]) -> bool:
    return not names or item.id.casefold() in names or item.name.casefold() in names


def _too_many(there: str, most: int, options: str) -> PermanentError:
    return PermanentError(
        f"The account sees {there}, and at most {most} can be offered. Name the {options} to offer "
        "in the connection options, separated by semicolons."
    )


def _page_rows(options: Mapping[str, str]) -> int:
    text = options.get("page_rows") or str(PAGE_ROWS)
    if not (text.isascii() and text.isdecimal() and int(text)):
        raise PermanentError("The option page_rows must be a whole number above 0.")
    return int(text)
