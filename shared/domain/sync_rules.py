"""How an instance's records travel between a provider and LinkHub."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from shared.domain.mapping import RecordMapper
from shared.domain.merge import Side, Terms
from shared.domain.policies import ConflictPolicy
from shared.domain.reverse_mapping import ReverseMapper


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncRules:
    """The mapping both ways, and who wins.

    `imports`: values travel into LinkHub as well; where they do not, LinkHub's always win. By
    stream: `version_fields` tell a record's version, `changed_at` is the field that says when it
    was changed last.
    """

    mapper: RecordMapper
    reverse: ReverseMapper
    policy: ConflictPolicy
    imports: bool
    version_fields: Mapping[str, Sequence[str]] = field(default_factory=dict)
    changed_at: Mapping[str, str] = field(default_factory=dict)

    def terms(self, stream: str, choices: Mapping[str, Side] | None = None) -> Terms:
        """Return the terms a stream's records are merged by."""
        return Terms(
            fields=self.mapper.fields_of(stream),
            exportable=self.reverse.exportable(stream),
            policy=self.policy if self.imports else ConflictPolicy.LINKHUB,
            choices=choices or {},
        )

    @property
    def entities(self) -> Sequence[str]:
        """LinkHub's entities of which anything can travel to the provider."""
        found = {
            entity: None
            for stream, entity in self.mapper.streams.items()
            if self.reverse.exportable(stream)
        }
        return tuple(found)
