"""What tables a deployment has: their columns and how many documents they hold, as far as it tells.

Two ways, put together: the column names of the streaming export, which not every plan offers and
which may be incomplete, and the system queries that the dashboard and the command line tool live on
(`npm-packages/system-udfs` of convex-backend), which any key with the right to view data can ask.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from adapters.convex.exports import QUERY_FAILED, RightsError
from shared.domain.fields import Field, FieldType
from shared.domain.providers import Stream
from shared.errors import PermanentError

if TYPE_CHECKING:
    from shared.http.client import HttpClient

SAMPLE = 100
"""How many of a table's newest documents are looked at for its columns, if nothing tells them."""
MOST_COUNTED = 1_000
"""How many tables are asked for how much they hold: it takes one call each."""

_KNOWN_TYPES = {"_id": FieldType.STRING, "_creationTime": FieldType.FLOAT}
_MOST_PAGES = 100
_NOT_TOLD = (PermanentError, RightsError)

Place = tuple[str, str]
"""(path of the component, table)"""


class CatalogueApi:
    """Asks one deployment what it has."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client

    def streams(self, *, is_quick: bool) -> Sequence[Stream] | None:
        """Return the tables of all components; None where the deployment does not tell this key.

        `is_quick`: by a few calls, however many tables there are; none are counted then.

        Their columns are those known; any field of any document may hold any type.
        """
        named = self._column_names()
        try:
            listed = list(self._tables())
        except _NOT_TOLD:  # an older back end, or a key without the right
            told = named or {}
            streams = (stream_of(place, columns, None) for place, columns in told.items())
            return None if named is None else tuple(streams)
        named = named or {}
        places = sorted({*named, *listed})
        return tuple(
            stream_of(
                place,
                named.get(place) or (() if is_quick else self._sample(place)),
                self._count(place) if at < MOST_COUNTED and not is_quick else None,
            )
            for at, place in enumerate(places)
        )

    def _column_names(self) -> Mapping[Place, Sequence[str]] | None:
        try:
            answer = self._client.get_json("/api/get_table_column_names")
        except _NOT_TOLD:
            return None
        components = answer.get("byComponent") if isinstance(answer, dict) else None
        if not isinstance(components, dict):
            return None
        return {
            (component, table["name"]): table["columns"]
            for component, tables in components.items()
            for table in tables
            if not table["name"].startswith("_")
        }

    def _tables(self) -> Iterator[Place]:
        components = self._ask("", "_system/frontend/components:list")
        for component in sorted({"", *(str(told["path"]) for told in components)}):
            cursor = None
            for _ in range(_MOST_PAGES):
                options = {"numItems": 10_000, "cursor": cursor}
                told = self._ask(component, "_system/cli/tables:default", paginationOpts=options)
                yield from ((component, str(table["name"])) for table in told["page"])
                cursor = told["continueCursor"]
                if told["isDone"]:
                    break

    def _sample(self, place: Place) -> Sequence[str]:
        """Return the fields of some documents, the newest ones."""
        component, table = place
        options = {"numItems": SAMPLE, "cursor": None}
        try:
            told = self._ask(
                component,
                "_system/cli/tableData:default",
                table=table,
                order="desc",
                paginationOpts=options,
            )
        except _NOT_TOLD:
            return ()
        return columns_of(told["page"])

    def _count(self, place: Place) -> int | None:
        component, table = place
        try:
            return int(self._ask(component, "_system/cli/tableSize:default", tableName=table))
        except (*_NOT_TOLD, TypeError, ValueError):
            return None

    def _ask(self, component: str, path: str, **args: Any) -> Any:
        """Return the value of a system query; raise PermanentError where there is none."""
        answer = self._client.request_json(
            "POST",
            "/api/function",
            json={"componentPath": component or None, "path": path, "args": args, "format": "json"},
            repeatable=True,
            ok={HTTPStatus.OK, QUERY_FAILED},
        )
        if not isinstance(answer, dict) or answer.get("status") != "success":
            raise PermanentError(f"Convex has no answer to {path}.")
        return answer["value"]


def columns_of(documents: Iterable[Mapping[str, Any]]) -> Sequence[str]:
    """Return the fields some documents have, those of the system first."""
    names = dict.fromkeys(name for document in documents for name in document)
    return sorted(names, key=lambda name: (name not in _KNOWN_TYPES, name))


def stream_of(place: Place, columns: Sequence[str], row_count: int | None) -> Stream:
    """Return a table as people choose it."""
    name = "/".join(place) if place[0] else place[1]
    return Stream(
        name=name,
        label=name,
        fields=tuple(
            Field(
                name=column,
                label=column,
                type=_KNOWN_TYPES.get(column, FieldType.JSON),
                required=column in _KNOWN_TYPES,
                unique=column == "_id",
            )
            for column in columns
        ),
        row_count=row_count,
    )
