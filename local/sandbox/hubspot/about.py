"""What the account says of itself."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from local.sandbox.hubspot.access import Access
from local.sandbox.hubspot.account import PORTAL_ID
from local.sandbox.hubspot.gate import VERSIONS, Gate
from local.sandbox.web import bearer_token, json_response


class About:
    """Account information: any valid token may ask."""

    def __init__(self, *, access: Access, gate: Gate) -> None:
        self._access = access
        self._gate = gate

    def routes(self) -> list[Route]:
        """Return the routes of every version."""
        return [
            Route(f"/account-info/{version}/details", self.details, methods=["GET"])
            for version in VERSIONS
        ]

    async def details(self, request: Request) -> Response:
        """GET: the id of the account the token opens, its time zone and currency."""
        headers = self._gate.admit(request, ())
        data: dict[str, Any] = {
            "portalId": self._access.account_of(bearer_token(request)) or PORTAL_ID,
            "accountType": "STANDARD",
            "timeZone": "UTC",
            "utcOffset": "+00:00",
            "utcOffsetMilliseconds": 0,
            "companyCurrency": "EUR",
            "additionalCurrencies": ["USD", "GBP"],
            "uiDomain": "app.hubspot.com",
            "dataHostingLocation": "na1",
        }
        return json_response(data, headers=headers)
