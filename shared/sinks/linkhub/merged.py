"""What a merge leaves of a batch to be carried out."""

from __future__ import annotations

from dataclasses import dataclass, field

from shared.domain.changes import RecordProblem
from shared.domain.links import RecordLink
from shared.domain.merge import Merge
from shared.domain.tallies import Tally
from shared.engine.batches import ReadyRecord, WritePlan
from shared.sinks.linkhub.journal import EntityKey
from shared.sinks.linkhub.ledger import Links

_BUSY = "It is edited in LinkHub again and again while it is synced; the next sync tries it anew."


@dataclass(slots=True, kw_only=True)
class Merged:
    """A batch after the merge.

    `plan`: what is left to send and delete. `links`: those of its records, new ones included.
    `deletes`: how many of those to be deleted LinkHub still has.
    `versions`: at which version LinkHub had what is to be deleted there. `tally` counts the records
    that are in the plan no more. Into `outdated` and `outdated_gone` goes, while the plan is
    carried out, what somebody has edited in LinkHub since it was merged.
    """

    plan: WritePlan
    links: Links
    deletes: int = 0
    versions: dict[EntityKey, int] = field(default_factory=dict)
    tally: Tally = field(default_factory=Tally)
    problems: list[RecordProblem] = field(default_factory=list)
    outdated: list[ReadyRecord] = field(default_factory=list)
    outdated_gone: list[RecordLink] = field(default_factory=list)

    @property
    def is_outdated(self) -> bool:
        """Whether something of it must be merged anew."""
        return bool(self.outdated or self.outdated_gone)

    def given_up(self) -> Merged:
        """Return what is left to tell where merging anew has no end."""
        records = [
            *(ready.key for ready in self.outdated),
            *((link.stream, link.external_id) for link in self.outdated_gone),
        ]
        problems = [RecordProblem(stream=stream, key=key, message=_BUSY) for stream, key in records]
        empty = WritePlan(new=(), known=(), gone=())
        return Merged(plan=empty, links={}, tally=Tally(error=len(problems)), problems=problems)


@dataclass(slots=True, kw_only=True)
class Spared:
    """The links that are to be deleted, and the versions LinkHub has of them.

    `deletes` are those LinkHub still has. `tally` counts records a person must decide about.
    """

    links: list[RecordLink]
    deletes: int = 0
    versions: dict[EntityKey, int] = field(default_factory=dict)
    tally: Tally = field(default_factory=Tally)
    problems: list[RecordProblem] = field(default_factory=list)


def counted(result: Merge) -> Tally:
    """Return the count of a record of which nothing is sent."""
    return Tally(warning=1) if result.conflicts else Tally(success=1, unchanged=1)
