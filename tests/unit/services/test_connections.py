from __future__ import annotations

from dataclasses import replace

import pytest

from shared.domain.providers import ConnectionOption
from shared.errors import InvalidInputError
from shared.services.connections import checked_options
from tests.store_kit import make_spec

_CHOICES = ConnectionOption(name="read_by", label="Source", default="a", choices=("a", "b"))


@pytest.mark.parametrize("given", [{}, {"read_by": "b"}, {"read_by": " a "}])
def test_a_choice_may_be_left_to_its_default(given: dict[str, str]) -> None:
    """An option with choices takes one of them, or nothing."""
    spec = replace(make_spec(), options=(_CHOICES,))
    assert set(checked_options(spec, given).values()) <= {"a", "b"}


@pytest.mark.parametrize("value", ["c", "", "A"])
def test_another_value_is_refused_with_the_choices(value: str) -> None:
    """The error names the option as people write it, and what it can be."""
    spec = replace(make_spec(), options=(_CHOICES,))
    with pytest.raises(InvalidInputError, match=r"options\.readBy: it must be one of a, b"):
        checked_options(spec, {"read_by": value})
