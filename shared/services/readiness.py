"""Whether everything the app stands on answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping


def check_readiness(pings: Mapping[str, Callable[[], None]]) -> list[str]:
    """Call every ping; return "name: why" of each that fails."""
    failures = []
    for name, ping in pings.items():
        try:
            ping()
        except Exception as error:  # noqa: BLE001  whatever it is, that part is not ready
            failures.append(f"{name}: {error}")
    return failures
