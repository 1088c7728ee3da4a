"""Zones come from the pinned database, and from nowhere else."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path

import pytest

from shared.domain.zones import find_zone, first_instant

ROOT = Path(__file__).parents[3]
ASK = """
from datetime import UTC, datetime
from zoneinfo import ZoneInfo
from shared.domain.zones import find_zone
for zone in (ZoneInfo("Europe/Rome"), find_zone("Europe/Rome")):
    print(datetime(2026, 1, 1, tzinfo=UTC).astimezone(zone).strftime("%H:%M"))
"""


def test_a_host_that_lies_is_not_asked(tmp_path: Path) -> None:
    """Where the host's database calls Tokyo Rome, ZoneInfo believes it and we do not."""
    tokyo = files("tzdata").joinpath("zoneinfo", "Asia", "Tokyo").read_bytes()
    (tmp_path / "Europe").mkdir()
    (tmp_path / "Europe" / "Rome").write_bytes(tokyo)
    env = {**os.environ, "PYTHONTZPATH": str(tmp_path), "TZ": "America/New_York"}
    done = subprocess.run(
        [sys.executable, "-c", ASK], env=env, cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["09:00", "01:00"]


def test_nobody_else_opens_a_zone() -> None:
    """No other module of the product asks `zoneinfo` by name: it would ask the host first."""
    asking = []
    for folder in ("adapters", "functions", "ops", "shared"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                called = node.func if isinstance(node, ast.Call) else None
                name = getattr(called, "id", getattr(called, "attr", ""))
                if name in {"ZoneInfo", "from_file", "no_cache"}:
                    asking.append(path.relative_to(ROOT).as_posix())
    assert asking == ["shared/domain/zones.py"]


@pytest.mark.parametrize(
    "name",
    ["", "Mars", "europe/rome", "Factory", "../zones", "/etc/localtime", "Europe", "Europe/Rome\0"],
)
def test_what_is_no_zone_is_not_found(name: str) -> None:
    """Only the exact names of the database count; none of them is used as a path."""
    assert find_zone(name) is None


@pytest.mark.parametrize("name", ["UTC", "Europe/Rome", "America/Argentina/Ushuaia", "GB"])
def test_a_zone_is_found_by_its_name(name: str) -> None:
    """It tells its name, and asking again gives the same object."""
    zone = find_zone(name)
    assert zone is not None
    assert zone.key == name
    assert find_zone(name) is zone


def test_british_columbia_stops_changing_its_clocks() -> None:
    """In 2026 it goes forward for the last time: in November the offset stays at -7 hours."""
    zone = find_zone("America/Vancouver")
    start = datetime(2026, 1, 1, tzinfo=UTC)
    offsets = {
        day: (start + timedelta(days=day)).astimezone(zone).utcoffset() for day in range(1800)
    }
    changes = [day for day in range(1, 1800) if offsets[day] != offsets[day - 1]]
    assert [start + timedelta(days=day) for day in changes] == [datetime(2026, 3, 9, tzinfo=UTC)]
    assert offsets[1799] == timedelta(hours=-7)


@pytest.mark.parametrize(
    ("name", "wall", "expected"),
    [
        ("Europe/Rome", "2026-07-01T02:30", "2026-07-01T00:30"),
        ("Europe/Rome", "2026-03-29T01:59", "2026-03-29T00:59"),
        ("Europe/Rome", "2026-03-29T02:00", "2026-03-29T01:00"),
        ("Europe/Rome", "2026-03-29T02:59:59", "2026-03-29T01:00"),
        ("Europe/Rome", "2026-03-29T03:00", "2026-03-29T01:00"),
        ("Europe/Rome", "2026-10-25T02:00", "2026-10-25T00:00"),
        ("Europe/Rome", "2026-10-25T03:00", "2026-10-25T02:00"),
        ("Australia/Lord_Howe", "2026-10-04T02:10", "2026-10-03T15:30"),
        ("Antarctica/Troll", "2026-03-29T02:59", "2026-03-29T01:00"),
        ("Africa/Cairo", "2026-04-24T00:00", "2026-04-23T22:00"),
        ("Pacific/Apia", "2011-12-30T12:00", "2011-12-30T10:00"),
    ],
)
def test_a_wall_time_has_one_first_instant(name: str, wall: str, expected: str) -> None:
    """A time leapt over is the moment of the leap, be it half an hour long or a whole day."""
    zone = find_zone(name)
    assert zone is not None
    instant = first_instant(datetime.fromisoformat(wall), zone)
    assert instant == datetime.fromisoformat(expected).replace(tzinfo=UTC)
