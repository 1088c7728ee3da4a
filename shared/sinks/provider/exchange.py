"""One record on its way from LinkHub to the provider: what is to be done and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

from shared.domain.changes import Delete, RecordProblem, Upsert
from shared.domain.choices import Choices, choices_of
from shared.domain.conflicts import Conflict
from shared.domain.conversions import is_empty
from shared.domain.fields import Field
from shared.domain.links import RecordLink
from shared.domain.merge import (
    Fate,
    FieldConflict,
    Merge,
    Sides,
    agreed_after_export,
    differs,
    exported,
    merge,
)
from shared.domain.policies import ConflictPolicy
from shared.domain.sync_rules import SyncRules
from shared.domain.tallies import Tally
from shared.sinks.linkhub.conflicts import read_time, warnings_of
from shared.sinks.provider.books import Sending


@dataclass(slots=True, kw_only=True)
class Exchange:
    """One record. `present` is LinkHub's, as the feed showed it, None where it is deleted there.

    `base` and `external_base` are what the link will hold if all goes well. `reached`: the provider
    has what was pushed; `sent`: something was written on either side.
    """

    linkhub_id: str
    stream: str
    present: Mapping[str, Any] | None
    link: RecordLink | None = None
    settled: Sequence[Conflict] = ()
    open: Sequence[Conflict] = ()
    external_id: str = ""
    fate: Fate = Fate.KEEP
    push: Upsert | Delete | None = None
    sending: Sending | None = None
    to_linkhub: dict[str, Any] = field(default_factory=dict)
    base: Mapping[str, Any] = field(default_factory=dict)
    external_base: Mapping[str, Any] = field(default_factory=dict)
    conflicts: Sequence[FieldConflict] = ()
    choices: Choices = field(default_factory=lambda: Choices({}, [], []))
    etag: str = ""
    problems: list[RecordProblem] = field(default_factory=list)
    failed: bool = False
    sent: bool = False
    reached: bool = False
    _written: Mapping[str, Any] = field(default_factory=dict)
    _seen_as: Mapping[str, Any] = field(default_factory=dict)
    _unwritten: dict[str, tuple[Any, Any]] = field(default_factory=dict)

    @classmethod
    def recovered(cls, sending: Sending) -> Self:
        """Return the exchange of what an earlier run was about to push, to be done again."""
        made = cls(
            linkhub_id=sending.linkhub_id,
            stream=sending.stream,
            present=None,
            sending=sending,
            base=sending.base,
            external_base=sending.external_base,
        )
        if sending.record is None:
            made.fate = Fate.DELETE_EXTERNAL
            return made
        if not sending.external_id:
            made.fate = Fate.CREATE_EXTERNAL
        key = sending.external_id or sending.linkhub_id
        made.push = Upsert(sending.stream, key, sending.record)
        return made

    @property
    def fields(self) -> Mapping[str, Any] | None:
        """LinkHub's fields."""
        return None if self.present is None else self.present["fields"]

    @property
    def creation(self) -> Sending | None:
        """What is to be created at the provider, None where it has the record already."""
        sending = self.sending
        return None if sending is None or sending.external_id else sending

    @property
    def key(self) -> str:
        """What a person knows the record by: the provider's id, or LinkHub's where it has none."""
        return self.external_id or (self.link.external_id if self.link else self.linkhub_id)

    @property
    def is_delete(self) -> bool:
        """Whether the record goes away on one side."""
        return self.fate in {Fate.DELETE_EXTERNAL, Fate.DELETE_LINKHUB}

    def shows_its_base(self, fields: Sequence[Field]) -> bool:
        """Whether LinkHub has what it had when both sides agreed: an echo, nothing to do."""
        link = self.link
        if link is None or link.deleted_at is not None or self.settled or self.open:
            return False
        return self.fields is not None and not differs(fields, self.fields, link.base)

    def compare(self, external: Mapping[str, Any] | None, rules: SyncRules) -> None:
        """Decide what to do, with what the provider has now (None: nothing)."""
        seen: Mapping[str, Any] | None = None
        if external is not None:
            mapped = rules.mapper.map(self.stream, self.key, external)
            if isinstance(mapped, list):
                self.fail(*mapped)
                return
            seen = mapped.fields
        link = self.link
        is_linked = link is not None and link.deleted_at is None
        if seen is None and not is_linked:
            self._create(rules)
            return
        base = dict(link.base) if link and is_linked else {}
        external_base = dict(link.external_base or link.base) if link and is_linked else {}
        terms = rules.terms(self.stream)
        self.choices = choices_of(
            self.settled, fields=terms.fields, external=seen, linkhub=self.fields
        )
        sides = Sides(
            external=seen,
            linkhub=self.fields,
            base=base,
            external_base=external_base,
            external_changed_at=read_time(
                (external or {}).get(rules.changed_at.get(self.stream, ""))
            ),
            linkhub_changed_at=read_time((self.present or {}).get("updatedAt")),
        )
        merged = merge(sides, replace(terms, choices=self.choices.sides))
        if not rules.imports:
            merged = _without_import(merged, sides)
        self._write_to_linkhub(merged.to_linkhub, sides)
        self._take(merged, external, rules)

    def pushed(self, external_id: str, etag: str, *, sent: bool) -> None:
        """Note that the provider has what was pushed; `sent`: that it had something else before."""
        self.external_id, self.etag = external_id, etag
        self.sent, self.reached = sent, True
        if self.creation is not None:
            self.base, self.external_base = self.creation.base, self.creation.external_base
        elif isinstance(self.push, Upsert):
            self.base, self.external_base = agreed_after_export(
                Merge(base=self.base, external_base=self.external_base),
                written=self._written,
                seen_as=self._seen_as,
            )

    def look_again(self, external: Mapping[str, Any], rules: SyncRules) -> None:
        """Take over what the provider made of what was pushed, or set by itself."""
        mapped = rules.mapper.map(self.stream, self.external_id, external)
        if isinstance(mapped, list) or self.fields is None:
            return
        linkhub = {**self.fields, **self.to_linkhub}
        sides = Sides(
            external=mapped.fields,
            linkhub=linkhub,
            base=self.base,
            external_base=self._external_base(mapped.fields),
        )
        terms = replace(rules.terms(self.stream), policy=ConflictPolicy.ASK)
        merged = merge(sides, terms)
        if merged.fate is Fate.KEEP:
            self._write_to_linkhub(merged.to_linkhub, sides)
            self.base, self.external_base = merged.base, merged.external_base
        pushed = () if self.sending is None else self.sending.names
        # LinkHub's was edited after the push: what the provider made of that push is no edit
        made = {each.field: each.external for each in merged.conflicts if each.field in pushed}
        self.external_base = {**self.external_base, **made}

    def _external_base(self, seen: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return what a look at the provider is compared with.

        What a new record has there in place of a value that could not travel is nobody's edit.
        """
        if self.creation is None:
            return self.external_base
        not_sent = {
            name: seen.get(name)
            for name, value in self.base.items()
            if not is_empty(value) and is_empty(self.external_base.get(name))
        }
        return {**self.external_base, **not_sent}

    def keep_linkhub(self) -> None:
        """LinkHub was not written to: what should have travelled there is still to do."""
        self.base = {**self.base, **{name: was[0] for name, was in self._unwritten.items()}}
        self.external_base = {
            **self.external_base,
            **{name: was[1] for name, was in self._unwritten.items()},
        }
        self.to_linkhub = {}

    def fail(self, *problems: RecordProblem) -> None:
        """Note that the record could not be exported: its link stays as it was."""
        self.failed = True
        self.problems += problems

    def problem(self, message: str, *, field: str = "", severity: str = "error") -> RecordProblem:
        """Return a problem of this record."""
        return RecordProblem(
            stream=self.stream, key=self.key, field=field, message=message, severity=severity
        )

    def tally(self) -> Tally:
        """Return the record's count."""
        if self.failed:
            return Tally(error=1)
        if self.problems:
            return Tally(warning=1)
        return Tally(success=1, unchanged=int(not self.sent), deleted=int(self.is_delete))

    def _create(self, rules: SyncRules) -> None:
        """Make it at the provider: LinkHub has it, and the provider never did, or lost it."""
        fields = self.fields or {}
        self._export_all(exported(fields, rules.terms(self.stream)), rules)

    def _write_to_linkhub(self, values: Mapping[str, Any], sides: Sides) -> None:
        for name, value in values.items():
            was = (sides.base.get(name), sides.external_base.get(name))
            self._unwritten.setdefault(name, was)
            self.to_linkhub[name] = value

    def _take(self, merged: Merge, external: Mapping[str, Any] | None, rules: SyncRules) -> None:
        self.fate = merged.fate
        self.base, self.external_base = merged.base, merged.external_base
        self.conflicts = merged.conflicts
        self.problems += warnings_of(self.stream, self.key, merged.conflicts)
        if merged.fate is Fate.CREATE_EXTERNAL:
            self._export_all(merged.to_external, rules)
        elif merged.fate is Fate.DELETE_EXTERNAL:
            self.push = Delete(self.stream, self.key)
            self.sending = self._sending(None, merged)
        elif merged.to_external:
            made = rules.reverse.export(self.stream, merged.to_external)
            self._warn(made.problems)
            self._written, self._seen_as = made.written, made.seen_as
            if made.record:
                versions = {
                    name: (external or {})[name]
                    for name in rules.version_fields.get(self.stream, ())
                    if name in (external or {})
                }
                record = {**versions, **made.record}
                self.push = Upsert(self.stream, self.key, record)
                self.sending = self._sending(record, merged)

    def _export_all(self, values: Mapping[str, Any], rules: SyncRules) -> None:
        made = rules.reverse.export(self.stream, values)
        self._warn(made.problems)
        if not made.record:
            text = "None of its fields can be exported, so it cannot be created there."
            self.fail(self.problem(text))
            return
        terms, fields = rules.terms(self.stream), self.fields or {}
        mapped = rules.mapper.map(self.stream, self.linkhub_id, made.record)
        seen = made.seen_as if isinstance(mapped, list) else mapped.fields
        self.fate = Fate.CREATE_EXTERNAL
        self.sending = Sending(
            linkhub_id=self.linkhub_id,
            stream=self.stream,
            record=made.record,
            base={each.name: fields.get(each.name) for each in terms.fields},
            external_base={each.name: seen.get(each.name) for each in terms.fields},
            replaces=self.link.external_id if self.link else "",
        )
        self.push = Upsert(self.stream, self.linkhub_id, made.record)

    def _sending(self, record: Mapping[str, Any] | None, merged: Merge) -> Sending:
        """Return what is about to be pushed, with the bases it leads to if nothing else is done."""
        base, external_base = agreed_after_export(
            merged, written=self._written, seen_as=self._seen_as
        )
        return Sending(
            linkhub_id=self.linkhub_id,
            stream=self.stream,
            external_id=self.key,
            record=record,
            names=sorted(self._written),
            base=base | {name: was[0] for name, was in self._unwritten.items()},
            external_base=external_base | {name: was[1] for name, was in self._unwritten.items()},
        )

    def _warn(self, problems: Sequence[tuple[str, str]]) -> None:
        self.problems += [
            self.problem(f"It was not exported. {message}", field=name, severity="warning")
            for name, message in problems
        ]


def _without_import(merged: Merge, sides: Sides) -> Merge:
    """Return what is left where nothing may travel into LinkHub."""
    if merged.fate in {Fate.DELETE_LINKHUB, Fate.CREATE_LINKHUB}:
        return Merge(base=sides.base, external_base=sides.external_base)
    return replace(
        merged,
        to_linkhub={},
        base={**merged.base, **{name: sides.base.get(name) for name in merged.to_linkhub}},
        external_base={
            **merged.external_base,
            **{name: sides.external_base.get(name) for name in merged.to_linkhub},
        },
    )
