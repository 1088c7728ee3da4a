"""Convex into a warehouse: by data syncs, or by the snapshot exports that every plan offers.

Start reading at `connection.py`. `sync_source.py` reads by data syncs, with the calls of
`data_sync.py`. `snapshot_source.py` reads by exports: `exports.py` gets the ZIP here and
`snapshot.py` reads it. `answers.py` takes large answers in parts, `catalogue.py` lists tables and
`values.py` knows Convex's encodings.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from shared.domain.providers import AuthType, ConnectionOption, Direction, ProviderSpec, SinkKind
from shared.ports.provider import ProviderDefinition

if TYPE_CHECKING:
    from shared.ports.provider import Connection, ConnectRequest

SPEC = ProviderSpec(
    slug="convex",
    name="Convex",
    description="Every table of a Convex deployment, components included, as warehouse tables.",
    categories=("database", "backend"),
    directions=(Direction.IMPORT,),
    sink=SinkKind.WAREHOUSE,
    auth_type=AuthType.API_KEY,
    api_key_label="Deploy key",
    docs_url="https://docs.convex.dev/cli/deploy-key-types",
    options=(
        ConnectionOption(name="deployment_url", label="Deployment URL", required=True, is_url=True),
        ConnectionOption(
            name="source", label="Source", default="auto", choices=("auto", "sync", "snapshot")
        ),
    ),
    several_instances=True,
    single_scope=True,
    incremental=True,
)


def connect(request: ConnectRequest) -> Connection:
    """Return an opened deployment; AuthError or PermanentError say what is wrong with its set-up.

    Nothing is called yet.
    """
    from adapters.convex.connection import open_connection

    return open_connection(request)


PROVIDER = ProviderDefinition(spec=SPEC, connect=connect, keeps_for=timedelta(days=3))
