"""The bodies LinkHub's calls take."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field


class Body(BaseModel):
    """A JSON object with exactly these keys, of exactly these types."""

    model_config = ConfigDict(extra="forbid", strict=True)


Source = Annotated[str, Field(min_length=1, max_length=64)]


class Input(Body):
    """One record to write."""

    external_key: str = Field(alias="externalKey")
    fields: dict[str, Any]
    id: str | None = None
    if_version: int | None = Field(alias="ifVersion", default=None)


class Upsert(Body):
    """What an upsert sends."""

    source: Source
    inputs: list[Input]


class Patch(Body):
    """A change a person makes to one record."""

    id: str
    fields: dict[str, Any]


class Edits(Body):
    """What people do in LinkHub itself."""

    profile: str
    entity: str
    create: list[dict[str, Any]] = []
    patch: list[Patch] = []
    delete: list[str] = []


class Keys(Body):
    """Records by external key."""

    source: Source
    external_keys: list[str] = Field(alias="externalKeys")


class VersionedKey(Body):
    """One record to delete."""

    external_key: str = Field(alias="externalKey")
    if_version: int | None = Field(alias="ifVersion", default=None)


class Deletes(Body):
    """Records to delete, each perhaps only while it has a version."""

    source: Source
    inputs: list[VersionedKey]


class Ids(Body):
    """Records by id."""

    ids: list[str]
