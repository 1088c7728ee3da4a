"""What a source offered when it was asked last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from shared.domain.providers import Stream


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedTable:
    """One table; `row_count` is None where the source does not say."""

    stream: str
    columns: tuple[str, ...] = ()
    row_count: int | None = None

    @classmethod
    def of(cls, stream: Stream) -> Self:
        """Return the table a stream is."""
        columns = tuple(field.name for field in stream.fields)
        return cls(stream=stream.name, columns=columns, row_count=stream.row_count)

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object that `from_json` turns back into an equal value."""
        return {"stream": self.stream, "columns": self.columns, "rowCount": self.row_count}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Return the value `to_json` described."""
        return cls(
            stream=data["stream"], columns=tuple(data["columns"]), row_count=data["rowCount"]
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Discovery:
    """The tables an instance offered at `discovered_at`; none where its source does not tell."""

    instance_id: str
    tables: Sequence[OfferedTable]
    discovered_at: datetime
