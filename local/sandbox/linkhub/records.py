"""LinkHub's records in a SQLite file: written in batches, versioned, with a feed of changes."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from local.sandbox.linkhub.batches import NATIVE, Batch, Input, Record, Written, outdated
from local.sandbox.linkhub.validation import FieldError
from shared.domain.ids import new_id
from shared.domain.linkhub import ENTITIES

_TABLES = """
CREATE TABLE IF NOT EXISTS records (
    sequence INTEGER NOT NULL UNIQUE,  -- the place in the feed of changes: of its last one
    profile TEXT NOT NULL,
    entity TEXT NOT NULL,
    source TEXT NOT NULL,
    external_key TEXT NOT NULL,
    id TEXT NOT NULL UNIQUE,
    fields TEXT NOT NULL,
    version INTEGER NOT NULL,
    updated_at TEXT NOT NULL,
    deleted INTEGER NOT NULL,
    PRIMARY KEY (profile, entity, source, external_key)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS records_feed ON records (profile, entity, sequence);
CREATE TABLE IF NOT EXISTS answers (
    profile TEXT NOT NULL,
    entity TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    body_hash BLOB NOT NULL,
    answer BLOB NOT NULL,
    given_at REAL NOT NULL,
    PRIMARY KEY (profile, entity, idempotency_key)
);
"""
_COLUMNS = "sequence, source, external_key, id, fields, version, updated_at, deleted"
_UPSERT = """
INSERT INTO records (sequence, profile, entity, source, external_key, id, fields, version,
                     updated_at, deleted)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (profile, entity, source, external_key) DO UPDATE SET
    sequence = excluded.sequence, fields = excluded.fields, version = excluded.version,
    updated_at = excluded.updated_at, deleted = excluded.deleted
"""


def _views() -> str:
    """Return a view per entity, so that a person who opens the file sees columns."""
    statements = []
    for name, entity in ENTITIES.items():
        columns = ", ".join(
            f"json_extract(fields, '$.{field.name}') AS \"{field.name}\"" for field in entity.fields
        )
        view = (
            f"SELECT external_key, {columns}, id, version, updated_at, source, profile "  # noqa: S608 - our own names
            f"FROM records WHERE entity = '{name}' AND NOT deleted"
        )
        statements.append(f'DROP VIEW IF EXISTS "{name}"; CREATE VIEW "{name}" AS {view};')
    return "\n".join(statements)


def _record(row: tuple[Any, ...]) -> Record:
    sequence, source, key, record_id, fields, version, updated_at, deleted = row
    return Record(
        sequence=sequence,
        source=source,
        external_key=key,
        id=record_id,
        fields=orjson.loads(fields),
        version=version,
        updated_at=updated_at,
        deleted=bool(deleted),
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Records:
    """The records of every profile. One thread at a time; a batch is one transaction."""

    def __init__(self, path: Path) -> None:
        # autocommit: transactions are begun and ended by name below
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.executescript(_TABLES + _views())
        (last,) = self._db.execute("SELECT coalesce(max(sequence), 0) FROM records").fetchone()
        self._sequence: int = last

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def counts(self) -> dict[str, int]:
        """Return how many records of each entity there are, over all profiles."""
        rows = self._db.execute(
            "SELECT entity, count(*) FROM records WHERE NOT deleted GROUP BY entity"
        )
        return dict.fromkeys(ENTITIES, 0) | dict(rows.fetchall())

    def clear(self) -> None:
        """Forget every record and answer."""
        self._db.executescript("DELETE FROM records; DELETE FROM answers;")

    def find_by_keys(
        self, profile: str, entity: str, source: str, keys: Sequence[str]
    ) -> dict[str, Record]:
        """Return the records of these external keys, deleted ones too."""
        rows = self._db.execute(
            f"SELECT {_COLUMNS} FROM records WHERE profile = ? AND entity = ? AND source = ?"  # noqa: S608 - our own column names
            " AND external_key IN (SELECT value FROM json_each(?))",
            (profile, entity, source, orjson.dumps(list(keys)).decode()),
        )
        return {record.external_key: record for record in map(_record, rows)}

    def find_by_ids(self, profile: str, entity: str, ids: Sequence[str]) -> dict[str, Record]:
        """Return the records of these ids, deleted ones too."""
        rows = self._db.execute(
            f"SELECT {_COLUMNS} FROM records WHERE profile = ? AND entity = ?"  # noqa: S608 - our own column names
            " AND id IN (SELECT value FROM json_each(?))",
            (profile, entity, orjson.dumps(list(ids)).decode()),
        )
        return {record.id: record for record in map(_record, rows)}

    def changes(self, profile: str, entity: str, *, since: int, limit: int) -> list[Record]:
        """Return up to `limit` records changed after `since`, each once, oldest change first."""
        rows = self._db.execute(
            f"SELECT {_COLUMNS} FROM records WHERE profile = ? AND entity = ? AND sequence > ?"  # noqa: S608 - our own column names
            " ORDER BY sequence LIMIT ?",
            (profile, entity, since, limit),
        )
        return [_record(row) for row in rows]

    def upsert(
        self,
        profile: str,
        entity: str,
        source: str,
        inputs: Sequence[Input],
        *,
        refused: Mapping[int, FieldError] | None = None,
    ) -> list[Written]:
        """Write the inputs; return what became of each, in order.

        Fields that are not named keep their values. `refused`: positions to reject whatever they
        hold.
        """
        batch = Batch(
            source=source,
            entity=entity,
            by_key=self.find_by_keys(profile, entity, source, [item.key for item in inputs]),
            by_id=self.find_by_ids(profile, entity, [item.id for item in inputs if item.id]),
        )
        results = []
        now = _now()
        for position, item in enumerate(inputs):
            reason = refused.get(position) if refused else None
            old, values, errors = batch.check(item, [reason] if reason else [])
            if errors:
                results.append(Written(item.key, old.id if old else None, "rejected", errors))
                continue
            is_new = old is None or old.deleted
            before = {} if old is None or is_new else old.fields
            after = {k: v for k, v in {**before, **values}.items() if v is not None}
            is_same_name = old is not None and (old.source, old.external_key) == (source, item.key)
            if old is not None and not is_new and is_same_name and after == before:
                results.append(Written(item.key, old.id, "unchanged"))
                continue
            self._sequence += 1
            record = Record(
                sequence=self._sequence,
                source=source,
                external_key=item.key,
                id=old.id if old else item.key if source == NATIVE else new_id(),
                fields=after,
                version=old.version + 1 if old else 1,
                updated_at=now,
                deleted=False,
            )
            batch.take(record, before=None if is_same_name else old)
            results.append(Written(item.key, record.id, "created" if is_new else "updated"))
        self._write(profile, entity, batch.changed.values(), renamed=batch.renamed)
        return results

    def delete(
        self, profile: str, entity: str, source: str, wanted: Sequence[tuple[str, int | None]]
    ) -> list[Written]:
        """Delete the records of these keys, each only while it has the version named with it.

        Return what became of each: "deleted", "missing" or "rejected".
        """
        known = self.find_by_keys(profile, entity, source, [key for key, _ in wanted])
        changed: dict[str, Record] = {}
        results: list[Written] = []
        now = _now()
        for key, version in wanted:
            old = known.get(key)
            if old is None or old.deleted:
                results.append(Written(key, old.id if old else None, "missing"))
                continue
            if version not in {None, old.version}:
                results.append(Written(key, old.id, "rejected", [outdated(old.version, version)]))
                continue
            self._sequence += 1
            known[key] = changed[key] = old._replace(
                sequence=self._sequence, version=old.version + 1, updated_at=now, deleted=True
            )
            results.append(Written(key, old.id, "deleted"))
        self._write(profile, entity, changed.values())
        return results

    def delete_ids(self, profile: str, entity: str, ids: Sequence[str]) -> None:
        """Delete the records of these ids, whosever they are."""
        now, changed = _now(), []
        for old in self.find_by_ids(profile, entity, ids).values():
            if not old.deleted:
                self._sequence += 1
                version = old.version + 1
                changed.append(
                    old._replace(
                        sequence=self._sequence, version=version, updated_at=now, deleted=True
                    )
                )
        self._write(profile, entity, changed)

    def _write(
        self,
        profile: str,
        entity: str,
        records: Iterable[Record],
        *,
        renamed: Iterable[str] = (),
    ) -> None:
        """Store records; `renamed` are ids whose row has another source or external key so far."""
        self._db.executemany("DELETE FROM records WHERE id = ?", [(id_,) for id_ in renamed])
        rows = [
            (
                *(r.sequence, profile, entity, r.source, r.external_key, r.id),
                *(orjson.dumps(r.fields).decode(), r.version, r.updated_at, r.deleted),
            )
            for r in records
        ]
        if rows:
            self._db.executemany(_UPSERT, rows)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make everything written inside true together, or, where it raises, nothing of it."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def answer_given(
        self, profile: str, entity: str, key: str, *, after: float
    ) -> tuple[bytes, bytes] | None:
        """Return (hash of the body, answer) of an idempotency key used after that time."""
        row: tuple[bytes, bytes] | None = self._db.execute(
            "SELECT body_hash, answer FROM answers"
            " WHERE profile = ? AND entity = ? AND idempotency_key = ? AND given_at > ?",
            (profile, entity, key, after),
        ).fetchone()
        return row

    def keep_answer(
        self, profile: str, entity: str, key: str, *, body_hash: bytes, answer: bytes, now: float
    ) -> None:
        """Remember the answer an idempotency key got."""
        self._db.execute(
            "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?, ?)",
            (profile, entity, key, body_hash, answer, now),
        )
