"""The four steps a person sets an instance up in, and the order they come in."""

from __future__ import annotations

from types import MappingProxyType

from shared.domain.instances import SetupStep
from shared.errors import ConflictError

ORDER = (
    SetupStep.NOT_STARTED,
    SetupStep.CONNECTION,
    SetupStep.MAPPING,
    SetupStep.SYNC_CONFIG,
    SetupStep.COMPLETED,
)

_HOW = MappingProxyType(
    {
        SetupStep.CONNECTION: "connect it (PUT …/connection, or POST …/oauth/start)",
        SetupStep.MAPPING: "confirm what is synced (PUT …/mappings, or PUT …/tables)",
        SetupStep.SYNC_CONFIG: "say when it syncs (PUT …/sync-config)",
        SetupStep.COMPLETED: "activate it (POST …/activate)",
    }
)


def require_step(step: SetupStep, needed: SetupStep) -> None:
    """Raise ConflictError naming the first step that is missing before `needed` counts as done."""
    if ORDER.index(step) < ORDER.index(needed):
        missing = ORDER[ORDER.index(step) + 1]
        raise ConflictError(f"The step {missing.value!r} is missing: {_HOW[missing]} first.")


def advance(step: SetupStep, done: SetupStep) -> SetupStep:
    """Return where a set-up stands that stood at `step`, once the step `done` was done (again).

    Going back makes every later step due again; a completed set-up stays completed, for each step
    of it can be changed by itself. Raise ConflictError for a step that comes too early.
    """
    require_step(step, ORDER[max(ORDER.index(done) - 1, 0)])
    return step if step is SetupStep.COMPLETED else done
