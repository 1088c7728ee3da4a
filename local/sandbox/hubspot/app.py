"""HubSpot's CRM API, as an ASGI app over records made from a fixed seed."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from local.sandbox.faults import Faults
from local.sandbox.hubspot.about import About
from local.sandbox.hubspot.access import Access, Token
from local.sandbox.hubspot.account import Account
from local.sandbox.hubspot.control import Control
from local.sandbox.hubspot.describe import Describe
from local.sandbox.hubspot.errors import HubSpotError, error_body
from local.sandbox.hubspot.gate import PROVIDER, Gate
from local.sandbox.hubspot.links import Links
from local.sandbox.hubspot.links_api import LinksApi
from local.sandbox.hubspot.oauth import HubSpotOAuth
from local.sandbox.hubspot.reads import Reads
from local.sandbox.hubspot.writes import Writes
from local.sandbox.oauth import delivery
from local.sandbox.oauth.clients import Client
from local.sandbox.oauth.settings import Settings
from local.sandbox.web import json_response

__all__ = ["PROVIDER", "hubspot_app"]


def hubspot_app(
    *, token: str, client: Client, oauth: Settings, faults: Faults, deals: int = 25_000
) -> Starlette:
    """Return the emulator, holding `deals` live deals, and companies and contacts in proportion.

    `token` is a private app's and has every scope; `client` is the registered OAuth app.
    """
    faults.declare(
        PROVIDER,
        search_lag="Search does not see changes of the last `seconds` (default 60).",
        repeated_after="`paging.next.after` is the one the request came with.",
        multi_status="A batch answers 207: its first `records` (default 1) inputs fail, with "
        "`category` (default OBJECT_NOT_FOUND of a read, VALIDATION_ERROR of a write).",
        half_written="A batch write carries out its first `records` (default half) inputs and "
        "answers `status` (default 500).",
        shuffled="A batch write answers its results in another order than the inputs had.",
        daily_limit="429 with the policy DAILY: nothing more is answered today.",
        **delivery.KINDS,
    )
    server = HubSpotOAuth(client=client, faults=faults, settings=oauth)
    access = Access(tokens={token: Token()}, issued=server.find_token)
    account = Account(deals=deals)
    links, gate = Links(account), Gate(access=access, faults=faults)
    return Starlette(
        routes=[
            *Reads(account=account, links=links, gate=gate).routes(),
            *Writes(account=account, links=links, gate=gate).routes(),
            *Describe(account=account, gate=gate).routes(),
            *LinksApi(account=account, links=links, gate=gate).routes(),
            *About(access=access, gate=gate).routes(),
            *server.routes(),
            *Control(account=account, access=access).routes(),
        ],
        exception_handlers={HubSpotError: _refuse, HTTPException: _no_route},
    )


async def _refuse(_: Request, error: Exception) -> Response:
    if not isinstance(error, HubSpotError):
        raise error
    return json_response(error.body, error.status, headers=error.headers)


async def _no_route(_: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    return json_response(error_body(status, "There is nothing at this address."), status)
