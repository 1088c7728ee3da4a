"""Workspaces, datasets and their tables, as the service keeps them."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

ME = "me"
"""Stands for a person's own workspace, which the API addresses without an id."""

Row = tuple[Any, ...]


class UnknownError(Exception):
    """There is no such thing; the message says what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """`type` is one of Text, Integer, Double, Decimal, DateTime, Boolean and Binary."""

    name: str
    type: str
    is_key: bool = False
    is_unique: bool = False
    description: str = ""

    def read(self, value: Any) -> Any:
        """Return a JSON value as the column holds it; raise ValueError for any other."""
        if value is None:
            return None
        if self.type == "DateTime":
            return datetime.fromisoformat(value).replace(tzinfo=None)
        wanted: dict[str, type] = {
            "Text": str,
            "Integer": int,
            "Double": float,
            "Decimal": Decimal,
            "Boolean": bool,
        }
        if isinstance(value, bool) != (self.type == "Boolean") or self.type not in wanted:
            raise ValueError(f"{value!r} is no {self.type} for {self.name}.")
        return wanted[self.type](str(value) if self.type == "Decimal" else value)


@dataclass(slots=True, kw_only=True)
class Table:
    """`rows` are what queries see, `source` what the next refresh brings."""

    name: str
    columns: tuple[Column, ...]
    source: list[Row]
    rows: list[Row] = field(default_factory=list)
    is_hidden: bool = False
    description: str = ""

    def load(self) -> None:
        """Take in what the source has."""
        self.rows = list(self.source)


@dataclass(frozen=True, slots=True, kw_only=True)
class Relationship:
    """`from_` is the many side; each end is (table, column)."""

    from_: tuple[str, str]
    to: tuple[str, str]


@dataclass(slots=True, kw_only=True)
class Dataset:
    """`mode`: Import, DirectQuery (always fresh, no refreshes) or Push (rows by the API).

    `describes_itself`: INFO.VIEW answers. `without_build`: ids of people who may see it listed but
    not query it.
    """

    id: str
    name: str
    tables: list[Table]
    mode: str = "Import"
    relationships: tuple[Relationship, ...] = ()
    describes_itself: bool = True
    without_build: frozenset[str] = frozenset()
    refreshes: list[dict[str, Any]] = field(default_factory=list)
    version: int = 0

    def __post_init__(self) -> None:
        """Load the tables, with one refresh behind an import model."""
        for table in self.tables:
            table.load()
        if self.mode == "Import":
            self.refresh("Completed", at=datetime(2026, 11, 1, 4, 30, tzinfo=UTC))

    def find_table(self, name: str) -> Table | None:
        """Return the table of that name in any case, as the engine finds it."""
        folded = name.casefold()
        return next((table for table in self.tables if table.name.casefold() == folded), None)

    def table(self, name: str) -> Table:
        """Return the table of that name; raise UnknownError."""
        table = self.find_table(name)
        if table is None:
            raise UnknownError(f"{self.name} has no table {name!r}.")
        return table

    def changed(self) -> None:
        """Note that a source changed; what is not imported shows it at once."""
        if self.mode != "Import":
            for table in self.tables:
                table.load()
        self.version += 1

    def refresh(self, status: str, *, at: datetime | None = None) -> dict[str, Any]:
        """Note a refresh: Completed loads the sources, Failed nothing, Unknown is under way.

        One that is under way ends with the next Completed or Failed.
        """
        now = at or datetime.now(UTC)
        entry = self.refreshes[0] if self.refreshes else {}
        if entry.get("status") != "Unknown":
            entry = {
                "requestId": str(uuid.uuid4()),
                "refreshType": "ViaApi",
                "startTime": _text(now - timedelta(seconds=2)),
            }
            self.refreshes.insert(0, entry)
        entry["status"] = status
        if status != "Unknown":
            entry["endTime"] = _text(now)
        if status == "Failed":
            entry["serviceExceptionJson"] = '{"errorCode":"ModelRefreshFailed_Sandbox"}'
        if status == "Completed":
            for table in self.tables:
                table.load()
            self.version += 1
        return entry


@dataclass(slots=True, kw_only=True)
class Workspace:
    """`members` are the ids of the people who see it."""

    id: str
    name: str
    members: frozenset[str]
    datasets: list[Dataset]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """All workspaces; those with the id `me` are people's own."""

    workspaces: list[Workspace]

    def seen_by(self, person: str) -> list[Workspace]:
        """Return the workspaces a person is a member of."""
        return [workspace for workspace in self.workspaces if person in workspace.members]

    def find(self, person: str, workspace: str, dataset: str) -> Dataset | None:
        """Return a dataset a person may see, None for any other."""
        for one in self.seen_by(person):
            if one.id == workspace:
                return next((found for found in one.datasets if found.id == dataset), None)
        return None

    def dataset(self, name_or_id: str) -> Dataset:
        """Return the dataset of that id or name; raise UnknownError."""
        for workspace in self.workspaces:
            for dataset in workspace.datasets:
                if name_or_id in {dataset.id, dataset.name}:
                    return dataset
        raise UnknownError(f"There is no dataset {name_or_id!r}.")


def _text(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
