"""What may decide whether a test passes: neither luck nor the clock.

Properties are tried on examples that follow from the test's own text (the profile of `conftest`):
not from the constants of whatever modules happen to be loaded, which Hypothesis would mix in, so
that a test alone meets what it meets among all others. And the product's own dice, of retries and
of samples, fall the same way in each run. Whoever explores says so: `--hypothesis-profile
exploring`, with `--hypothesis-seed=5` for dice that can be thrown again.
"""

from __future__ import annotations

import random
from typing import Final

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.internal.conjecture import providers
from hypothesis.internal.constants_ast import is_local_module_file

_STEADY: Final = "steady"


def overlook_constants() -> None:
    """Make examples independent of the modules that are loaded, unless somebody explores."""
    # Hypothesis, whose version is pinned, has no setting for it; a test shows that this is heard.
    vars(providers)["is_local_module_file"] = _is_mixed_in


def throw_same_dice(test: str) -> None:
    """Let whoever asks for a random number get the same ones in every run of this test."""
    random.seed(test)


def _is_mixed_in(path: str) -> bool:
    return not _is_steady() and is_local_module_file(path)


def _is_steady() -> bool:
    return settings.get_current_profile_name() == _STEADY


def fault_of(item: pytest.Item) -> str:
    """Return what leaves this test to luck or to the clock; '' if nothing does."""
    found = getattr(getattr(item, "obj", None), "_hypothesis_internal_use_settings", None)
    if not isinstance(found, settings) or not _is_steady():
        return ""
    if found.deadline is not None:
        return "it has a deadline"
    if not found.derandomize:
        return "its examples are others in every run"
    if HealthCheck.too_slow not in found.suppress_health_check:
        return "HealthCheck.too_slow judges it by the clock: suppress that one too"
    return ""
