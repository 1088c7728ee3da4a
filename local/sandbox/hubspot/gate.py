"""What every request of the API passes: its token, its scopes, its object type, the limits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from starlette.requests import Request

from local.sandbox.faults import Fault, Faults
from local.sandbox.hubspot.access import Access
from local.sandbox.hubspot.errors import HubSpotError, invalid, rate_limit_body
from local.sandbox.hubspot.kinds import Kind, find_kind
from local.sandbox.oauth.delivery import take
from local.sandbox.web import bearer_token, read_object

PROVIDER = "hubspot"
VERSIONS = ("2026-03", "2026-09", "v3")


class Gate:
    """Lets requests in or raises the answer HubSpot would refuse them with."""

    def __init__(self, *, access: Access, faults: Faults) -> None:
        self.access = access
        self._faults = faults

    def admit(
        self, request: Request, scopes: Iterable[str], *, is_search: bool = False
    ) -> dict[str, str]:
        """Return the rate headers; raise what HubSpot would refuse the request with.

        Any one of `scopes` is enough, () asks for none; `{kind}` in them stands for each type of
        the path. A search has a limit of its own, stands outside the burst limit and carries no
        rate headers.
        """
        token = bearer_token(request)
        self.access.check_token(token)
        params = request.path_params
        kinds = [kind_of(params[name]).name for name in ("kind", "other") if name in params]
        needed = {scope.replace("{kind}", kind) for scope in scopes for kind in kinds or [""]}
        if needed:
            self.access.check_scopes(token, sorted(needed))
        if self.take("daily_limit", request):
            raise HubSpotError(429, rate_limit_body("DAILY"))
        if is_search:
            self.access.check_search()
            return {}
        return self.access.check_burst(token)

    def take(self, kind: str, request: Request) -> Fault | None:
        """Return the fault `kind` that strikes this request, None on a good day."""
        return take(self._faults, PROVIDER, kind, request)


def kind_of(name: str) -> Kind:
    """Return the object type of a path; raise the 400 of one that is not here."""
    kind = find_kind(name)
    if kind is None:
        raise invalid(f"Unable to infer object type from: {name}")
    return kind


def is_true(values: Mapping[str, str], name: str) -> bool:
    """Return whether a query says `name=true`."""
    return values.get(name, "false").lower() == "true"


async def read(request: Request) -> dict[str, Any]:
    """Return the request's JSON object; raise the 400 of anything else."""
    try:
        return await read_object(request)
    except (ValueError, TypeError) as error:
        raise invalid(f"Invalid input JSON: {error}") from None


def inputs_of(body: Mapping[str, Any], most: int) -> list[dict[str, Any]]:
    """Return the inputs of a batch; raise the 400 of another form or of too many."""
    inputs = body.get("inputs")
    if not isinstance(inputs, list) or not all(isinstance(item, dict) for item in inputs):
        raise invalid("Invalid input JSON: inputs must be a list of objects.")
    if len(inputs) > most:
        raise invalid(f"The maximum batch size is {most}: the request has {len(inputs)} inputs.")
    return inputs


def strings(body: Mapping[str, Any], name: str) -> list[str]:
    """Return a list of texts of a body, empty where it has none."""
    values = body.get(name) or []
    if not isinstance(values, list):
        raise invalid(f"{name} must be a list.")
    return [str(value) for value in values]


def whole(
    values: Mapping[str, Any], name: str, default: int, *, low: int, high: int | None = None
) -> int:
    """Return a whole number of a query or body; raise the 400 of one outside [low, high]."""
    text = values.get(name)
    if text is None or text == "":
        return default
    try:
        number = int(str(text))
    except ValueError:
        raise invalid(f"{name} must be a number.") from None
    if number < low or (high is not None and number > high):
        raise invalid(f"{name} must be at least {low}" + (f" and at most {high}." if high else "."))
    return number


def listed(request: Request, name: str) -> list[str]:
    """Return the texts of `name=a,b&name=c`."""
    given = request.query_params.getlist(name)
    return [part.strip() for text in given for part in text.split(",") if part.strip()]


def paths(part: str) -> list[str]:
    """Return the addresses of a part of the CRM API, of every version."""
    return [
        f"/crm/{version}/{part}" if version.startswith("v") else f"/crm/{part}/{version}"
        for version in VERSIONS
    ]
