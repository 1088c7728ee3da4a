"""HubSpot's CRM: deals, companies and contacts, read and written; deals are initiatives.

This module is what the catalogue needs; everything that speaks HTTP is loaded by `connect`.
What the platform (never a customer) decides stands in `PLATFORM`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from shared.domain.field_mappings import FieldMapping
from shared.domain.oauth import OAuthSpec
from shared.domain.platform_options import PlatformOption
from shared.domain.providers import AuthType, Direction, ProviderSpec, SinkKind
from shared.ports.provider import Connection, ConnectRequest, ProviderDefinition

DEALS, COMPANIES, CONTACTS = "deals", "companies", "contacts"
OWNERS, PIPELINES = "owners", "pipelines"
STREAMS = (DEALS, COMPANIES, CONTACTS, OWNERS, PIPELINES)

MODIFIED = {
    DEALS: "hs_lastmodifieddate",
    COMPANIES: "hs_lastmodifieddate",
    CONTACTS: "lastmodifieddate",
}
"""The property that holds a record's time of change; contacts alone have another one
(developers.hubspot.com/docs/guides/api/crm/search: the example of recently changed contacts).
"""

SPEC = ProviderSpec(
    slug="hubspot",
    name="HubSpot",
    description="Deals of HubSpot CRM and initiatives of LinkHub, kept in step both ways.",
    categories=("CRM", "Sales"),
    directions=(Direction.IMPORT, Direction.EXPORT, Direction.BIDIRECTIONAL),
    sink=SinkKind.LINKHUB,
    auth_type=AuthType.OAUTH2,
    docs_url="https://developers.hubspot.com/docs/api-reference/crm-deals-v3/guide",
    api_key_label="Private app access token",
    oauth_url="https://app.hubspot.com/oauth/authorize",
    oauth_scopes=("oauth", "crm.objects.deals.read", "crm.schemas.deals.read"),
)
"""The scopes are those no instance does without; see `OPTIONAL_SCOPES`."""

OPTIONAL_SCOPES = (
    "crm.objects.deals.write",
    "crm.schemas.deals.write",
    "crm.objects.companies.read",
    "crm.objects.companies.write",
    "crm.schemas.companies.read",
    "crm.schemas.companies.write",
    "crm.objects.contacts.read",
    "crm.objects.contacts.write",
    "crm.schemas.contacts.read",
    "crm.schemas.contacts.write",
    "crm.objects.owners.read",
)
"""Asked for as `optional_scope`: an account whose plan has not all of them, or whose administrator
refuses them to the app, connects all the same (developers.hubspot.com/docs/apps/
developer-platform/build-apps/authentication/scopes).
"""

_DAY = {"type": "date", "zone": "UTC"}
_MONEY = {"type": "decimal", "scale": 2}

_DEAL_TRANSFORMS: Mapping[str, Mapping[str, Any]] = {
    "dealstage": {
        "type": "value_map",
        "values": {
            "appointmentscheduled": "ON_TIME",
            "qualifiedtobuy": "ON_TIME",
            "presentationscheduled": "ON_TIME",
            "decisionmakerboughtin": "ON_TIME",
            "contractsent": "ON_TIME",
            "closedwon": "FINISHED",
            "closedlost": "LATE",
        },
        "default": "ON_TIME",
    },
    "createdate": _DAY,
    "closedate": _DAY,
    "amount": _MONEY,
}
"""`dealstage` knows HubSpot's own sales pipeline; the stages of others are numbers the account gave
them, so a mapping with a value map of its own is what such a customer wants.
"""

_TRANSFORMS: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    DEALS: _DEAL_TRANSFORMS,
    COMPANIES: {"createdate": _DAY, "annualrevenue": _MONEY},
    CONTACTS: {"createdate": _DAY},
    OWNERS: {"createdAt": _DAY},
    PIPELINES: {"createdAt": _DAY, "probability": _MONEY},
}

_FIELDS = {
    "dealname": "name",
    "dealstage": "status",
    "createdate": "start_date",
    "closedate": "end_date",
    "amount": "budget",
    "description": "description",
    "hubspot_owner_id": "owner",
}


def account_of(answer: Mapping[str, Any]) -> str:
    """Return the hub id a token answer names, '' where it names none."""
    hub_id = answer.get("hub_id")
    return "" if hub_id is None else str(hub_id)


OAUTH = OAuthSpec(
    client="hubspot",
    authorize_url="{app_url}/oauth/authorize",
    token_url="{base_url}/oauth/{api_version}/token",  # noqa: S106  an address
    revoke_url="{base_url}/oauth/{api_version}/token/revoke",
    account_of=account_of,
    extra={"optional_scope": " ".join(OPTIONAL_SCOPES)},
)
"""The dated endpoints; HubSpot ends those of v1 in February 2027
(developers.hubspot.com/changelog/v1-oauth-api-deprecation).
"""


def connect(request: ConnectRequest) -> Connection:
    """Return an opened connection; nothing is sent yet."""
    from adapters.hubspot.connection import HubSpotConnection

    return HubSpotConnection(request)


def default_transform(stream: str, external_field: str) -> Mapping[str, Any] | None:
    """Return the transform of a field where a mapping has none."""
    return _TRANSFORMS.get(stream, {}).get(external_field)


def validate_mapping(mappings: Sequence[FieldMapping]) -> Sequence[tuple[str, str]]:
    """Return what is wrong with mappings beyond their types: streams HubSpot does not offer."""
    return [
        (mapping.external_field, f"HubSpot offers {', '.join(STREAMS)}, not {mapping.stream!r}.")
        for mapping in mappings
        if mapping.stream not in STREAMS
    ]


PLATFORM = (
    PlatformOption(name="base_url", default="https://api.hubapi.com", is_url=True),
    PlatformOption(name="api_version", default="2026-03"),
    PlatformOption(name="app_url", default="https://app.hubspot.com", is_url=True),
    PlatformOption(name="overlap_seconds", default="300"),
)
"""`api_version`: a date, or v3. `app_url`: where people give consent. `overlap_seconds`: how far
before its watermark an incremental read begins, since search shows changes late.
"""

PROVIDER = ProviderDefinition(
    spec=SPEC,
    oauth=OAUTH,
    platform=PLATFORM,
    connect=connect,
    default_mappings=tuple(
        FieldMapping(stream=DEALS, external_field=external, entity="initiatives", field=field)
        for external, field in _FIELDS.items()
    ),
    version_fields={stream: (name,) for stream, name in MODIFIED.items()},
    changed_at={**MODIFIED, OWNERS: "updatedAt", PIPELINES: "updatedAt"},
    validate_mapping=validate_mapping,
    default_transform=default_transform,
)
