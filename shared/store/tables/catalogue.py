"""Providers and the profiles that use them."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Boolean, Column, Table, UniqueConstraint

from shared.domain.providers import AuthType, SinkKind
from shared.store.tables.base import filtered_index, id_column, metadata, timestamps
from shared.store.types import EnumText, Json, Key, Label, LongText, Name

SIGNED_IN: Final = "issuer IS NOT NULL AND subject IS NOT NULL"

providers = Table(
    "providers",
    metadata,
    id_column(),
    Column("slug", Key(64), nullable=False),
    Column("name", Label(), nullable=False),
    Column("description", LongText(), nullable=False),
    Column("logo_url", LongText(), nullable=False),
    Column("categories", Json(), nullable=False),
    Column("sync_directions", Json(), nullable=False),
    Column("sink", EnumText(SinkKind), nullable=False),
    Column("auth_type", EnumText(AuthType), nullable=False),
    Column("oauth_url", LongText(), nullable=False),
    Column("oauth_scopes", Json(), nullable=False),
    Column("api_key_label", Label(), nullable=False),
    Column("docs_url", LongText(), nullable=False),
    Column("connection_options", Json(), nullable=False),
    Column("several_instances", Boolean(), nullable=False),
    Column("single_scope", Boolean(), nullable=False),
    Column("incremental", Boolean(), nullable=False),
    Column("is_active", Boolean(), nullable=False),
    Column("is_public", Boolean(), nullable=False),
    *timestamps(),
    UniqueConstraint("slug"),
)

integrator_profiles = Table(
    "integrator_profiles",
    metadata,
    id_column(),
    Column("issuer", Name(400), nullable=True),
    Column("subject", Name(255), nullable=True),
    Column("name", Label(), nullable=False),
    Column("email", Label(320), nullable=False),
    Column("locale", Key(35), nullable=False),
    Column("time_zone", Key(64), nullable=False),
    *timestamps(),
    filtered_index(
        "ux_integrator_profiles_caller", "issuer", "subject", where=SIGNED_IN, unique=True
    ),
)
