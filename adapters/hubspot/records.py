"""From what HubSpot sends to the fields that are wanted of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

from adapters.hubspot.api import Batch, CrmObject, HubSpotApi
from adapters.hubspot.associations import PREFIX, Links, listed_links, read_links
from adapters.hubspot.fields import LABEL, labels_of, to_fields, to_record
from adapters.hubspot.objects import ObjectType
from shared.domain.changes import Change, Delete, Upsert
from shared.errors import PermanentError

Convert = Callable[[CrmObject], dict[str, str | None]]


class Records:
    """The records of one kind with the `wanted` fields, None for all there are.

    Raise PermanentError where a property that is wanted does not exist any more: HubSpot would
    leave it out without a word, and LinkHub's field would be emptied. `properties` are those to
    ask for, `linked` the kinds whose associations are. Every record holds its time of change.
    """

    def __init__(self, api: HubSpotApi, kind: ObjectType, wanted: Sequence[str] | None) -> None:
        existing = [field.name for field in to_fields(api.properties(kind.name))]
        labels = {f"{name}{LABEL}": name for name in kind.staged if name in existing}
        links = {f"{PREFIX}{name}": name for name in kind.linked}
        names = (*existing, *labels, *links) if wanted is None else wanted
        gone = sorted(set(names) - {*existing, *labels, *links})
        if gone:
            raise PermanentError(
                f"HubSpot has no {kind.singular} property named {', '.join(gone)} (any more). "
                "Remove it from the mapping, or restore it in HubSpot."
            )
        self.kind = kind
        self._api = api
        plain = [name for name in names if name not in labels and name not in links]
        self._plain = tuple(dict.fromkeys([*plain, kind.modified]))
        self._labels = _Labels(api, kind, [labels[name] for name in names if name in labels])
        self._links = {name: links[name] for name in names if name in links}
        self.linked = tuple(self._links.values())
        self.properties = tuple(dict.fromkeys([*self._plain, *self._labels.properties]))

    def listed(self, batch: Batch) -> Convert:
        """Return what makes records of a page of the list."""
        if not self.linked:
            return self._convert({})
        return self._convert(listed_links(self._api, self.kind.name, batch.objects, self.linked))

    def found(self, batch: Batch) -> Convert:
        """Return what makes records of a page of a search, or of a batch read."""
        if not self.linked:
            return self._convert({})
        ids = [str(data["id"]) for data in batch.objects if "id" in data]
        return self._convert(read_links(self._api, self.kind.name, ids, self.linked))

    def get(self, keys: Sequence[str]) -> Sequence[Change]:
        """Return the records of these ids as they are now, in that order."""
        ids = [key for key in dict.fromkeys(keys) if is_id(key)]
        found = self._api.read_objects(self.kind, ids, self.properties)
        convert = self.found(Batch(objects=tuple(found.values()), after=None))
        return [
            Upsert(self.kind.name, key, convert(found[key]))
            if key in found
            else Delete(self.kind.name, key)
            for key in keys
        ]

    def _convert(self, links: Links) -> Convert:
        """Return a function over one record; it is as short as the wanted fields allow."""
        plain = self._plain
        if not self._links and not self._labels.properties:
            return partial(to_record, wanted=plain)

        def convert(data: CrmObject) -> dict[str, str | None]:
            record = to_record(data, plain)
            self._labels.add(record, data)
            for field, name in self._links.items():
                record[field] = links[name].get(str(data.get("id")))
            return record

        return convert


class _Labels:
    """The words for ids of pipelines and stages, read when the first record needs them."""

    def __init__(self, api: HubSpotApi, kind: ObjectType, properties: Iterable[str]) -> None:
        self.properties = tuple(properties)
        self._api = api
        self._kind = kind
        self._words: Mapping[str, Mapping[str, str]] | None = None

    def add(self, record: dict[str, str | None], data: CrmObject) -> None:
        """Put the labels into a record; an id nobody knows any more stands for itself."""
        if not self.properties:
            return
        if self._words is None:
            pipelines = self._api.pipelines(self._kind.name)
            self._words = {name: labels_of(name, pipelines) for name in self.properties}
        values = data.get("properties") or {}
        for name, words in self._words.items():
            id_ = values.get(name) or None
            record[f"{name}{LABEL}"] = id_ if id_ is None else words.get(id_, id_)


def is_id(key: str) -> bool:
    """Return whether a key has the form of HubSpot's own ids."""
    return key.isascii() and key.isdecimal()
