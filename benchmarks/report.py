"""What a benchmark found, as a table for people or JSON for programs."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

Cell = str | float | bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What one contestant did; `name` starts with `linkhub` for ours, `raw` for a bare loop.

    `figures` are the benchmark's own, such as `rows_per_second` or `first_200_ms`.
    """

    name: str
    figures: Mapping[str, Cell]
    is_default: bool = False
    """Whether it is what the product does unless told otherwise; one result of a report is."""
    correct: bool | None = True
    """None where it did not run."""
    is_peer: bool = False
    """Another tool: whether it is right is told, and no failure of ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All results of one run, and what they say together."""

    benchmark: str
    results: Sequence[Result]
    summary: Mapping[str, Cell] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if sum(result.is_default for result in self.results) != 1:
            raise ValueError("Exactly one result of a report is the default.")

    @property
    def is_correct(self) -> bool:
        """Whether every contestant of ours did what it was asked to."""
        return all(result.correct or result.is_peer for result in self.results)

    def as_json(self) -> str:
        """Return the report as one JSON object."""
        return json.dumps(
            {
                "benchmark": self.benchmark,
                "machine": machine(),
                "results": [_flat(result) for result in self.results],
                "summary": self.summary,
            }
        )

    def as_table(self) -> str:
        """Return the report as lines of aligned columns; the default is marked with `*`."""
        names = list(dict.fromkeys(key for result in self.results for key in result.figures))
        rows = [["", *(name.replace("_", " ") for name in names), "correct"]]
        for result in self.results:
            label = result.name + (" *" if result.is_default else "")
            cells = [_shown(result.figures.get(name)) for name in names]
            rows.append([label, *cells, _shown(result.correct)])
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        lines = [
            "  ".join(
                [row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])],
            ).rstrip()
            for row in rows
        ]
        lines += [f"{name.replace('_', ' ')}: {_shown(v)}" for name, v in self.summary.items()]
        return "\n".join([f"{self.benchmark}, on {machine()}", "", *lines])


def machine() -> str:
    """Return the class of this machine; figures of two machines say nothing of each other."""
    return f"{os.cpu_count()} cores, Python {platform.python_version()}"


def _flat(result: Result) -> dict[str, Cell]:
    flat: dict[str, Cell] = {"name": result.name}
    if result.is_default:
        flat["is_default"] = True
    return {**flat, **result.figures, "correct": result.correct}


def _shown(value: Cell) -> str:
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "NO"
        case str():
            return value
        case _ if abs(value) >= 1000:  # noqa: PLR2004  thousands need no fraction
            return f"{value:,.0f}"
        case _:
            return f"{value:.2f}".rstrip("0").rstrip(".")
