"""The system queries that tell what tables there are, as the command line asks them.

Names, arguments and answers are those of `npm-packages/system-udfs` of convex-backend.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from local.sandbox.convex.exports import Source
from local.sandbox.convex.store import Tablet

PAGE = 100
"""Tables or documents in a page of an answer, however many are asked for."""


class SystemQueries:
    """Answers for one deployment."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._queries: dict[str, Callable[[str, Mapping[str, Any]], Any]] = {
            "_system/frontend/components:list": self._components,
            "_system/cli/tables:default": self._tables,
            "_system/cli/tableSize:default": self._table_size,
            "_system/cli/tableData:default": self._table_data,
        }

    def ask(self, path: str, *, component: str, args: Mapping[str, Any]) -> Any:
        """Return the answer; raise LookupError where there is no such query or component, and
        KeyError where an argument is missing.
        """
        if path not in self._queries:
            raise LookupError(f"Could not find public function for '{path}'.")
        if component not in self._paths():
            raise LookupError(f"Component '{component}' is not mounted.")
        return self._queries[path](component, args)

    def _paths(self) -> list[str]:
        """Return the components that have tables, and those they are in."""
        paths = {""}
        for stream in self._source.counts():
            *parts, _ = stream.split("/")
            paths |= {"/".join(parts[: at + 1]) for at in range(len(parts))}
        return sorted(paths)

    def _components(self, component: str, args: Mapping[str, Any]) -> Any:
        del component, args
        return [
            {"id": f"component{at}", "name": path.rpartition("/")[2], "path": path, "args": {}}
            for at, path in enumerate(self._paths())
        ]

    def _tables(self, component: str, args: Mapping[str, Any]) -> Any:
        start = int(args["paginationOpts"]["cursor"] or 0)
        streams = (stream.rpartition("/") for stream in sorted(self._source.counts()))
        names = [table for path, _, table in streams if path == component]
        return {
            "page": [{"name": name} for name in names[start : start + PAGE]],
            "isDone": start + PAGE >= len(names),
            "continueCursor": str(start + PAGE),
        }

    def _table_size(self, component: str, args: Mapping[str, Any]) -> Any:
        return float(
            self._source.counts().get("/".join([component, args["tableName"]]).strip("/"), 0)
        )

    def _table_data(self, component: str, args: Mapping[str, Any]) -> Any:
        store = self._source.store()
        table: Tablet | None = store.find(component, args["table"])
        wanted = min(PAGE, int(args["paginationOpts"]["numItems"]))
        found = store.walk(table.id, after="", at=store.now, limit=wanted) if table else []
        documents = [orjson.loads(revision.line or b"{}") for revision in found]
        return {"page": documents, "isDone": len(found) < wanted, "continueCursor": "end"}
