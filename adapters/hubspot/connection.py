"""An opened HubSpot account."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from adapters.hubspot import DEALS
from adapters.hubspot.api import HubSpotApi
from adapters.hubspot.failures import classify
from adapters.hubspot.fields import MODIFIED, to_fields, to_record
from adapters.hubspot.reader import DealReader
from shared.domain.changes import Change, Delete, Page, Upsert
from shared.domain.checkpoints import Checkpoint
from shared.domain.fields import Field, FieldType, Option
from shared.domain.providers import Stream
from shared.errors import PermanentError
from shared.http.auth import BearerAuth, token_source
from shared.http.client import HttpClient
from shared.http.rate import HeaderBudget, Pace
from shared.ports.provider import CheckResult, ConnectRequest, PushResult

BASE_URL = "https://api.hubapi.com"
API_VERSION = "2026-03"
OVERLAP_SECONDS = 300

_SEARCHES_PER_SECOND = 5
_LONGEST_OVERLAP = 7 * 24 * 3600


class HubSpotConnection:
    """The deals of one account. Used by one thread at a time."""

    def __init__(self, request: ConnectRequest) -> None:
        options = request.options
        self._selection = request.selection
        self._overlap_ms = _overlap_ms(options)
        self._http = HttpClient(
            name="HubSpot",
            base_url=options.get("base_url") or BASE_URL,
            sleep=request.sleep,
            auth=BearerAuth(token_source(request)),
            interactive=request.interactive,
            allow_private_hosts=request.allow_private_hosts,
            transport=request.transport,
            secrets=tuple(request.credentials.values.values()),
            classify=classify,
            rate=HeaderBudget(
                limit_header="X-HubSpot-RateLimit-Max",
                remaining_header="X-HubSpot-RateLimit-Remaining",
                interval_header="X-HubSpot-RateLimit-Interval-Milliseconds",
                sleep=request.sleep,
                longest=5 if request.interactive else 60,
            ),
        )
        self._api = HubSpotApi(
            self._http,
            version=options.get("api_version") or API_VERSION,
            search_rate=Pace(requests=_SEARCHES_PER_SECOND, seconds=1, sleep=request.sleep),
        )

    def check(self) -> CheckResult:
        """Read one deal, which is what the credentials must allow; name the account if they may."""
        self._api.list_deals([MODIFIED], limit=1)
        account = self._api.account_id()
        label = f"HubSpot account {account}" if account else "HubSpot"
        return CheckResult(account=account, label=label)

    def discover(self) -> Sequence[Stream]:
        """Return the deals with their properties, custom ones included."""
        fields = to_fields(self._api.properties())
        return (Stream(name=DEALS, label="Deals", fields=self._with_options(fields)),)

    def read(self, scope: str, checkpoint: Checkpoint | None) -> Iterator[Page]:
        """Yield the pages after the checkpoint.

        Raise PermanentError where a property that is wanted does not exist any more: HubSpot
        would leave it out without a word, and LinkHub's field would be emptied.
        """
        _require_deals(scope)
        reader = DealReader(
            self._api,
            stream=DEALS,
            properties=self._wanted_properties(),
            overlap_ms=self._overlap_ms,
        )
        yield from reader.read(checkpoint)

    def get(self, stream: str, keys: Sequence[str]) -> Sequence[Change]:
        """Return the deals of these ids as they are now, in that order."""
        _require_deals(stream)
        wanted = (*self._wanted_properties(), MODIFIED)
        ids = [key for key in dict.fromkeys(keys) if key.isascii() and key.isdecimal()]
        found = self._api.read_deals(ids, wanted)
        return [
            Upsert(stream, key, to_record(found[key], wanted))
            if key in found
            else Delete(stream, key)
            for key in keys
        ]

    def push(self, stream: str, changes: Sequence[Change]) -> Iterator[PushResult]:  # noqa: ARG002
        """Raise PermanentError: nothing is ever written to HubSpot."""
        raise PermanentError(
            "HubSpot is import only: deals are read, never written. Choose the direction import."
        )

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def _wanted_properties(self) -> tuple[str, ...]:
        existing = [field.name for field in to_fields(self._api.properties())]
        if DEALS not in self._selection:
            return tuple(existing)
        wanted = tuple(self._selection[DEALS])
        gone = sorted(set(wanted) - set(existing))
        if gone:
            raise PermanentError(
                f"HubSpot has no deal property named {', '.join(gone)} (any more). "
                "Remove it from the mapping, or restore it in HubSpot."
            )
        return wanted

    def _with_options(self, fields: tuple[Field, ...]) -> tuple[Field, ...]:
        """Give `dealstage` and `pipeline` options from the pipelines where they have none."""
        bare = {
            field.name
            for field in fields
            if field.name in {"dealstage", "pipeline"} and not field.options
        }
        if not bare:
            return fields
        options: dict[str, tuple[Option, ...]] = {"dealstage": (), "pipeline": ()}
        for pipeline in self._api.pipelines():
            label = str(pipeline.get("label", ""))
            options["pipeline"] += (Option(value=str(pipeline["id"]), label=label),)
            options["dealstage"] += tuple(
                Option(value=str(stage["id"]), label=f"{stage.get('label', '')} ({label})")
                for stage in pipeline.get("stages") or ()
            )
        return tuple(
            replace(field, type=FieldType.ENUMERATION, options=options[field.name])
            if field.name in bare
            else field
            for field in fields
        )


def _overlap_ms(options: Mapping[str, str]) -> int:
    text = options.get("overlap_seconds") or str(OVERLAP_SECONDS)
    if not (text.isascii() and text.isdecimal() and int(text) <= _LONGEST_OVERLAP):
        raise PermanentError(
            f"The option overlap_seconds must be whole seconds from 0 to {_LONGEST_OVERLAP}."
        )
    return int(text) * 1000


def _require_deals(stream: str) -> None:
    if stream != DEALS:
        raise PermanentError(f"HubSpot has no stream {stream!r}; there is {DEALS!r}.")
