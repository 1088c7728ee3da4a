"""Microsoft Planner: plans, buckets and tasks, read and written; tasks are LinkHub initiatives.

This module is what the catalogue needs; everything that speaks HTTP is loaded by `connect`.
What the platform (never a customer) decides: `base_url`, and the sign-in's options in
`shared/http/entra.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from shared.domain.field_mappings import FieldMapping
from shared.domain.platform_options import PlatformOption
from shared.domain.providers import AuthType, ConnectionOption, Direction, ProviderSpec, SinkKind
from shared.http.entra import AUTHORITY, GRAPH, entra_oauth, entra_scopes, user_of
from shared.ports.provider import Connection, ConnectRequest, ProviderDefinition

PLANS, BUCKETS, TASKS = "plans", "buckets", "tasks"
STREAMS = (PLANS, BUCKETS, TASKS)

_SCOPES = (f"{GRAPH}/Tasks.ReadWrite", f"{GRAPH}/Group.Read.All", f"{GRAPH}/User.Read")

SPEC = ProviderSpec(
    slug="planner",
    name="Microsoft Planner",
    description="Tasks of Microsoft Planner and initiatives of LinkHub, kept in step both ways.",
    categories=("Projects", "Tasks"),
    directions=(Direction.IMPORT, Direction.EXPORT, Direction.BIDIRECTIONAL),
    sink=SinkKind.LINKHUB,
    auth_type=AuthType.OAUTH2,
    docs_url="https://learn.microsoft.com/graph/api/resources/planner-overview",
    oauth_url=f"{AUTHORITY}/organizations/oauth2/v2.0/authorize",
    oauth_scopes=entra_scopes(_SCOPES),
    options=(
        ConnectionOption(name="groups", label="Only the plans of these groups (ids)"),
        ConnectionOption(name="plan", label="The plan that new tasks go into (id)"),
    ),
    incremental=False,
)
"""Planner cannot tell what changed: v1.0 of Graph has no delta query for it, tasks carry no time of
change, and a task's etag says nothing of its details. Every read is a whole one.
"""

OAUTH = replace(entra_oauth({"": _SCOPES}), account_of=user_of)
"""Bound to a person, not to a tenant: which plans there are depends on who is signed in."""

_TRANSFORMS: Mapping[str, Mapping[str, Any]] = {
    "status": {
        "type": "value_map",
        "values": {"notStarted": "ON_TIME", "inProgress": "ON_TIME", "completed": "FINISHED"},
        "default": "ON_TIME",
    },
    "startDateTime": {"type": "date", "zone": "UTC"},
    "dueDateTime": {"type": "date", "zone": "UTC"},
}

_FIELDS = {
    "title": "name",
    "status": "status",
    "percentComplete": "progress",
    "startDateTime": "start_date",
    "dueDateTime": "end_date",
    "description": "description",
}


def connect(request: ConnectRequest) -> Connection:
    """Return an opened connection; nothing is sent yet."""
    from adapters.planner.connection import PlannerConnection

    return PlannerConnection(request)


def default_transform(stream: str, external_field: str) -> Mapping[str, Any] | None:
    """Return the transform of a task's field where a mapping has none."""
    return _TRANSFORMS.get(external_field) if stream == TASKS else None


def validate_mapping(mappings: Sequence[FieldMapping]) -> Sequence[tuple[str, str]]:
    """Return what is wrong with mappings beyond their types: streams Planner does not offer."""
    return [
        (mapping.external_field, f"Planner offers {', '.join(STREAMS)}, not {mapping.stream!r}.")
        for mapping in mappings
        if mapping.stream not in STREAMS
    ]


PROVIDER = ProviderDefinition(
    spec=SPEC,
    oauth=OAUTH,
    platform=(PlatformOption(name="base_url", default=GRAPH, is_url=True),),
    connect=connect,
    default_mappings=tuple(
        FieldMapping(stream=TASKS, external_field=external, entity="initiatives", field=field)
        for external, field in _FIELDS.items()
    ),
    validate_mapping=validate_mapping,
    default_transform=default_transform,
    version_fields={TASKS: ("etag", "detailsEtag"), BUCKETS: ("etag",)},
)
