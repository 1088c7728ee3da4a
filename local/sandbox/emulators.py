"""What an emulator is, and how the sandbox finds them: by their packages.

A package of `local/sandbox/` whose `EMULATOR` is an `Emulator` is one; there is nothing to
register. It is mounted under its name, or answers at a port of its own, behind the door that
brings the faults.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import orjson
from starlette.types import ASGIApp

import local.sandbox
from local.sandbox.door import ErrorBody
from local.sandbox.faults import Faults
from local.sandbox.state import read_private, write_private


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a sandbox is started; port 0 takes a free one.

    `redirect_uris` are registered for the OAuth apps of every emulator that has one.
    """

    state_dir: Path
    port: int = 0
    convex_port: int = 0
    deals: int = 25_000
    tasks: int = 3_000
    convex_zip: Path | None = None
    redirect_uris: tuple[str, ...] = ()


class KeptSecrets:
    """The credentials the emulators accept, made once per state folder."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._kept: dict[str, str] = orjson.loads(read_private(path) or b"{}")

    def get(self, name: str, make: Callable[[], str]) -> str:
        """Return the secret of that name; the first time ever, what `make` makes."""
        if name not in self._kept:
            self._kept[name] = make()
            write_private(self._path, orjson.dumps(self._kept))
        return self._kept[name]


@dataclass(frozen=True, slots=True, kw_only=True)
class Premises:
    """What an emulator is built with. `url` is where it will answer; `neighbours` are what the
    emulators it comes after have to share, by name.
    """

    url: str
    options: Options
    secrets: KeptSecrets
    faults: Faults
    neighbours: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """An emulator ready to answer.

    `entry()` is what the directory tells of it beside its URL. Where a product reads its set-up
    from the environment, `settings` in it are the variables that lead there. `shared` is for
    emulators that come after; `close` is called at the end.
    """

    app: ASGIApp
    error_body: ErrorBody
    entry: Callable[[], Mapping[str, Any]]
    shared: Any = None
    close: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True, kw_only=True)
class Emulator:
    """A service that is played. `after`: the emulators it needs. `own_port`: its clients know an
    origin only, so that it cannot stand below a path.
    """

    name: str
    build: Callable[[Premises], Built]
    after: tuple[str, ...] = ()
    own_port: bool = False


def find_emulators() -> list[Emulator]:
    """Return every emulator, each after those it needs."""
    found: dict[str, Emulator] = {}
    for module in iter_modules(local.sandbox.__path__):
        if not module.ispkg:
            continue
        emulator = getattr(import_module(f"local.sandbox.{module.name}"), "EMULATOR", None)
        if isinstance(emulator, Emulator):
            found[emulator.name] = emulator
    order = TopologicalSorter({one.name: one.after for one in found.values()})
    return [found[name] for name in order.static_order()]
