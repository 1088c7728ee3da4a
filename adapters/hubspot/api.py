"""The calls of HubSpot's CRM API the adapter makes.

Paths with a date are HubSpot's present ones; the numbered v3 ones stay usable until September 2027
(developers.hubspot.com/changelog/legacy-apis-and-legacy-apps-whats-going-unsupported-and-when).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from adapters.hubspot.objects import ObjectType
from shared.errors import PermanentError, TransientError
from shared.http.client import HttpClient, RequestOptions
from shared.http.rate import Rate

LIST_LIMIT = 100
SEARCH_LIMIT = 200
BATCH_LIMIT = 100
LONGEST_QUERY = 4_000
"""Characters of property names in a URL. HubSpot answers 414 somewhere above and says not where;
eight kilobytes is what common servers take for a whole request line.
"""
LONGEST_SEARCH = 3_000
"""Characters of a search's body (developers.hubspot.com/docs/guides/api/crm/search, limits)."""

NOT_FOUND = "OBJECT_NOT_FOUND"
_VERSION = re.compile(r"v3|20\d\d-\d\d")

CrmObject = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Some records as HubSpot sent them; `after` is None on the last page.

    `gone`: the ids of those that went away before their properties were read.
    """

    objects: Sequence[CrmObject]
    after: str | None
    gone: frozenset[str] = frozenset()


class HubSpotApi:
    """Records and what describes them. `search_rate` holds the search's own limit."""

    def __init__(self, http: HttpClient, *, version: str, search_rate: Rate) -> None:
        if not _VERSION.fullmatch(version):
            raise PermanentError(
                f"{version!r} is no version of HubSpot's API: give a date such as 2026-03, or v3."
            )
        self.http = http
        self._search_rate = search_rate
        self._version = version

    def path(self, area: str, *rest: str) -> str:
        """Return the address of something in an area of the CRM, such as `objects`."""
        start = f"/crm/v3/{area}" if self._version == "v3" else f"/crm/{area}/{self._version}"
        return "/".join((start, *rest))

    def links_path(self, name: str, linked: str) -> str:
        """Return where associations are read in batches; their numbered version is v4."""
        if self._version == "v3":
            return f"/crm/v4/associations/{name}/{linked}/batch/read"
        return self.path("associations", name, linked, "batch", "read")

    def properties(self, name: str) -> Sequence[Any]:
        """Return all properties of a kind that are not archived, as HubSpot describes them."""
        path = self.path("properties", name)
        return list_of(self.http.get_json(path, params={"archived": "false"}), "results")

    def create_property(self, name: str, description: Mapping[str, str | bool]) -> None:
        """Add a property to all records of a kind; one of that name is a RefusedError (409)."""
        self.http.request("POST", self.path("properties", name), json=description)

    def pipelines(self, name: str) -> Sequence[Any]:
        """Return the pipelines of a kind with their stages."""
        return list_of(self.http.get_json(self.path("pipelines", name)), "results")

    def owners(self, *, after: str | None = None, archived: bool = False) -> Batch:
        """Return one page of the owners, of those who are no users any more where asked."""
        params: dict[str, str | int] = {"limit": LIST_LIMIT, "archived": _flag(archived)}
        if after is not None:
            params["after"] = after
        return _batch(self.http.get_json(self.path("owners"), params=params))

    def account(self, *, rate: Rate | None = None) -> Mapping[str, Any]:
        """Return the account the credentials open, {} where they may not ask."""
        path = f"/account-info/{self._version}/details"
        options: RequestOptions = {"ok": (200, 403, 404)}
        if rate is not None:
            options["rate"] = rate
        answer = self.http.request("GET", path, **options)
        if not answer.is_success:
            return {}
        try:
            data = json.loads(answer.content)
        except ValueError:
            return {}
        return data if isinstance(data, dict) else {}

    def list_objects(
        self,
        kind: ObjectType,
        properties: Sequence[str],
        *,
        linked: Sequence[str] = (),
        after: str | None = None,
        archived: bool = False,
        limit: int = LIST_LIMIT,
    ) -> Batch:
        """Return one page of the list, which has no limit of its length.

        With the records come their first associations with the `linked` kinds. Where the
        properties would make the URL too long, the records are listed without them and read in
        batches: two calls for a page instead of one.
        """
        names = ",".join(properties)
        is_long = len(names) > LONGEST_QUERY
        params: dict[str, str | int | bool] = {
            "limit": limit,
            "archived": _flag(archived),
            "properties": kind.modified if is_long else names,
        }
        if linked:
            params["associations"] = ",".join(linked)
        if after is not None:
            params["after"] = after
        batch = _batch(
            self.http.get_json(self.path("objects", kind.name), params=params, decode=orjson.loads)
        )
        return self._filled(kind, batch, properties) if is_long else batch

    def search_objects(
        self,
        kind: ObjectType,
        filters: Sequence[tuple[str, str, int]],
        *,
        sort: str,
        properties: Sequence[str],
    ) -> Batch:
        """Return the first page of the records that match all (property, operator, value) filters.

        `sort` is the property they stand in ascending order of. `after` only tells whether there
        is more; the adapter never pages by it. Where the properties would make the body too long,
        they are read in batches.
        """
        body = {
            "filterGroups": [
                {
                    "filters": [
                        {"propertyName": name, "operator": operator, "value": str(value)}
                        for name, operator, value in filters
                    ]
                }
            ],
            "sorts": [{"propertyName": sort, "direction": "ASCENDING"}],
            "properties": list(properties),
            "limit": SEARCH_LIMIT,
        }
        is_long = len(json.dumps(body)) > LONGEST_SEARCH
        if is_long:
            body["properties"] = [kind.modified]
        path = self.path("objects", kind.name, "search")
        answer = self.http.request_json(
            "POST",
            path,
            json=body,
            repeatable=True,
            rate=self._search_rate,
            decode=orjson.loads,
        )
        batch = _batch(answer)
        return self._filled(kind, batch, properties) if is_long else batch

    def read_objects(
        self,
        kind: ObjectType,
        keys: Sequence[str],
        properties: Sequence[str],
        *,
        by: str = "",
    ) -> Mapping[str, CrmObject]:
        """Return the live records among `keys`, which are ids or values of the property `by`.

        Raise TransientError where HubSpot could not read one for another reason than its absence.
        """
        found: dict[str, CrmObject] = {}
        path = self.path("objects", kind.name, "batch", "read")
        for start in range(0, len(keys), BATCH_LIMIT):
            chunk = keys[start : start + BATCH_LIMIT]
            body = {"inputs": [{"id": key} for key in chunk], "properties": list(properties)}
            if by:
                body |= {"idProperty": by, "properties": [*properties, by]}
            answer = self.http.request_json(
                "POST", path, json=body, repeatable=True, decode=orjson.loads
            )
            check_missing(answer, kind.label.lower())
            for data in _batch(answer).objects:
                key = (data.get("properties") or {}).get(by) if by else data.get("id")
                if key is not None:
                    found[str(key)] = data
        return found

    def write_objects(
        self, kind: ObjectType, act: str, inputs: Sequence[Mapping[str, Any]]
    ) -> Mapping[str, Any]:
        """Return the answer to a batch `act` (update, upsert or archive), {} where it has none.

        All three leave the same behind when they are sent twice, so a lost answer is asked again.
        """
        path = self.path("objects", kind.name, "batch", act)
        body = {"inputs": list(inputs)}
        if act == "archive":
            answer = self.http.request("POST", path, json=body, repeatable=True)
            data = json.loads(answer.content) if answer.content else {}
        else:
            data = self.http.request_json("POST", path, json=body, repeatable=True)
        return data if isinstance(data, dict) else {}

    def _filled(self, kind: ObjectType, batch: Batch, properties: Sequence[str]) -> Batch:
        """Return the batch with all properties.

        The time of change stays the one the list or search gave: by it a read finds its place.
        """
        ids = [str(data["id"]) for data in batch.objects if "id" in data]
        found = self.read_objects(kind, ids, properties)
        return Batch(
            objects=[_merged(data, found.get(str(data.get("id")), {})) for data in batch.objects],
            after=batch.after,
            gone=frozenset(ids) - found.keys(),
        )


def check_missing(answer: Any, what: str) -> None:
    """Raise TransientError where a batch read left out something that is there."""
    for problem in problems_of(answer):
        if str(problem.get("category", "")) != NOT_FOUND:
            text = str(problem.get("message") or problem.get("category") or "no reason")
            raise TransientError(
                f"HubSpot could not read some {what} of a batch: {text[:200]}. Try again later."
            )


def problems_of(answer: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the errors of a batch answer: with 207 some inputs failed, and the rest did not."""
    errors = answer.get("errors") if isinstance(answer, Mapping) else None
    if isinstance(errors, list):
        yield from (error for error in errors if isinstance(error, Mapping))


def list_of(answer: Any, name: str) -> Sequence[Any]:
    """Return a list an answer must have."""
    found = answer.get(name) if isinstance(answer, Mapping) else None
    if not isinstance(found, list):
        raise PermanentError(
            f"HubSpot's answer has no list {name!r}. Check the base URL and the API version."
        )
    return found


def after_of(answer: Mapping[str, Any]) -> str | None:
    """Return the cursor of the next page, None on the last one."""
    paging = answer.get("paging")
    following = paging.get("next") if isinstance(paging, Mapping) else None
    after = following.get("after") if isinstance(following, Mapping) else None
    return str(after) if after not in (None, "") else None


def _batch(answer: Any) -> Batch:
    objects = [data for data in list_of(answer, "results") if isinstance(data, Mapping)]
    return Batch(objects=objects, after=after_of(answer))


def _merged(data: CrmObject, full: CrmObject) -> CrmObject:
    return {
        **data,
        "properties": {**(full.get("properties") or {}), **(data.get("properties") or {})},
    }


def _flag(value: bool) -> str:  # noqa: FBT001  it is about nothing else
    return "true" if value else "false"
