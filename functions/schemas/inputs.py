"""Request bodies. Importing this loads pydantic; `schemas` does so with the first body."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, SecretStr

from functions.schemas.values import (
    TRIMMED,
    WHOLE,
    FilledName,
    Input,
    Key,
    Name,
    Password,
    Username,
)
from shared.domain.checkpoints import Mode
from shared.domain.instances import Frequency
from shared.domain.policies import ConflictPolicy
from shared.domain.providers import Direction
from shared.domain.selections import DriftPolicy
from shared.services.conflicts import Choice

_MOST_RULES = 500

OptionName = Annotated[str, Field(max_length=64)]
OptionValue = Annotated[str, Field(max_length=2000), TRIMMED]


class ProfileInput(Input):
    """What a person says of themselves."""

    name: FilledName
    email: Annotated[str, Field(max_length=320), TRIMMED] = ""
    locale: Annotated[str, Field(pattern=r"^[a-z]{2}(-[A-Z]{2})?$")] = "en"
    time_zone: Annotated[str, Field(max_length=64)] = "UTC"


class InstanceInput(Input):
    """A new instance. `connectionKey` tells several of one provider apart, where it allows them."""

    provider: Annotated[str, Field(min_length=1, max_length=64)]
    name: Name = ""
    connection_key: Annotated[str, Field(max_length=64, pattern=r"^[0-9A-Za-z_-]*$")] = ""


class ConnectionInput(Input):
    """A key, or user name and password, and the options the provider asks for.

    `authType` and `apiKeyLabel` of the provider tell which; `options` are such as `deploymentUrl`.
    `replaceAccount` starts over with another account, before the instance was ever activated.
    """

    api_key: Key | None = None
    username: Username | None = None
    password: Password | None = None
    options: dict[OptionName, OptionValue] = Field(max_length=20, default_factory=dict)
    replace_account: bool = False

    def credentials(self) -> dict[str, str]:
        """Return the secrets that were sent, by the names they have in the vault."""
        sent = {"api_key": self.api_key, "username": self.username, "password": self.password}
        return {name: value.get_secret_value() for name, value in sent.items() if value is not None}


class SignInInput(Input):
    """What the provider sent the person's browser back with.

    `replaceAccount` starts over with another account, before the instance was ever activated.
    """

    state: Annotated[SecretStr, Field(min_length=1, max_length=200)]
    code: Annotated[SecretStr, Field(min_length=1, max_length=4096)]
    replace_account: bool = False


class ConflictInput(Input):
    """Whose value is to stand."""

    choice: Choice


class JobInput(Input):
    """How to sync: only what changed, or everything."""

    mode: Mode = Mode.INCREMENTAL


ShortName = Annotated[str, Field(max_length=128)]


class FieldMappingInput(Input):
    """One rule: `externalField` of `stream` fills `field` of LinkHub's `entity`.

    `transform` null is the provider's default or the plain conversion by type; a constant needs no
    external field.
    """

    stream: Annotated[ShortName, Field(min_length=1)]
    external_field: Annotated[str, Field(max_length=200)] = ""
    entity: Annotated[str, Field(max_length=64)]
    field: ShortName
    transform: dict[str, Any] | None = None


class FieldMappingsInput(Input):
    """All rules of an instance, in their order."""

    mappings: list[FieldMappingInput] = Field(max_length=_MOST_RULES)


class PreviewInput(Input):
    """What to try: rules that need not be saved (null: the saved ones) on one stream's records."""

    mappings: Annotated[list[FieldMappingInput], Field(max_length=_MOST_RULES)] | None = None
    stream: ShortName | None = None
    limit: Annotated[int, Field(ge=1, le=10), WHOLE] = 10


class TableInput(Input):
    """One table to load; `component` '' is the source's root.

    `mode` full: every sync reads the table whole and replaces it; incremental: a sync brings what
    changed; null: incremental where the source can tell what did.
    """

    component: ShortName = ""
    table: Annotated[ShortName, Field(min_length=1)]
    mode: Mode | None = None
    drift: DriftPolicy = DriftPolicy.EVOLVE


class TablesInput(Input):
    """The tables to load; none means all there are."""

    tables: list[TableInput] = Field(max_length=5000)


class PoliciesInput(Input):
    """What to do in the cases that need a decision.

    `deleteApprovalPercent`: a job that would delete more than this share waits for an approval.
    `recordErrorLimit`: a job with more bad records fails; null is the app's own limit.
    """

    on_conflict: ConflictPolicy = ConflictPolicy.EXTERNAL
    delete_approval_percent: Annotated[int, Field(ge=0, le=100), WHOLE] = 10
    record_error_limit: Annotated[int, Field(ge=0, le=1_000_000), WHOLE] | None = None


class SyncConfigInput(Input):
    """When and how to sync. `timeZone` null is the profile's; details depend on the frequency.

    manual {}; hourly {"minute": 5}; daily {"time": "06:30"}; weekly {"weekdays": ["mon"],
    "time": "06:30"}; cron {"expression": "*/15 8-18 * * mon-fri"}. `destination` is the id of a
    warehouse, '' the app's own where it has one, null the one it has; another one is loaded whole.
    """

    direction: Direction = Direction.IMPORT
    frequency: Frequency = Frequency.MANUAL
    frequency_details: dict[Annotated[str, Field(max_length=64)], Any] = Field(
        max_length=20, default_factory=dict
    )
    time_zone: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    policies: PoliciesInput = Field(default_factory=PoliciesInput)
    destination: Annotated[str, Field(max_length=36, pattern=r"^[0-9A-Za-z-]*$")] | None = None
