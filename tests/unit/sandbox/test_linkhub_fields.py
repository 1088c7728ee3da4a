"""What the LinkHub API accepts in a record's fields."""

from __future__ import annotations

from typing import Any

import pytest

from local.sandbox.linkhub.validation import check_fields
from shared.domain.linkhub import ENTITIES

DEAL = {"name": "A", "status": "LATE"}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"budget": "12.5"}, {"budget": "12.50"}),
        ({"budget": "-0"}, {"budget": "0.00"}),
        ({"budget": "0012.500"}, {"budget": "12.50"}),
        ({"budget": "9" * 15}, {"budget": "9" * 15 + ".00"}),
        ({"budget": None}, {"budget": None}),
        ({"progress": 100}, {"progress": 100}),
        ({"start_date": "2024-02-29"}, {"start_date": "2024-02-29"}),
        ({"name": "Ł" * 255}, {"name": "Ł" * 255}),
        ({"owner": ""}, {"owner": ""}),
    ],
)
def test_accepts(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    """A value of the right type comes out in its one canonical form."""
    assert check_fields("initiatives", DEAL | fields, is_new=True) == (DEAL | expected, [])


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("name", "x" * 256, "too_long"),
        ("name", " ", "required"),
        ("name", 5, "invalid_type"),
        ("status", "late", "invalid_option"),
        ("status", ["LATE"], "invalid_option"),
        ("start_date", "2026-02-29", "invalid_type"),
        ("start_date", "20260228", "invalid_type"),
        ("start_date", "2026-02-28T00:00:00Z", "invalid_type"),
        ("start_date", 20260228, "invalid_type"),
        ("progress", 101, "out_of_range"),
        ("progress", -1, "out_of_range"),
        ("progress", 50.0, "invalid_type"),
        ("progress", True, "invalid_type"),
        ("progress", "50", "invalid_type"),
        ("budget", 12.5, "invalid_type"),
        ("budget", "12.505", "scale"),
        ("budget", "1e3", "invalid_type"),
        ("budget", "NaN", "invalid_type"),
        ("budget", "1" * 16, "out_of_range"),
        ("budget", "\N{ARABIC-INDIC DIGIT FIVE}", "invalid_type"),
        ("buget", "1", "unknown_field"),
    ],
)
def test_rejects(field: str, value: Any, code: str) -> None:
    """A wrong value is named by its field with a code a program can act on."""
    _, errors = check_fields("initiatives", DEAL | {field: value}, is_new=True)
    assert [(error.field, error.code) for error in errors] == [(field, code)]
    assert errors[0].message


def test_required_fields() -> None:
    """A new record needs them; an old one may leave them out, but not empty them."""
    for entity in ENTITIES.values():
        required = [field.name for field in entity.fields if field.required]
        _, missing = check_fields(entity.name, {}, is_new=True)
        assert [error.field for error in missing] == required
        assert check_fields(entity.name, {}, is_new=False) == ({}, [])
        _, emptied = check_fields(entity.name, dict.fromkeys(required), is_new=False)
        assert [error.field for error in emptied] == required
