"""An opened HubSpot account."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

from adapters.hubspot import DEALS, OWNERS, PIPELINES, STREAMS
from adapters.hubspot.api import HubSpotApi
from adapters.hubspot.budget import AccountBudget
from adapters.hubspot.failures import MissingScopesError, classifier
from adapters.hubspot.fields import label_fields, link_fields, to_fields, with_options
from adapters.hubspot.lists import FIELDS, ListReader
from adapters.hubspot.objects import OBJECTS, ObjectType
from adapters.hubspot.reader import ObjectReader
from adapters.hubspot.records import Records
from adapters.hubspot.writer import ObjectWriter
from shared.domain.changes import Change, Page
from shared.domain.checkpoints import Checkpoint
from shared.domain.fields import Field
from shared.domain.providers import Stream
from shared.errors import PermanentError, SyncError
from shared.http.auth import BearerAuth, token_source
from shared.http.client import HttpClient
from shared.http.rate import HeaderBudget, paced
from shared.ports.provider import CheckResult, ConnectRequest, PushResult

BASE_URL = "https://api.hubapi.com"
API_VERSION = "2026-03"
OVERLAP_SECONDS = 300

_SEARCHES_PER_SECOND = 5
_LONGEST_OVERLAP = 7 * 24 * 3600


class HubSpotConnection:
    """The CRM of one account. Used by one thread at a time."""

    def __init__(self, request: ConnectRequest) -> None:
        options = request.options
        self._selection = request.selection
        self._overlap_ms = _overlap_ms(options)
        self._zone: str | None = None
        self._budget = AccountBudget(
            HeaderBudget(
                limit_header="X-HubSpot-RateLimit-Max",
                remaining_header="X-HubSpot-RateLimit-Remaining",
                interval_header="X-HubSpot-RateLimit-Interval-Milliseconds",
                sleep=request.sleep,
                longest=5 if request.interactive else 60,
            ),
            zone_of=self._find_zone,
            now=lambda: self._http.server_time or datetime.now(UTC),
        )
        self._http = HttpClient(
            name="HubSpot",
            base_url=options.get("base_url") or BASE_URL,
            sleep=request.sleep,
            auth=BearerAuth(token_source(request)),
            interactive=request.interactive,
            allow_private_hosts=request.allow_private_hosts,
            transport=request.transport,
            secrets=tuple(request.credentials.values.values()),
            classify=classifier(self._budget.until_reset),
            rate=self._budget,
        )
        self._api = HubSpotApi(
            self._http,
            version=options.get("api_version") or API_VERSION,
            search_rate=paced(request, "search", requests=_SEARCHES_PER_SECOND, seconds=1),
        )

    def check(self) -> CheckResult:
        """Read one deal, which is what the credentials must allow; name the account if they may."""
        deals = OBJECTS[DEALS]
        self._api.list_objects(deals, [deals.modified], limit=1)
        account = str(self._api.account().get("portalId") or "")
        label = f"HubSpot account {account}" if account else "HubSpot"
        return CheckResult(account=account, label=label)

    def discover(self) -> Sequence[Stream]:
        """Return the streams the account granted, with their properties, custom ones included."""
        fields: dict[str, tuple[Field, ...]] = {}
        for name in OBJECTS:
            try:
                fields[name] = to_fields(self._api.properties(name))
            except MissingScopesError:
                if name == DEALS:
                    raise
        streams = [
            Stream(name=name, label=kind.label, fields=self._all_fields(kind, fields))
            for name, kind in OBJECTS.items()
            if name in fields
        ]
        try:
            self._api.owners()
        except MissingScopesError:
            pass
        else:
            streams.append(Stream(name=OWNERS, label="Owners", fields=FIELDS[OWNERS]))
        return [*streams, Stream(name=PIPELINES, label="Stages of deals", fields=FIELDS[PIPELINES])]

    def read(self, scope: str, checkpoint: Checkpoint | None) -> Iterator[Page]:
        """Yield the pages after the checkpoint.

        Raise PermanentError where a property that is wanted does not exist any more.
        """
        _require_stream(scope)
        if scope in FIELDS:
            yield from self._list(scope).read(checkpoint)
            return
        reader = ObjectReader(self._api, records=self._records(scope), overlap_ms=self._overlap_ms)
        yield from reader.read(checkpoint)

    def get(self, stream: str, keys: Sequence[str]) -> Sequence[Change]:
        """Return the records under these keys as they are now, in that order."""
        _require_stream(stream)
        source = self._list(stream) if stream in FIELDS else self._records(stream)
        return source.get(keys)

    def push(self, stream: str, changes: Sequence[Change]) -> Iterator[PushResult]:
        """Write deals, companies or contacts; see `ObjectWriter`."""
        _require_stream(stream)
        if stream in FIELDS:
            raise PermanentError(
                f"HubSpot's {stream} are read, never written: map {', '.join(OBJECTS)} instead."
            )
        return ObjectWriter(self._api, OBJECTS[stream]).push(changes)

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def _records(self, stream: str) -> Records:
        return Records(self._api, OBJECTS[stream], self._selection.get(stream))

    def _list(self, stream: str) -> ListReader:
        return ListReader(self._api, stream, self._selection.get(stream))

    def _all_fields(
        self, kind: ObjectType, known: Mapping[str, tuple[Field, ...]]
    ) -> tuple[Field, ...]:
        """Return a kind's properties and what else its records can show."""
        own = known[kind.name]
        links = link_fields(name for name in kind.linked if name in known)
        if not kind.staged:
            return (*own, *links)
        pipelines = self._api.pipelines(kind.name)
        staged = [name for name in kind.staged if name in {field.name for field in own}]
        return (*with_options(own, pipelines), *label_fields(staged, pipelines), *links)

    def _find_zone(self) -> str:
        """Return the account's time zone, '' where HubSpot does not tell (now)."""
        if self._zone is None:
            self._zone = ""  # asking may itself be refused for the day's quota
            try:
                self._zone = str(self._api.account(rate=self._budget.burst).get("timeZone") or "")
            except SyncError:
                return ""
        return self._zone


def _overlap_ms(options: Mapping[str, str]) -> int:
    text = options.get("overlap_seconds") or str(OVERLAP_SECONDS)
    if not (text.isascii() and text.isdecimal() and int(text) <= _LONGEST_OVERLAP):
        raise PermanentError(
            f"The option overlap_seconds must be whole seconds from 0 to {_LONGEST_OVERLAP}."
        )
    return int(text) * 1000


def _require_stream(stream: str) -> None:
    if stream not in STREAMS:
        raise PermanentError(f"HubSpot has no stream {stream!r}; it has {', '.join(STREAMS)}.")
