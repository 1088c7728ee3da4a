"""What a batch of upserts is about: its inputs, the records they meet, and what is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from local.sandbox.linkhub.validation import FieldError, check_fields

MAX_KEY = 255
NATIVE = "linkhub"
"""The source of records that people made in LinkHub itself; their external key is their id."""


class Record(NamedTuple):
    """A record as it stands; `fields` holds what is not empty."""

    sequence: int
    source: str
    external_key: str
    id: str
    fields: Mapping[str, Any]
    version: int
    updated_at: str
    deleted: bool

    def to_json(self) -> dict[str, Any]:
        """Return the wire form."""
        return {
            "id": self.id,
            "externalKey": self.external_key,
            "source": self.source,
            "fields": self.fields,
            "version": self.version,
            "updatedAt": self.updated_at,
        }


class Written(NamedTuple):
    """What became of one input."""

    external_key: str
    id: str | None
    outcome: str
    errors: Sequence[FieldError] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the wire form."""
        return {
            "externalKey": self.external_key,
            "id": self.id,
            "outcome": self.outcome,
            "errors": [error._asdict() for error in self.errors],
        }


class Input(NamedTuple):
    """What is to be written; `id` adopts that record, `if_version` is the one it must have."""

    key: str
    fields: Mapping[str, Any]
    id: str | None = None
    if_version: int | None = None


class Batch:
    """The records a batch is about, as they are after its inputs so far."""

    def __init__(
        self, *, source: str, entity: str, by_key: dict[str, Record], by_id: dict[str, Record]
    ) -> None:
        self._source = source
        self._entity = entity
        self._by_key = by_key
        self._by_id = by_id
        self.changed: dict[str, Record] = {}
        self.renamed: set[str] = set()

    def check(
        self, item: Input, errors: list[FieldError]
    ) -> tuple[Record | None, dict[str, Any], list[FieldError]]:
        """Return the record an input is about, its values, and why it cannot be written."""
        old = self._by_key.get(item.key)
        if item.id is not None:
            adopted, holder = self._by_id.get(item.id), old
            if adopted is None:
                errors.append(FieldError("", "unknown_id", f"There is no record {item.id!r}."))
            elif adopted.source not in {NATIVE, self._source} or (
                holder is not None and holder.id != item.id
            ):
                text = "The record, or the external key, is linked to another one already."
                errors.append(FieldError("", "already_linked", text))
            old = adopted or old
        is_new = old is None or old.deleted
        values, wrong = check_fields(self._entity, item.fields, is_new=is_new)
        errors += wrong + _key_errors(item.key)
        version = 0 if old is None or is_new else old.version
        if item.if_version not in {None, version}:
            errors.append(outdated(version, item.if_version))
        return old, values, errors

    def take(self, record: Record, *, before: Record | None) -> None:
        """Note a record as it is now; `before` is what it was where it has another name now."""
        if before is not None:
            self.renamed.add(record.id)
            if before.source == self._source:
                self._by_key.pop(before.external_key, None)
        self._by_key[record.external_key] = self.changed[record.id] = record
        self._by_id[record.id] = record


def outdated(version: int, named: int | None) -> FieldError:
    """Return why a write to a record of this version is refused that names another one."""
    text = f"The record is at version {version}, not {named}."
    return FieldError("", "version_conflict", text)


def _key_errors(key: str) -> list[FieldError]:
    if not key.strip() or key != key.strip():
        return [FieldError("", "invalid_key", "An external key has no space around it.")]
    if len(key) > MAX_KEY:
        return [FieldError("", "invalid_key", f"An external key has at most {MAX_KEY} characters.")]
    return []
