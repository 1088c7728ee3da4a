"""Packages whose parts are loaded when they are first used, so that a cold start pays for no more.

Both functions make a package's `__getattr__` (PEP 562). Who imports from such a package writes the
usual `from package import part` and gets the usual thing; type checkers see the same.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any


def submodules(package: str) -> Callable[[str], ModuleType]:
    """Return a `__getattr__` by which `from package import module` loads the module at first use.

    Raises AttributeError, and so ImportError at the import, for a module that does not exist.
    """

    def find(name: str) -> ModuleType:
        if name.startswith("_") or find_spec(f"{package}.{name}") is None:
            raise _unknown(package, name)
        return _Deferred(f"{package}.{name}")

    return find


def exports(package: str, names_of: Mapping[str, str]) -> Callable[[str], Any]:
    """Return a `__getattr__` that finds each name in the submodule said to hold it.

    `names_of` has the names of each submodule, separated by spaces.
    """
    homes = {name: module for module, names in names_of.items() for name in names.split()}

    def find(name: str) -> Any:
        if name not in homes:
            raise _unknown(package, name)
        home = import_module(f"{package}.{homes[name]}")
        # All of them: Python has just bound the submodule's own name, which may be one of these.
        for other in names_of[homes[name]].split():
            setattr(sys.modules[package], other, getattr(home, other))
        return getattr(home, name)

    return find


class _Deferred(ModuleType):
    """Stands for a module. The module itself is imported as ever, under Python's own locks."""

    @property
    def __dict__(self) -> dict[str, Any]:  # type: ignore[override]  # `vars` and monkeypatch ask
        return import_module(self.__name__).__dict__

    def __getattr__(self, name: str) -> Any:
        return getattr(import_module(self.__name__), name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(import_module(self.__name__), name, value)

    def __delattr__(self, name: str) -> None:
        delattr(import_module(self.__name__), name)


def _unknown(package: str, name: str) -> AttributeError:
    return AttributeError(f"module {package!r} has no attribute {name!r}")
