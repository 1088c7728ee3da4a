"""Tables of Power BI datasets into LinkHub, by DAX queries over the REST API. Import only.

This module is what the catalogue needs; everything that speaks HTTP is loaded by `connect`.
What the platform (never a customer) decides stands in `PLATFORM`; the sign-in's in
`shared/http/entra.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

from shared.domain.field_mappings import FieldMapping
from shared.domain.platform_options import PlatformOption
from shared.domain.providers import AuthType, ConnectionOption, Direction, ProviderSpec, SinkKind
from shared.http.entra import AUTHORITY, POWER_BI, entra_oauth, entra_scopes
from shared.ports.provider import Connection, ConnectRequest, ProviderDefinition

_SCOPES = (f"{POWER_BI}/Dataset.Read.All", f"{POWER_BI}/Workspace.Read.All")

SPEC = ProviderSpec(
    slug="powerbi",
    name="Power BI",
    description="Tables of Power BI datasets become indicators, values or initiatives of LinkHub.",
    categories=("Analytics", "Business intelligence"),
    directions=(Direction.IMPORT,),
    sink=SinkKind.LINKHUB,
    auth_type=AuthType.OAUTH2,
    docs_url="https://learn.microsoft.com/rest/api/power-bi/datasets/execute-queries",
    oauth_url=f"{AUTHORITY}/organizations/oauth2/v2.0/authorize",
    oauth_scopes=entra_scopes(_SCOPES),
    options=(
        ConnectionOption(
            name="workspaces",
            label="Workspaces to offer, by name or id, separated by semicolons (empty: all)",
        ),
        ConnectionOption(
            name="datasets",
            label="Datasets to offer, by name or id, separated by semicolons (empty: all)",
        ),
        ConnectionOption(
            name="key_columns",
            label="Key columns of tables whose model names none, such as "
            "Sales[Order ID]; Weather[origin][time_hour]",
        ),
    ),
)


def connect(request: ConnectRequest) -> Connection:
    """Return an opened connection; nothing is sent yet.

    Raise PermanentError where an option cannot be read.
    """
    from adapters.powerbi.connection import PowerBIConnection

    return PowerBIConnection(request)


def validate_mapping(mappings: Sequence[FieldMapping]) -> Sequence[tuple[str, str]]:
    """Return what is wrong with mappings beyond their types: streams that cannot be tables."""
    from adapters.powerbi.streams import is_stream

    return [
        (mapping.external_field, f"{mapping.stream!r} is no table of a Power BI dataset.")
        for mapping in mappings
        if not is_stream(mapping.stream)
    ]


PLATFORM = (
    PlatformOption(name="base_url", default="https://api.powerbi.com/v1.0/myorg", is_url=True),
    PlatformOption(name="page_rows", default="20000"),
)
"""`page_rows`: the most rows one query asks for."""

PROVIDER = ProviderDefinition(
    spec=SPEC,
    oauth=entra_oauth({"": _SCOPES}),
    platform=PLATFORM,
    connect=connect,
    validate_mapping=validate_mapping,
)
"""No default mappings: what a dataset's tables hold is the customer's own. The dates of Power BI
have no zone and count as UTC; LinkHub's conversions read them, and its numbers, as they come.
"""
