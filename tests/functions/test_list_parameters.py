"""A list's query parameters are texts: those the API document permits are read, others refused."""

from __future__ import annotations

from typing import Any

import azure.functions as func
import pytest
from jsonschema_rs import Draft202012Validator

from functions.http_inputs import list_query
from shared.domain.paging import ListQuery
from shared.errors import InvalidInputError
from tests.functions.answers_kit import document


def read(name: str, text: str) -> ListQuery | None:
    """Return what a list is asked for with the parameter; None where it is refused."""
    request = func.HttpRequest("GET", "http://api.test", params={name: text}, body=b"")
    try:
        return list_query(request)
    except InvalidInputError:
        return None


def is_documented(name: str, value: Any) -> bool:
    """Return whether the document permits the value."""
    schema = document()["components"]["parameters"][name]["schema"]
    return Draft202012Validator(schema, validate_formats=True).is_valid(value)


@pytest.mark.parametrize("text", ["1", "2", "10", "200", "007"])
def test_a_limit_is_digits(text: str) -> None:
    """A whole number from 1 to 200."""
    assert is_documented("limit", int(text))
    found = read("limit", text)
    assert found is not None
    assert found.limit == int(text)


@pytest.mark.parametrize("text", ["0", "-1", "201", "-200", "9" * 5000])
def test_a_limit_has_limits(text: str) -> None:
    """No list is empty, backwards or endless."""
    assert read("limit", text) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        " 5",
        "5 ",
        "+5",
        "1_0",
        "5.0",
        "1e1",
        "0x5",
        "٣",
        "true",
        "null",
        "5\n",
        "[5]",
    ],
)
def test_a_limit_is_nothing_else(text: str) -> None:
    """What Python takes for a number and no JSON does is refused, as is all that is no number."""
    assert read("limit", text) is None


@pytest.mark.parametrize("query", ["limit=", "limit", "limit=5&limit=", "from=&limit=&to="])
def test_a_limit_is_not_left_empty(query: str) -> None:
    """The host hands over no parameter that is empty; the address shows that it was there."""
    url = f"http://api.test/api/v1/jobs?{query}"
    with pytest.raises(InvalidInputError, match="limit"):
        list_query(func.HttpRequest("GET", url, params={}, body=b""))


@pytest.mark.parametrize("query", ["", "?", "?from=&to=&status=&provider=&cursor=", "?unlimit="])
def test_other_parameters_may_be_empty(query: str) -> None:
    """Any text is one of these, and an empty one asks for nothing; so does a time."""
    url = f"http://api.test/api/v1/jobs{query}"
    assert list_query(func.HttpRequest("GET", url, params={}, body=b"")) == ListQuery()
    assert is_documented("from", "")


TIMES = (
    *("2026-11-21", "2026-11-21T08:00:00Z", "2026-11-21t08:00:00z", "2026-11-21T08:00:00.123456Z"),
    *("2026-11-21T09:00:00+01:00", "2026-11-21T08:00:00.5", "2026-11-21T08:00:00", "2024-02-29"),
    *("20261121", "2026-W47-6", "2026-11", "2026", "2026-11-21T08", "2026-11-21T08:00", "08:00:00"),
    *("2026-11-21T08:00:00+01", "2026-11-21T08:00:00+0100", "2026-11-21T080000Z", "2026-1-1"),
    *("2026-11-21 08:00:00Z", "2026-11-21_08:00:00Z", "2026-11-21T08:00:00,5Z", "2026-11-21T"),
    *("2026-11-21Z", "2026-02-30", "2025-02-29", "2026-13-01", "2026-11-21T24:00:00Z", "now", "0"),
    *("2026-11-21T08:60:00Z", "2026-11-21T08:00:00+25:00", "٢٠٢٦-11-21", "2026-11-21T08:00:00ZZ"),
    *(
        " 2026-11-21",
        "2026-11-21\n",
        "-2026-11-21",
        "+02026-11-21",
        "null",
        "2026-11-21T08:00:00.Z",
    ),
)


@pytest.mark.parametrize("name", ["from", "to"])
@pytest.mark.parametrize("text", TIMES)
def test_a_time_is_as_documented(name: str, text: str) -> None:
    """RFC 3339's dates and times, without a zone too, and no other form that ISO 8601 knows."""
    assert (read(name, text) is not None) is is_documented(name, text)


def test_both_kinds_of_times_are_tried() -> None:
    """The table holds times that are permitted and such that are not."""
    permitted = [text for text in TIMES if is_documented("from", text)]
    assert permitted == list(TIMES[:8])


@pytest.mark.parametrize("name", ["from", "to"])
def test_an_offset_whose_plus_was_not_escaped_is_read(name: str) -> None:
    """In a query, `+` is a space: the moment is the one that was meant."""
    escaped, not_escaped = (read(name, f"2026-11-21T09:00:00{sign}01:00") for sign in "+ ")
    assert escaped is not None
    assert escaped == not_escaped
