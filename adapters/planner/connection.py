"""An opened Planner: what one signed-in person sees of it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cached_property

from adapters.planner import PLANS, STREAMS
from adapters.planner.api import NAME, GraphApi, Plan
from adapters.planner.failures import classify
from adapters.planner.fields import CATALOGUE, FIELDS
from adapters.planner.reader import PlannerReader
from adapters.planner.records import Records
from adapters.planner.writer import PlannerWriter
from shared.domain.changes import Change, Page
from shared.domain.checkpoints import Checkpoint
from shared.domain.providers import Stream
from shared.errors import PermanentError
from shared.http.auth import BearerAuth, token_source
from shared.http.client import HttpClient
from shared.http.entra import GRAPH
from shared.ports.provider import CheckResult, ConnectRequest, PushResult

_SEPARATORS = re.compile(r"[\s,;]+")


class PlannerConnection:
    """The plans of one person's groups, and those shared with him. Used by one thread at a time."""

    def __init__(self, request: ConnectRequest) -> None:
        options = request.options
        self._selection = request.selection
        self._sleep = request.sleep
        self._groups = [part for part in _SEPARATORS.split(options.get("groups") or "") if part]
        self._plan = (options.get("plan") or "").strip()
        base = (options.get("base_url") or GRAPH).rstrip("/")
        self._http = HttpClient(
            name=NAME,
            base_url=f"{base}/v1.0",
            sleep=request.sleep,
            auth=BearerAuth(token_source(request)),
            interactive=request.interactive,
            allow_private_hosts=request.allow_private_hosts,
            transport=request.transport,
            secrets=tuple(request.credentials.values.values()),
            classify=classify,
        )
        self._api = GraphApi(self._http, sleep=request.sleep, interactive=request.interactive)

    def check(self) -> CheckResult:
        """Find out who is signed in, and that the plans can be listed; return that person's id."""
        me = self._api.me()
        if me is None:
            count = len(self._list_plans())
            return CheckResult(account="", label=f"Microsoft Planner, {count} plans")
        self._api.my_plans()
        name = me.get("userPrincipalName") or me.get("displayName") or me.get("id")
        return CheckResult(account=str(me.get("id") or ""), label=f"Microsoft Planner of {name}")

    def discover(self) -> Sequence[Stream]:
        """Return the streams; their fields are the same for everybody."""
        return CATALOGUE

    def read(self, scope: str, checkpoint: Checkpoint | None) -> Iterator[Page]:
        """Yield the pages after the checkpoint; every read is of everything there is."""
        _require_stream(scope)
        reader = PlannerReader(
            self._api, stream=scope, plans=self._list_plans(), records=self._records(scope)
        )
        yield from reader.read(checkpoint)

    def get(self, stream: str, keys: Sequence[str]) -> Sequence[Change]:
        """Return what there is at these ids now, in that order."""
        _require_stream(stream)
        return self._records(stream).of_keys(keys)

    def push(self, stream: str, changes: Sequence[Change]) -> Iterator[PushResult]:
        """Write tasks or buckets; see `PlannerWriter`."""
        _require_stream(stream)
        if stream == PLANS:
            raise PermanentError("Plans are read, never written: map tasks or buckets instead.")
        writer = PlannerWriter(
            self._api, stream=stream, plan=self._plan, user=self._user, sleep=self._sleep
        )
        return writer.push(changes)

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    @cached_property
    def _user(self) -> str:
        me = self._api.me()
        return "" if me is None else str(me.get("id") or "")

    def _list_plans(self) -> Sequence[Plan]:
        """Return all plans by id: those of the chosen groups, else of the person and his groups."""
        if self._groups:
            return self._api.plans_of(self._groups)
        if not self._user:
            raise PermanentError(
                "Nobody is signed in, so there are no groups to go by: name the ids of the groups "
                "whose plans to read in the connection."
            )
        found = {plan.id: plan for plan in self._api.my_plans()}
        found |= {plan.id: plan for plan in self._api.plans_of(self._api.group_ids())}
        return [found[id_] for id_ in sorted(found)]

    def _records(self, stream: str) -> Records:
        known = FIELDS[stream]
        wanted = tuple(self._selection.get(stream, known))
        strange = sorted(set(wanted) - known.keys())
        if strange:
            raise PermanentError(
                f"Planner's {stream} have no field named {', '.join(strange)}. "
                "Remove it from the mapping."
            )
        return Records(self._api, stream=stream, wanted=wanted)


def _require_stream(stream: str) -> None:
    if stream not in STREAMS:
        raise PermanentError(f"Planner has no stream {stream!r}; it has {', '.join(STREAMS)}.")
