"""Chains of operations, each of a person of its own who makes, uses and deletes things.

Schemathesis knows by the API document which operation can go on with another one's answer. Whatever
a chain does, the next begins with empty hands, so what is sent follows from the seed. What does
not: jobs run beside their chains, and whether one is done when it is to be cancelled is for the
machine to say. Where a beginning leads elsewhere the second time, chains with the next seed go on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, ClassVar, Final

import httpx
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from hypothesis import seed as seeded
from hypothesis.errors import Flaky
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.core.failures import FailureGroup
from schemathesis.generation.stateful import APIStateMachine

from local.stack.client import ApiClient, ApiError
from local.stack.stack import Stack

STEPS: Final = 12
TAGS: Final = ("instances", "wizard", "oauth", "jobs", "logs")
"""What belongs to an instance; other operations have nothing to go on with."""
PATIENCE: Final = 120.0
"""Seconds for one answer, on the slowest of machines."""
ANSWERS: Final = ("2xx", "3xx", "4xx", 503)
"""503 is no fault of ours: a provider did not answer in time, or has had all it takes for now."""
CONFIG: Final[Mapping[str, Any]] = {
    "checks": {"not_a_server_error": {"expected-statuses": list(ANSWERS)}},
    "generation": {"with-security-parameters": False},
    "request-timeout": PATIENCE,
}


@dataclass(kw_only=True)
class World:
    """Where the chains are played, and what came of them."""

    stack: Stack
    rules: Sequence[Mapping[str, Any]]
    """Mapping rules that fit HubSpot."""
    without_checks: Sequence[str]
    chains: int = 0
    asked: Counter[str] = field(default_factory=Counter)
    """How often each operation answered with each status."""
    failures: list[str] = field(default_factory=list)

    def play(self, chains: int, *, seed: int) -> None:
        """Play so many chains; note what the document does not permit in `failures`."""
        load_all_checks()
        config = schemathesis.Config.from_dict(dict(CONFIG))
        schema = schemathesis.openapi.from_url(f"{self.stack.api}/openapi.json", config=config)
        chosen = schema.include(tag=list(TAGS)).exclude(operation_id="complete_sign_in")
        machine = chosen.as_state_machine()
        while self.chains < chains:
            before = self.chains
            chain: Any = type("Chain", (_Chain, machine), {"world": self})
            try:
                seeded(seed)(chain).run(settings=_settings(chains - self.chains))
            except Flaky:
                seed += 1
            assert self.chains > before, "not one chain began"

    def newcomer(self) -> str:
        """Return the token of somebody who has a profile and nothing else."""
        issuer = self.stack.directory["issuer"]["url"]
        claims = {"sub": f"chain-{self.chains}", "name": "Ada", "email": "", "roles": []}
        answer = httpx.post(f"{issuer}/dev/token", json=claims, timeout=PATIENCE)
        token = str(answer.raise_for_status().json()["access_token"])
        with ApiClient(self.stack.api, token) as api:
            api.call("PUT", "me", {"name": "Ada"})
        return token

    def set_up(self, instance_id: str, *, provider: str, steps: int, token: str) -> None:
        """Walk the first so many steps of the wizard, so that some chains begin behind them."""
        choice = "mappings" if provider == "hubspot" else "tables"
        with ApiClient(self.stack.api, token) as api:
            for name in ("connection", choice, "sync-config")[:steps]:
                given = self.given(f"put_{name.replace('-', '_')}", {}, provider=provider)
                try:
                    api.call("PUT", f"instances/{instance_id}/{name}", dict(given))
                except ApiError as error:
                    if ": 503 " not in str(error):
                        raise

    def given(self, operation: str, body: Mapping[str, Any], *, provider: str) -> Mapping[str, Any]:
        """Return the body with what only somebody who has an account at the provider can know."""
        by_hand = {"direction": "import", "frequency": "manual", "frequencyDetails": {}}
        known: Mapping[str, Mapping[str, Any]] = {
            "create_instance": {"provider": provider, "connectionKey": ""},
            "put_connection": self._credentials(provider),
            "put_mappings": {"mappings": self.rules},
            "preview_mappings": {"mappings": self.rules},
            "put_tables": {"tables": []},
            "put_sync_config": {**by_hand, "timeZone": None, "destination": None},
        }
        return {**body, **known.get(operation, {})}

    def _credentials(self, provider: str) -> Mapping[str, Any]:
        nobody = {"username": None, "password": None}
        if provider == "hubspot":
            return {**nobody, "apiKey": self.stack.directory["hubspot"]["token"], "options": {}}
        convex = self.stack.directory["convex"]
        options = {"deploymentUrl": convex["url"], "source": "snapshot"}
        return {**nobody, "apiKey": convex["deployKey"], "options": options}


class _Chain(APIStateMachine):
    """One chain."""

    world: ClassVar[World]

    def setup(self) -> None:
        self._token = self.world.newcomer()
        self._steps, which = divmod(self.world.chains % 8, 2)
        self._provider = ("hubspot", "convex")[which]
        self.world.chains += 1

    def before_call(self, case: schemathesis.Case[Any]) -> None:
        meta = case.meta
        if meta is not None and meta.generation.mode.is_positive and isinstance(case.body, dict):
            given = self.world.given(_name(case), case.body, provider=self._provider)
            case.body = dict(given)

    def get_call_kwargs(self, case: schemathesis.Case[Any]) -> dict[str, Any]:
        return {"headers": {"Authorization": f"Bearer {self._token}"}, "timeout": PATIENCE}

    def after_call(self, response: Any, case: schemathesis.Case[Any]) -> None:
        super().after_call(response, case)
        if _name(case) == "create_instance" and response.status_code == HTTPStatus.CREATED:
            made = response.json()
            self.world.set_up(
                made["id"], provider=made["provider"], steps=self._steps, token=self._token
            )

    def validate_response(
        self,
        response: Any,
        case: schemathesis.Case[Any],
        additional_checks: Any = None,
        **kwargs: Any,
    ) -> None:
        name = f"{case.method} {case.operation.path}"
        excluded: list[Any] = CHECKS.get_by_names(list(self.world.without_checks))
        self.world.asked[f"{name} {response.status_code}"] += 1
        try:
            case.validate_response(
                response,
                excluded_checks=excluded,
                additional_checks=additional_checks,
                transport_kwargs=kwargs,
                recorder=getattr(self, "recorder", None),
            )
        except FailureGroup as group:
            # Noted, not raised: Hypothesis would play the chain again, in another world.
            wrong = "\n".join(str(failure) for failure in group.exceptions)
            self.world.failures.append(f"{name} {case.body!r}\n{wrong}")


def _name(case: schemathesis.Case[Any]) -> str:
    return str(case.operation.definition.raw["operationId"])


def _settings(chains: int) -> settings:
    return settings(
        max_examples=chains,
        stateful_step_count=STEPS,
        phases=[Phase.generate],
        database=None,
        derandomize=False,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
