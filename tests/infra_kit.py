"""The Bicep files as parsed dictionaries. The parser knows the syntax; the tests add the rest."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pycep import BicepParser

ROOT = Path(__file__).resolve().parent.parent
INFRA = ROOT / "infra"


@dataclass(frozen=True, slots=True, kw_only=True)
class BicepFile:
    """One parsed file; `text` is without comments."""

    name: str
    text: str
    parsed: dict[str, Any]

    def part(self, name: str) -> dict[str, Any]:
        """Return a part ("parameters", "resources", …), empty where the file has none."""
        found: dict[str, Any] = self.parsed.get(name, {})
        return found


@cache
def bicep_files() -> dict[str, BicepFile]:
    """Return every Bicep file by its path below `infra/`."""
    parser = BicepParser(cache=False)
    files = {}
    for path in sorted(INFRA.rglob("*.bicep")):
        text, name = path.read_text(encoding="utf-8"), path.relative_to(INFRA).as_posix()
        parsed: Any = parser.parse(text=text)
        plain = re.sub(r"(?m)^\s*//.*$", "", text)
        files[name] = BicepFile(name=name, text=plain, parsed=parsed)
    return files


def resources_of(kind: str) -> list[dict[str, Any]]:
    """Return the configuration of every resource of a type that the files create."""
    return [
        resource["config"]
        for file in bicep_files().values()
        for resource in file.part("resources").values()
        if resource["type"] == kind and not resource["existing"]
    ]


def words_of(value: Any) -> Iterator[str]:
    """Yield every word that stands in a value's strings, keys with interpolations included."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if "${" in key:
                yield from re.findall(r"\w+", key)
            yield from words_of(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from words_of(inner)
    elif isinstance(value, str):
        yield from re.findall(r"\w+", value)


def owners_of(value: Any) -> Iterator[str]:
    """Yield the first name of every dotted one, such as `app` of `app.properties.host`."""
    if isinstance(value, dict):
        if value.get("type") == "property_accessor":
            first = value["operands"]["operand_1"]
            yield from [first] if isinstance(first, str) else owners_of(first)
            return
        for inner in value.values():
            yield from owners_of(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from owners_of(inner)
    elif isinstance(value, str):
        yield from re.findall(r"\$\{(\w+)\.", value)
