"""A profile's own databases, and what a look at the way to one found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


@dataclass(frozen=True, slots=True, kw_only=True)
class Warehouse:
    """A SQL Server database a profile's tables are loaded into, reached by SQL authentication.

    `secret_ref` names the vault's secret with the password. `trust_server_certificate` is a
    person's choice for a server whose certificate no authority vouches for: what travels is still
    encrypted, who is at the other end is not proven. `config_version` is the ETag.
    """

    id: str
    profile_id: str
    name: str
    host: str
    port: int
    database_name: str
    schema_name: str
    login: str
    secret_ref: str
    trust_server_certificate: bool = False
    config_version: int = 1
    deleted_at: datetime | None = None
    created_at: datetime
    updated_at: datetime

    def target(self, password: str) -> WarehouseTarget:
        """Return all it takes to reach it."""
        return WarehouseTarget(
            host=self.host,
            port=self.port,
            database=self.database_name,
            schema=self.schema_name,
            login=self.login,
            password=password,
            trust_server_certificate=self.trust_server_certificate,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class WarehouseTarget:
    """Where a warehouse is and how to sign in at it. The password is in no `repr`."""

    host: str
    port: int
    database: str
    schema: str
    login: str
    password: str = field(repr=False)
    trust_server_certificate: bool = False


class Hop(StrEnum):
    """What has to work for a warehouse to be loaded, in the order it is tried."""

    NAME = "name"
    ADDRESS = "address"
    PORT = "port"
    TLS = "tls"
    LOGIN = "login"
    DATABASE = "database"
    PERMISSION = "permission"


class HopState(StrEnum):
    """What became of a hop; behind a failed one, none is tried."""

    OK = "ok"
    FAILED = "failed"
    NOT_TRIED = "not_tried"


@dataclass(frozen=True, slots=True, kw_only=True)
class HopResult:
    """What is true of one hop, and what to do where it failed. Holds no secret."""

    hop: Hop
    state: HopState
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WarehouseCheck:
    """Every hop to a warehouse, in order."""

    hops: Sequence[HopResult]

    @property
    def failed(self) -> HopResult | None:
        """The hop that does not work, None where all do."""
        return next((one for one in self.hops if one.state is HopState.FAILED), None)
