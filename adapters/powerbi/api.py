"""The calls of Power BI's REST API the adapter makes.

Source: the service's own description (microsoft/PowerBI-CSharp, sdk/swaggers/swagger.json).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from adapters.powerbi.failures import require_complete
from adapters.powerbi.streams import MY_WORKSPACE, DatasetRef
from shared.errors import PermanentError
from shared.http.client import HttpClient
from shared.http.rate import Rate

MOST_ROWS = 100_000
"""Rows in one answer, at most."""
MOST_VALUES = 1_000_000
"""Rows times columns in one answer, at most."""

_GROUPS_PAGE = 500
_MOST_GROUPS = 2_000
_NONE = frozenset({400, 403, 404, 415})
"""What a question is answered with that a dataset of its kind, or the account, cannot be asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A workspace or a dataset."""

    id: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refreshes:
    """What the refresh history tells. `ended`: when the last completed refresh did, as Power BI
    writes it. None where there is no history: no import model, never refreshed, or not to be seen
    by this account; then nothing tells whether anything changed. `is_running`: one is under way.
    """

    ended: str | None = None
    is_running: bool = False


class PowerBiApi:
    """Workspaces, datasets, refreshes and queries; `query_rate` holds the limit of queries."""

    def __init__(self, http: HttpClient, *, query_rate: Rate, query_seconds: float) -> None:
        self.http = http
        self._query_rate = query_rate
        self._query_seconds = query_seconds

    def workspaces(self) -> Sequence[Named]:
        """Return the workspaces the account is a member of, and its own one first."""
        found = [Named(id=MY_WORKSPACE, name="My workspace")]
        while len(found) <= _MOST_GROUPS:
            params = {"$top": _GROUPS_PAGE, "$skip": len(found) - 1}
            page = _values(self.http.get_json("/groups", params=params))
            found += _named(page)
            if len(page) < _GROUPS_PAGE:
                break
        return found

    def prove_access(self) -> None:
        """Return if the credentials may list workspaces."""
        _values(self.http.get_json("/groups", params={"$top": 1}))

    def datasets(self, workspace: str) -> Sequence[Named]:
        """Return a workspace's datasets; a service principal has no workspace of its own."""
        if workspace == MY_WORKSPACE:
            return list(_named(self._values_or_none("/datasets") or ()))
        return list(_named(_values(self.http.get_json(f"/groups/{workspace}/datasets"))))

    def pushed_tables(self, dataset: DatasetRef) -> Sequence[Mapping[str, Any]]:
        """Return the tables of a push dataset; of any other kind Power BI tells none here."""
        return self._values_or_none(f"{dataset.path}/tables") or ()

    def refreshes(self, dataset: DatasetRef) -> Refreshes:
        """Return what the last entries of the dataset's refresh history say."""
        history = self._values_or_none(f"{dataset.path}/refreshes") or ()
        ends = [
            str(entry["endTime"])
            for entry in history
            if entry.get("status") == "Completed" and entry.get("endTime")
        ]
        return Refreshes(
            ended=max(ends, key=_moment, default=None),
            is_running=any(entry.get("status") == "Unknown" for entry in history),
        )

    def query(self, dataset: DatasetRef, dax: str) -> list[Mapping[str, Any]]:
        """Return a query's rows, blanks included as None.

        Raise CutOffError where the answer says that it is not all, QueryError where the dataset
        refuses. Beyond 15 MB Power BI leaves rows out without a word.
        """
        body = {"queries": [{"query": dax}], "serializerSettings": {"includeNulls": True}}
        answer = self.http.request_json(
            "POST",
            f"{dataset.path}/executeQueries",
            json=body,
            repeatable=True,
            rate=self._query_rate,
            timeout=self._query_seconds,
        )
        return require_complete(answer)

    def _values_or_none(self, path: str) -> list[Mapping[str, Any]] | None:
        answer = self.http.request("GET", path, ok={200, *_NONE})
        if answer.status_code in _NONE:
            return None
        try:
            return _values(json.loads(answer.content))
        except ValueError:
            return None


def _values(answer: Any) -> list[Mapping[str, Any]]:
    found = answer.get("value") if isinstance(answer, Mapping) else None
    if not isinstance(found, list):
        raise PermanentError(
            "Power BI's answer has no list 'value'. Check the base URL of the connection."
        )
    return [item for item in found if isinstance(item, Mapping)]


def _named(items: Sequence[Mapping[str, Any]]) -> Iterator[Named]:
    for item in items:
        if item.get("id"):
            id_ = str(item["id"])
            yield Named(id=id_, name=str(item.get("name") or id_))


def _moment(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)
