"""The wizard: what both sides offer, what is mapped or chosen, and when it syncs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

from functions.schemas.base import Wire
from functions.schemas.instances import Instance
from functions.schemas.jobs import Job
from shared.domain.checkpoints import Mode
from shared.domain.selections import DriftPolicy

if TYPE_CHECKING:
    from shared.domain import instances, jobs
    from shared.domain.changes import RecordProblem
    from shared.domain.field_mappings import FieldMapping as DomainFieldMapping
    from shared.domain.fields import Field as DomainField
    from shared.domain.linkhub import Entity as DomainEntity
    from shared.domain.providers import Stream as DomainStream
    from shared.domain.reverse_mapping import ImportOnly
    from shared.domain.suggestions import Suggestion as DomainSuggestion
    from shared.services.previews import Preview as MadePreview
    from shared.services.previews import PreviewRecord as MadeRecord
    from shared.services.streams import StreamChoice
    from shared.services.tables import TableChoice
    from shared.services.tables import Tables as FoundTables


@dataclass(frozen=True, slots=True, kw_only=True)
class Option(Wire):
    """A value an enumeration permits."""

    value: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Field(Wire):
    """A field of either side; `maxLength` 0 is no limit."""

    name: str
    label: str
    type: str
    required: bool
    read_only: bool
    unique: bool
    options: list[Option]
    max_length: int
    scale: int | None
    minimum: int | None
    maximum: int | None
    description: str

    @classmethod
    def of(cls, field: DomainField) -> Self:
        """Return the field as callers see it."""
        return cls.like(field, options=[Option.like(option) for option in field.options])


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream(Wire):
    """A kind of record the provider has now; `rowCount` is null where it does not say."""

    name: str
    label: str
    fields: list[Field]
    row_count: int | None

    @classmethod
    def of(cls, stream: DomainStream) -> Self:
        """Return the stream as callers see it."""
        return cls.like(stream, fields=[Field.of(field) for field in stream.fields])


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity(Wire):
    """A kind of thing LinkHub keeps."""

    name: str
    label: str
    fields: list[Field]

    @classmethod
    def of(cls, entity: DomainEntity) -> Self:
        """Return the entity as callers see it."""
        return cls.like(entity, fields=[Field.of(field) for field in entity.fields])


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion(Wire):
    """A rule that would be valid; `score` from 1 to 100 says how alike both sides are."""

    stream: str
    external_field: str
    entity: str
    field: str
    score: int

    @classmethod
    def of(cls, suggestion: DomainSuggestion) -> Self:
        """Return the suggestion as callers see it."""
        return cls.like(suggestion)


@dataclass(frozen=True, slots=True, kw_only=True)
class Streams(Wire):
    """Both sides of a mapping and what may fit; for a warehouse, its provider's side only."""

    streams: list[Stream]
    entities: list[Entity]
    suggestions: list[Suggestion]

    @classmethod
    def of(cls, choice: StreamChoice) -> Self:
        """Return what can be mapped."""
        return cls(
            streams=[Stream.of(stream) for stream in choice.streams],
            entities=[Entity.of(entity) for entity in choice.entities],
            suggestions=[Suggestion.of(suggestion) for suggestion in choice.suggestions],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldMapping(Wire):
    """One rule: `externalField` of `stream` fills `field` of LinkHub's `entity`."""

    stream: str
    external_field: str
    entity: str
    field: str
    transform: Mapping[str, Any] | None

    @classmethod
    def of(cls, rule: DomainFieldMapping) -> Self:
        """Return the rule as callers see it."""
        return cls.like(rule)


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldMappings(Wire):
    """The rules of an instance, in their order."""

    instance: Instance
    mappings: list[FieldMapping]

    @property
    def etag(self) -> str:
        """The instance's version."""
        return self.instance.etag

    @classmethod
    def of(cls, instance: instances.Instance, rules: Sequence[DomainFieldMapping]) -> Self:
        """Return the rules with the instance they belong to."""
        return cls(
            instance=Instance.of(instance), mappings=[FieldMapping.of(rule) for rule in rules]
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewProblem(Wire):
    """Why a record would be rejected; `field` is LinkHub's, '' for the whole record."""

    field: str
    message: str

    @classmethod
    def of(cls, problem: RecordProblem) -> Self:
        """Return the problem as callers see it."""
        return cls.like(problem)


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewRecord(Wire):
    """A live record and what a sync would make of it: create, update, unchanged or reject.

    `source` holds the external fields that are mapped, `fields` what LinkHub would be sent,
    `present` what LinkHub holds now (null where it does not have the record).
    """

    external_id: str
    outcome: str
    source: Mapping[str, Any]
    fields: Mapping[str, Any]
    present: Mapping[str, Any] | None
    errors: list[PreviewProblem]

    @classmethod
    def of(cls, record: MadeRecord) -> Self:
        """Return the record as callers see it."""
        return cls.like(record, errors=[PreviewProblem.of(found) for found in record.problems])


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOnlyRule(Wire):
    """A rule by which nothing travels to the provider, and why."""

    stream: str
    external_field: str
    field: str
    reason: str

    @classmethod
    def of(cls, rule: ImportOnly) -> Self:
        """Return the rule as callers see it."""
        return cls.like(rule)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview(Wire):
    """The first records of a stream and what would become of them; nothing was written.

    `importOnly`: the rules, of all streams, that an export leaves out; [] for a provider that is
    import only anyway.
    """

    stream: str
    entity: str
    records: list[PreviewRecord]
    import_only: list[ImportOnlyRule]

    @classmethod
    def of(cls, preview: MadePreview) -> Self:
        """Return the preview as callers see it."""
        return cls.like(
            preview,
            records=[PreviewRecord.of(one) for one in preview.records],
            import_only=[ImportOnlyRule.of(rule) for rule in preview.import_only],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Table(Wire):
    """A table of the source. `offered` false: it was chosen, but was not there at the last look.

    `columns` and `rowCount` are what the source told of it, [] and null where nothing.
    """

    component: str
    table: str
    selected: bool
    offered: bool
    mode: Mode
    drift: DriftPolicy
    columns: list[str]
    row_count: int | None

    @classmethod
    def of(cls, choice: TableChoice) -> Self:
        """Return the table as callers see it."""
        offered = choice.offered
        return cls.like(
            choice.selection,
            selected=choice.is_selected,
            offered=offered is not None,
            columns=list(offered.columns) if offered else [],
            row_count=offered.row_count if offered else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables(Wire):
    """An instance's tables; none selected means that all there are will be loaded.

    `discoveredAt` is null before anybody looked, `job` the look that is under way.
    """

    instance: Instance
    tables: list[Table]
    discovered_at: datetime | None
    job: Job | None

    @property
    def etag(self) -> str:
        """The instance's version."""
        return self.instance.etag

    @classmethod
    def of(cls, found: FoundTables) -> Self:
        """Return the tables as callers see them."""
        return cls(
            instance=Instance.of(found.instance),
            tables=[Table.of(choice) for choice in found.choices],
            discovered_at=found.discovered_at,
            job=Job.of(found.job) if found.job else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncConfig(Wire):
    """When and how an instance syncs; `nextRuns` are its next five times, none for a manual one."""

    instance: Instance
    next_runs: list[datetime]

    @property
    def etag(self) -> str:
        """The instance's version."""
        return self.instance.etag

    @classmethod
    def of(cls, instance: instances.Instance, upcoming: Sequence[datetime]) -> Self:
        """Return the set-up with the times that follow from it."""
        return cls(instance=Instance.of(instance), next_runs=list(upcoming))


@dataclass(frozen=True, slots=True, kw_only=True)
class Activation(Wire):
    """An active instance and its first job; of one activated before, the newest job, if any."""

    instance: Instance
    job: Job | None

    @property
    def etag(self) -> str:
        """The instance's version."""
        return self.instance.etag

    @classmethod
    def of(cls, instance: instances.Instance, job: jobs.Job | None) -> Self:
        """Return both as callers see them."""
        return cls(instance=Instance.of(instance), job=Job.of(job) if job else None)
