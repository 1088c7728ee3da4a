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

from adapters.hubspot.fields import MODIFIED
from shared.errors import PermanentError, TransientError
from shared.http.client import HttpClient
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

_VERSION = re.compile(r"v3|20\d\d-\d\d")
_NOT_FOUND = "OBJECT_NOT_FOUND"

Deal = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Some deals as HubSpot sent them; `after` is None on the last page.

    `gone`: the ids of those that went away before their properties were read.
    """

    deals: Sequence[Deal]
    after: str | None
    gone: frozenset[str] = frozenset()


class HubSpotApi:
    """Deals and what describes them. `search_rate` holds the search's own limit."""

    def __init__(self, http: HttpClient, *, version: str, search_rate: Rate) -> None:
        if not _VERSION.fullmatch(version):
            raise PermanentError(
                f"{version!r} is no version of HubSpot's API: give a date such as 2026-03, or v3."
            )
        self.http = http
        self._search_rate = search_rate
        dated = version != "v3"
        self._deals = f"/crm/objects/{version}/deals" if dated else "/crm/v3/objects/deals"
        self._properties = (
            f"/crm/properties/{version}/deals" if dated else "/crm/v3/properties/deals"
        )
        self._pipelines = f"/crm/pipelines/{version}/deals" if dated else "/crm/v3/pipelines/deals"
        self._account = f"/account-info/{version}/details"

    def properties(self) -> Sequence[Any]:
        """Return all deal properties that are not archived, as HubSpot describes them."""
        answer = self.http.get_json(self._properties, params={"archived": "false"})
        return _list_of(answer, "results")

    def pipelines(self) -> Sequence[Any]:
        """Return the deal pipelines with their stages."""
        return _list_of(self.http.get_json(self._pipelines), "results")

    def account_id(self) -> str:
        """Return the id of the account the credentials open, '' where they may not ask."""
        answer = self.http.request("GET", self._account, ok=(200, 403, 404))
        if not answer.is_success:
            return ""
        try:
            return str(json.loads(answer.content)["portalId"])
        except (KeyError, TypeError, ValueError):
            return ""

    def list_deals(
        self,
        properties: Sequence[str],
        *,
        after: str | None = None,
        archived: bool = False,
        limit: int = LIST_LIMIT,
    ) -> Batch:
        """Return one page of the list, which has no limit of its length.

        Where the properties would make the URL too long, the deals are listed without them and
        read in batches: two calls for a page instead of one.
        """
        names = ",".join(properties)
        is_long = len(names) > LONGEST_QUERY
        params: dict[str, str | int | bool] = {
            "limit": limit,
            "archived": "true" if archived else "false",
            "properties": MODIFIED if is_long else names,
        }
        if after is not None:
            params["after"] = after
        batch = _batch(self.http.get_json(self._deals, params=params))
        return self._filled(batch, properties) if is_long else batch

    def search_deals(
        self, filters: Sequence[tuple[str, str, int]], *, sort: str, properties: Sequence[str]
    ) -> Batch:
        """Return the first page of the deals that match all (property, operator, value) filters.

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
            body["properties"] = [MODIFIED]
        answer = self.http.request_json(
            "POST", f"{self._deals}/search", json=body, repeatable=True, rate=self._search_rate
        )
        batch = _batch(answer)
        return self._filled(batch, properties) if is_long else batch

    def read_deals(self, ids: Sequence[str], properties: Sequence[str]) -> Mapping[str, Deal]:
        """Return the live deals among `ids` by id.

        Raise TransientError where HubSpot could not read one for another reason than its absence.
        """
        found: dict[str, Deal] = {}
        for start in range(0, len(ids), BATCH_LIMIT):
            chunk = ids[start : start + BATCH_LIMIT]
            body = {"inputs": [{"id": id_} for id_ in chunk], "properties": list(properties)}
            answer = self.http.request_json(
                "POST", f"{self._deals}/batch/read", json=body, repeatable=True
            )
            batch = _batch(answer)
            for problem in _problems(answer):
                if str(problem.get("category", "")) != _NOT_FOUND:
                    what = str(problem.get("message") or problem.get("category") or "no reason")
                    raise TransientError(
                        f"HubSpot could not read some deals of a batch: {what[:200]}. "
                        "Try again later."
                    )
            found |= {str(deal["id"]): deal for deal in batch.deals if "id" in deal}
        return found

    def _filled(self, batch: Batch, properties: Sequence[str]) -> Batch:
        """Return the batch with all properties.

        The time of change stays the one the list or search gave: by it a read finds its place.
        """
        ids = [str(deal["id"]) for deal in batch.deals if "id" in deal]
        found = self.read_deals(ids, properties)
        return Batch(
            deals=[_merged(deal, found.get(str(deal.get("id")), {})) for deal in batch.deals],
            after=batch.after,
            gone=frozenset(ids) - found.keys(),
        )


def _merged(deal: Deal, full: Deal) -> Deal:
    return {
        **deal,
        "properties": {**(full.get("properties") or {}), **(deal.get("properties") or {})},
    }


def _batch(answer: Any) -> Batch:
    deals = [deal for deal in _list_of(answer, "results") if isinstance(deal, Mapping)]
    paging = answer.get("paging")
    following = paging.get("next") if isinstance(paging, Mapping) else None
    after = following.get("after") if isinstance(following, Mapping) else None
    return Batch(deals=deals, after=str(after) if after not in (None, "") else None)


def _problems(answer: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the errors of a batch answer: with 207 some inputs failed, and the rest did not."""
    errors = answer.get("errors")
    if isinstance(errors, list):
        yield from (error for error in errors if isinstance(error, Mapping))


def _list_of(answer: Any, name: str) -> Sequence[Any]:
    found = answer.get(name) if isinstance(answer, Mapping) else None
    if not isinstance(found, list):
        raise PermanentError(
            f"HubSpot's answer has no list {name!r}. Check the base URL and the API version."
        )
    return found
