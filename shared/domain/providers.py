"""What a provider is and can do, declared by its adapter."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from shared.domain.fields import Field


class AuthType(StrEnum):
    """How an instance signs in at its provider."""

    OAUTH2 = "oauth2"
    API_KEY = "apikey"
    BASIC = "basic"


class Direction(StrEnum):
    """Which way records travel, seen from LinkHub."""

    IMPORT = "import"
    EXPORT = "export"
    BIDIRECTIONAL = "bidirectional"


class SinkKind(StrEnum):
    """Where changes go."""

    LINKHUB = "linkhub"
    WAREHOUSE = "warehouse"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """A kind of record a connection offers. `row_count` is None where the source does not say."""

    name: str
    label: str
    fields: tuple[Field, ...] = ()
    row_count: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionOption:
    """Something beside the credentials a person gives, such as a deployment's URL.

    `is_url`: the value must pass the egress guard. `choices`: the values it can have, () for any.
    """

    name: str
    label: str
    required: bool = False
    is_url: bool = False
    default: str = ""
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderSpec:
    """A provider's entry in the catalogue.

    `auth_type` is the usual way in; `api_key_label` is not '' where a key works too.
    `single_scope`: one cursor covers all streams (scope '*'); else every stream is a scope of its
    own. `incremental`: the source can tell what changed; where it cannot, every job is a full
    one.
    """

    slug: str
    name: str
    description: str
    categories: tuple[str, ...]
    directions: tuple[Direction, ...]
    sink: SinkKind
    auth_type: AuthType
    docs_url: str
    logo_url: str = ""
    api_key_label: str = ""
    oauth_url: str = ""
    oauth_scopes: tuple[str, ...] = ()
    options: tuple[ConnectionOption, ...] = ()
    several_instances: bool = False
    single_scope: bool = False
    incremental: bool = True
    is_public: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueEntry(ProviderSpec):
    """A provider as the catalogue stores it; an admin may have switched it off."""

    is_active: bool
