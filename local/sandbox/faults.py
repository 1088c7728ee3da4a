"""Faults anybody can switch on: what a provider does on a bad day, on request.

`POST /_faults {"provider", "fault", "count", …}` adds one, `GET /_faults` lists the active ones
and the kinds there are, `DELETE /_faults` ends all (`?provider=` those of one). The kinds of
`COMMON` work for every provider and are applied in `door.py`; an emulator declares its own with
`Faults.declare` and asks for them with `Faults.take`.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr

COMMON = {
    "rate_limit": "429 in the provider's own form; `retry_after` (seconds) adds the header.",
    "server_error": "An error answer; `status` (default 503), `retry_after` adds the header.",
    "unauthorized": "401 in the provider's own form, as for a revoked credential.",
    "slow": "The body arrives in ten pieces over `seconds` (default 5).",
    "truncated": "The connection is cut inside the body, after `bytes` or half of it; "
    "the request itself was carried out.",
    "malformed": "A complete answer whose body is only half of the JSON it should be.",
    "clock_skew": "The Date header is `seconds` (default 3600) ahead; negative: behind.",
}


class Fault(BaseModel):
    """One fault that is switched on.

    It lets the first `skip` matching requests pass, then strikes `count` times (None: until it is
    cleared). It matches requests of `method` ('' any) whose path contains `path`. What else a kind
    needs stands beside these as extra keys; see `option`.
    """

    model_config = ConfigDict(extra="allow")

    provider: str
    fault: str
    count: int | None = Field(default=None, ge=1)
    skip: int = Field(default=0, ge=0)
    method: str = ""
    path: str = ""
    struck: int = Field(default=0, init=False)
    """How often it struck so far."""
    _passed: int = PrivateAttr(default=0)

    @property
    def is_spent(self) -> bool:
        """It struck as often as it should."""
        return self.count is not None and self.struck >= self.count

    def option(self, name: str, default: Any = None) -> Any:
        """Return the extra key `name` of the request that switched it on."""
        return (self.model_extra or {}).get(name, default)

    def number(self, name: str, default: float) -> float:
        """Return the extra key `name` as a number, `default` where it is not one."""
        value = self.option(name, default)
        return float(value) if isinstance(value, int | float) else default

    def strikes(self, method: str, path: str) -> bool:
        """Tell whether this request is hit, and count it."""
        if self.is_spent or self.path not in path:
            return False
        if self.method and self.method.upper() != method:
            return False
        if self._passed < self.skip:
            self._passed += 1
            return False
        self.struck += 1
        return True


class Faults:
    """The active faults of every provider, in the order they were switched on."""

    def __init__(self) -> None:
        self._active: list[Fault] = []
        self._kinds: dict[str, dict[str, str]] = {}

    def declare(self, provider: str, **kinds: str) -> None:
        """Make `provider` known, with the kinds only it has and a sentence on each."""
        self._kinds.setdefault(provider, {}).update(kinds)

    def kinds(self) -> dict[str, dict[str, str]]:
        """Return what can be switched on: provider -> kind -> what it does."""
        return {provider: COMMON | own for provider, own in self._kinds.items()}

    def active(self) -> list[Fault]:
        """Return the faults that can still strike."""
        return [fault for fault in self._active if not fault.is_spent]

    def add(self, fault: Fault) -> None:
        """Switch `fault` on; raise ValueError naming what exists where it is unknown."""
        known = self.kinds().get(fault.provider)
        if known is None:
            raise ValueError(f"There is no provider {fault.provider!r}: {sorted(self._kinds)}.")
        if fault.fault not in known:
            raise ValueError(f"{fault.provider} has no fault {fault.fault!r}: {sorted(known)}.")
        self._active = [*self.active(), fault]

    def clear(self, provider: str | None = None) -> None:
        """Switch off every fault, or those of `provider`."""
        self._active = [f for f in self._active if provider not in {None, f.provider}]

    def take(
        self, provider: str, kinds: str | Collection[str], *, method: str = "", path: str = ""
    ) -> Fault | None:
        """Return the first fault of `kinds` that strikes this request, None for a good day."""
        if not self._active:
            return None
        wanted = (kinds,) if isinstance(kinds, str) else kinds
        for fault in self._active:
            if fault.provider == provider and fault.fault in wanted and fault.strikes(method, path):
                return fault
        return None
