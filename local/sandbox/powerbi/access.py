"""Who may ask what, and how often."""

from __future__ import annotations

import math
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass

from starlette.requests import Request

from local.sandbox.entra import Entra
from local.sandbox.entra.scopes import POWER_BI
from local.sandbox.powerbi.data import AMELIE
from local.sandbox.powerbi.errors import Refused, empty_refusal, error_body, expired
from local.sandbox.web import bearer_token, json_response

_WINDOW = 60.0
_READ_DATASETS = frozenset({"Dataset.Read.All", "Dataset.ReadWrite.All"})
_READ_WORKSPACES = frozenset({"Workspace.Read.All", "Workspace.ReadWrite.All"})


@dataclass(slots=True, kw_only=True)
class Limits:
    """Of one answer: rows, values (rows times columns), bytes. `per_minute`: queries of one
    person over all datasets, 0 for any number.
    """

    rows: int = 100_000
    values: int = 1_000_000
    bytes: int = 15_000_000
    per_minute: int = 120


class Access:
    """Knows the tokens of Entra's emulator, and one for development that stands for Amélie."""

    def __init__(self, *, token: str, entra: Entra | None, clock: Callable[[], float]) -> None:
        self.limits = Limits()
        self._token = token
        self._entra = entra
        self._clock = clock
        self._asked: dict[str, deque[float]] = defaultdict(deque)

    def forget(self) -> None:
        """Forget who asked how often."""
        self._asked.clear()

    def require_workspaces(self, request: Request) -> str:
        """Return the id of the person who may list workspaces; raise Refused for anybody else."""
        return self._person(request, _READ_WORKSPACES)

    def require_datasets(self, request: Request) -> str:
        """Return the id of the person who may read datasets; raise Refused for anybody else."""
        return self._person(request, _READ_DATASETS)

    def count_query(self, person: str) -> None:
        """Note a query; raise Refused, with the seconds until the next, beyond the limit."""
        most = self.limits.per_minute
        if not most:
            return
        now, asked = self._clock(), self._asked[person]
        while asked and now - asked[0] >= _WINDOW:
            asked.popleft()
        if len(asked) >= most:
            wait = max(math.ceil(asked[0] + _WINDOW - now), 1)
            headers = {"Retry-After": str(wait)}
            raise Refused(json_response(error_body(429), 429, headers=headers))
        asked.append(now)

    def _person(self, request: Request, scopes: frozenset[str]) -> str:
        text = bearer_token(request)
        if not text:
            raise empty_refusal(401, "AuthorizationHeaderMissing")
        if text == self._token:
            return AMELIE
        found = self._entra.grants.find_access(text) if self._entra else None
        if found is None or self._entra is None:
            raise empty_refusal(401, "InvalidToken")
        if not self._entra.grants.is_alive(found):
            raise expired()
        if found.resource != POWER_BI:
            raise empty_refusal(401, "InvalidAudience")
        if not scopes & {scope.removeprefix(f"{POWER_BI}/") for scope in found.scopes}:
            raise empty_refusal(403, "InsufficientScopes")
        return found.family.account.id
