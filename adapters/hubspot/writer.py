"""Writing records, a hundred a call: what is there already is not sent, each has its own outcome.

HubSpot knows no version to write against. So what is there is read right before it is written.
Where the record is not as the caller read it, a property that somebody else changed is not
overwritten: the record is rejected, and the next sync sees both sides.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from adapters.hubspot.api import BATCH_LIMIT, CrmObject, HubSpotApi
from adapters.hubspot.associations import PREFIX
from adapters.hubspot.fields import LABEL, SEVERAL_VALUES, to_fields
from adapters.hubspot.histories import changed_since
from adapters.hubspot.linkhub_id import ensure_linkhub_id
from adapters.hubspot.objects import LINKHUB_ID, ObjectType
from adapters.hubspot.outcomes import Input, Outcome, write_all
from adapters.hubspot.records import is_id
from adapters.hubspot.values import is_same, to_wire
from shared.domain.changes import Change, Delete, RecordProblem, Truncate, Upsert
from shared.errors import PermanentError
from shared.ports.provider import PushResult

_UPDATE, _UPSERT, _ARCHIVE = "update", "upsert", "archive"
_VERBS = {_UPDATE: "updated", _UPSERT: "created", _ARCHIVE: "deleted"}
_Plan = PushResult | tuple[str, Input]

_CHANGED = (
    "changed in HubSpot since it was last read. Nothing was overwritten; the next sync sees both "
    "sides."
)
_GONE = "It does not exist in HubSpot (any more)."


class ObjectWriter:
    """Writes one kind of record."""

    def __init__(self, api: HubSpotApi, kind: ObjectType) -> None:
        self._api = api
        self._kind = kind
        self._properties = api.properties(kind.name)
        self._fields = {field.name: field for field in to_fields(self._properties)}
        self._lists = frozenset(
            str(data.get("name"))
            for data in self._properties
            if isinstance(data, Mapping) and data.get("fieldType") == SEVERAL_VALUES
        )
        self._is_ready = False

    def push(self, changes: Sequence[Change]) -> Iterator[PushResult]:
        """Yield a result for each change, in order.

        A key of HubSpot's own form names what exists; any other one asks for something new, or
        names what was made for that key before.
        """
        for chunk in _chunks(changes):
            results = self._push_chunk(chunk)
            yield from (results[change.key] for change in chunk)

    def _push_chunk(self, changes: Sequence[Upsert | Delete]) -> Mapping[str, PushResult]:
        there = self._read_ahead(changes)
        by_key = {change.key: change for change in changes}
        results: dict[str, PushResult] = {}
        todo: dict[str, list[Input]] = {act: [] for act in _VERBS}
        for change in changes:
            found = there.get(change.key)
            plan = (
                self._plan_delete(change, found)
                if isinstance(change, Delete)
                else self._plan_upsert(change, found)
            )
            if isinstance(plan, PushResult):
                results[change.key] = plan
            else:
                act, item = plan
                todo[act].append(item)
        todo[_UPDATE], lost = self._without_conflicts(todo[_UPDATE], by_key, there)
        results |= lost
        for act, inputs in todo.items():
            for key, outcome in write_all(inputs, partial(self._send, act)).items():
                results[key] = self._settled(by_key[key], outcome, _VERBS[act])
        return results

    def _plan_delete(self, change: Delete, found: CrmObject | None) -> _Plan:
        if found is None:
            return self._result(change, found, "unchanged")
        return _ARCHIVE, Input(trace=change.key, id=str(found["id"]), properties={})

    def _plan_upsert(self, change: Upsert, found: CrmObject | None) -> _Plan:
        """Return what to send for a record, or the result where there is nothing to send."""
        wanted = self._wanted(change.record, found or {})
        if found is None:
            if is_id(change.key):
                return self._rejected(change, _GONE)
            key = change.key
            return _UPSERT, Input(trace=key, id=key, properties=wanted, by=LINKHUB_ID)
        if not wanted:
            return self._result(change, found, "unchanged")
        return _UPDATE, Input(trace=change.key, id=str(found["id"]), properties=wanted)

    def _read_ahead(self, changes: Sequence[Upsert | Delete]) -> Mapping[str, CrmObject]:
        """Return what the changes are about, by their keys; what is not there is left out."""
        names = {
            name
            for change in changes
            if isinstance(change, Upsert)
            for name in change.record
            if self._is_writable(name)
        }
        properties = [*sorted(names), self._kind.modified]
        own = [change.key for change in changes if is_id(change.key)]
        others = [change.key for change in changes if not is_id(change.key)]
        found = dict(self._api.read_objects(self._kind, own, properties))
        if others and self._can_find(create=any(isinstance(c, Upsert) for c in changes)):
            found |= self._api.read_objects(self._kind, others, properties, by=LINKHUB_ID)
        return found

    def _can_find(self, *, create: bool) -> bool:
        """Return whether records can be found by LinkHub's id, once it is there if it must be."""
        if create and not self._is_ready:
            ensure_linkhub_id(self._api, self._kind, self._properties)
            self._is_ready = True
        return self._is_ready or LINKHUB_ID in self._fields

    def _wanted(self, record: Mapping[str, Any], found: CrmObject) -> Mapping[str, str]:
        """Return the properties that have to be set for the record to be as wished."""
        present = found.get("properties") or {}
        return {
            name: to_wire(value, self._fields[name])
            for name, value in record.items()
            if self._is_writable(name)
            and not is_same(
                value, present.get(name), self._fields[name], is_list=name in self._lists
            )
        }

    def _is_writable(self, name: str) -> bool:
        """Return whether a field is a property we may set; raise PermanentError for no field."""
        field = self._fields.get(name)
        if field is not None:
            return not field.read_only
        derived = name.startswith(PREFIX) or name.removesuffix(LABEL) in self._kind.staged
        if derived or name == self._kind.modified:
            return False
        raise PermanentError(
            f"HubSpot has no {self._kind.singular} property named {name} (any more). "
            "Remove it from the mapping, or restore it in HubSpot."
        )

    def _without_conflicts(
        self,
        updates: Sequence[Input],
        changes: Mapping[str, Upsert | Delete],
        there: Mapping[str, CrmObject],
    ) -> tuple[list[Input], Mapping[str, PushResult]]:
        """Return the updates that overwrite nobody, and the results of the others."""
        stale = {}
        for each in updates:
            change, found = changes[each.trace], there[each.trace]
            known = change.record.get(self._kind.modified) if isinstance(change, Upsert) else None
            now = (found.get("properties") or {}).get(self._kind.modified)
            if known and now and known != now:
                stale[each.id] = (str(known), tuple(each.properties))
        conflicts = changed_since(self._api, self._kind, stale)
        lost = {
            each.trace: self._rejected(
                changes[each.trace], f"{', '.join(names)}: {_CHANGED}", field=names[0]
            )
            for each in updates
            if (names := conflicts.get(each.id))
        }
        return [each for each in updates if each.trace not in lost], lost

    def _send(self, act: str, batch: Sequence[Input]) -> Mapping[str, Any]:
        """Send a batch; HubSpot archives without a word where all went well."""
        if act != _ARCHIVE:
            return self._api.write_objects(self._kind, act, [each.to_json() for each in batch])
        ids = [{"id": each.id} for each in batch]
        answer = self._api.write_objects(self._kind, act, ids)
        return answer if answer.get("errors") else {"results": ids}

    def _settled(self, change: Upsert | Delete, outcome: Outcome, verb: str) -> PushResult:
        if outcome.found is None:
            return self._rejected(change, outcome.message, field=outcome.field)
        return self._result(change, outcome.found, verb)

    def _result(self, change: Upsert | Delete, found: CrmObject | None, verb: str) -> PushResult:
        known = change.key if is_id(change.key) else ""
        properties = (found or {}).get("properties") or {}
        etag = properties.get(self._kind.modified) or (found or {}).get("updatedAt")
        return PushResult(
            key=change.key,
            external_id=known if found is None else str(found["id"]),
            outcome=verb,
            etag=str(etag or ""),
        )

    def _rejected(self, change: Upsert | Delete, message: str, *, field: str = "") -> PushResult:
        return PushResult(
            key=change.key,
            external_id=change.key if is_id(change.key) else "",
            outcome="rejected",
            problem=RecordProblem(
                stream=self._kind.name, key=change.key, field=field, message=message
            ),
        )


def _chunks(changes: Sequence[Change]) -> Iterator[Sequence[Upsert | Delete]]:
    """Yield the changes in runs that fit a batch and name each key once."""
    chunk: dict[str, Upsert | Delete] = {}
    for change in changes:
        if isinstance(change, Truncate):
            raise PermanentError("HubSpot cannot be emptied by a sync: delete the records there.")
        if len(chunk) == BATCH_LIMIT or change.key in chunk:
            yield tuple(chunk.values())
            chunk = {}
        chunk[change.key] = change
    if chunk:
        yield tuple(chunk.values())
