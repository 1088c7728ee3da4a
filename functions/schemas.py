"""What goes over the wire: camelCase JSON, made from domain values by `of`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any, Generic, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, SecretStr
from pydantic.alias_generators import to_camel

from shared.domain import jobs as domain_jobs
from shared.domain import profiles as domain_profiles
from shared.domain.checkpoints import Mode
from shared.domain.instances import Instance as DomainInstance
from shared.domain.paging import Slice
from shared.domain.providers import CatalogueEntry
from shared.domain.tallies import Tally

Item = TypeVar("Item")
DomainItem = TypeVar("DomainItem")

Name = Annotated[str, Field(max_length=200)]


class Wire(BaseModel):
    """Base of every answer."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, defer_build=True, from_attributes=True
    )


class Input(Wire):
    """Base of every request body: unknown keys are refused, inputs never echoed."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, str_strip_whitespace=True)


class Page(Wire, Generic[Item]):
    """A page of a list; `nextCursor` is null on the last."""

    items: list[Item]
    next_cursor: str | None

    @classmethod
    def of(cls, part: Slice[DomainItem], convert: Callable[[DomainItem], Item]) -> Self:
        """Return the page with every item converted."""
        return cls(items=[convert(item) for item in part.items], next_cursor=part.next_cursor)


class Health(Wire):
    """The process answers."""

    status: str


class Readiness(Wire):
    """Whether everything the app stands on answers; which part does not is for the log."""

    status: str


class Provider(Wire):
    """An entry of the catalogue."""

    slug: str
    name: str
    description: str
    logo_url: str
    categories: Sequence[str]
    sync_directions: Sequence[str]
    auth_type: str
    api_key_label: str
    docs_url: str

    @classmethod
    def of(cls, entry: CatalogueEntry) -> Self:
        """Return the entry as callers see it."""
        return cls(
            slug=entry.slug,
            name=entry.name,
            description=entry.description,
            logo_url=entry.logo_url,
            categories=entry.categories,
            sync_directions=entry.directions,
            auth_type=entry.auth_type,
            api_key_label=entry.api_key_label,
            docs_url=entry.docs_url,
        )


class Providers(Wire):
    """The catalogue."""

    items: list[Provider]


class ProfileInput(Input):
    """What a person says of themselves."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    email: Annotated[str, Field(max_length=320)] = ""
    locale: Annotated[str, Field(pattern=r"^[a-z]{2}(-[A-Z]{2})?$")] = "en"
    time_zone: Annotated[str, Field(max_length=64)] = "UTC"


class Profile(Wire):
    """The caller's profile."""

    id: str
    name: str
    email: str
    locale: str
    time_zone: str
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, profile: domain_profiles.Profile) -> Self:
        """Return the profile as its owner sees it."""
        return cls.model_validate(profile)


class InstanceInput(Input):
    """A new instance. `connectionKey` tells several of one provider apart, where it allows them."""

    provider: Annotated[str, Field(min_length=1, max_length=64)]
    name: Name = ""
    connection_key: Annotated[str, Field(max_length=64, pattern=r"^[0-9A-Za-z_-]*$")] = ""


class Instance(Wire):
    """An instance, without anything secret."""

    id: str
    provider: str
    connection_key: str
    name: str
    setup_step: str
    status: str
    status_reason: str
    sync_direction: str
    destination: str
    frequency: str
    time_zone: str
    options: dict[str, str]
    config_version: int
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, instance: DomainInstance) -> Self:
        """Return the instance as its owner sees it; option names in camelCase like all names."""
        values = {name: getattr(instance, name) for name in cls.model_fields if name != "options"}
        options = {to_camel(name): value for name, value in instance.options.items()}
        return cls(**values, options=options)


class ConnectionInput(Input):
    """A key and the options the provider asks for, such as `deploymentUrl`."""

    api_key: Annotated[SecretStr, Field(min_length=1, max_length=8000)]
    options: Annotated[dict[str, Annotated[str, Field(max_length=2000)]], Field(max_length=20)] = {}


class Connection(Wire):
    """A connection that was just proven to work."""

    instance: Instance
    account: str
    label: str


class JobInput(Input):
    """How to sync: only what changed, or everything."""

    mode: Mode = Mode.INCREMENTAL


class Counts(Wire):
    """How many records ended how: processed = success + warning + error."""

    processed: int
    success: int
    warning: int
    error: int
    unchanged: int
    deleted: int

    @classmethod
    def of(cls, tally: Tally) -> Self:
        """Return the counts of a tally."""
        return cls.model_validate(tally)


class Job(Wire):
    """A job and, once it has started, what it has done so far."""

    id: str
    instance_id: str
    kind: str
    mode: str
    trigger: str
    status: str
    attempts: int
    not_before: datetime | None
    cancel_requested_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    error_class: str
    error_message: str
    created_at: datetime
    updated_at: datetime
    log_id: str | None = None
    counts: Counts | None = None
    duration_ms: int | None = None

    @classmethod
    def of(cls, job: domain_jobs.Job, log: domain_jobs.SyncLog | None = None) -> Self:
        """Return the job with its log's counts where it has one."""
        answer = cls.model_validate(job)
        if log is not None:
            answer.log_id = log.id
            answer.counts = Counts.of(log.tally)
            answer.duration_ms = log.duration_ms
        return answer


class Log(Wire):
    """What one job did."""

    id: str
    job_id: str
    instance_id: str
    provider: str
    operation: str
    stream: str
    entity: str
    status: str
    mode: str
    success: bool
    counts: Counts
    error_message: str
    duration_ms: int
    logged_at: datetime
    created_at: datetime

    @classmethod
    def of(cls, log: domain_jobs.SyncLog) -> Self:
        """Return the log as its owner sees it."""
        values: dict[str, Any] = {
            name: getattr(log, name) for name in cls.model_fields if name != "counts"
        }
        return cls(**values, counts=Counts.of(log.tally))


class LogRecord(Wire):
    """A record that was not synced as it stands, and why."""

    id: str
    stream: str
    external_id: str
    field: str
    severity: str
    error: str
    resolved_at: datetime | None
    created_at: datetime

    @classmethod
    def of(cls, record: domain_jobs.LogRecord) -> Self:
        """Return the record as its owner sees it."""
        return cls.model_validate(record)


class DeadLetter(Wire):
    """A message whose job could not be run."""

    id: str
    job_id: str
    attempt: int
    queue: str
    error_class: str
    error: str
    state: str
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, letter: domain_jobs.DeadLetter) -> Self:
        """Return the letter as an admin sees it."""
        return cls.model_validate(letter)
