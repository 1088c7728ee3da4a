"""Following pages to their end and no further."""

from __future__ import annotations

import pytest

from shared.errors import PermanentError
from shared.http.paginators import AfterPaginator, NextLinkPaginator


def after(token: str) -> dict[str, object]:
    return {"results": [], "paging": {"next": {"after": token}}}


def test_after_is_followed_until_there_is_none() -> None:
    """Each answer names the next token; an answer without one ends it."""
    pages = AfterPaginator()
    assert [pages.advance(after("1")), pages.advance(after("2"))] == ["1", "2"]
    assert (pages.advance({"results": []}), pages.token, pages.is_done) == (None, None, True)


@pytest.mark.parametrize("answer", [{}, {"paging": None}, {"paging": {"next": {}}}, [], None])
def test_an_answer_without_a_token_is_the_last(answer: object) -> None:
    """Whatever stands in its place, no token means the end."""
    assert AfterPaginator(token="7").advance(answer) is None


@pytest.mark.parametrize("circle", [["1"], ["2", "1"], ["2", "3", "2"]])
def test_going_round_in_a_circle_is_noticed(circle: list[str]) -> None:
    """A token seen before, the one resumed from included, ends the read as a permanent error."""
    pages = AfterPaginator(token="1")
    *before, last = circle
    for token in before:
        pages.advance(after(token))
    with pytest.raises(PermanentError, match="twice"):
        pages.advance(after(last))


def test_next_links_are_kept_as_they_are() -> None:
    """OData's link is opaque."""
    link = "https://graph.test/v1.0/tasks?$skiptoken=a%20b"
    assert NextLinkPaginator().advance({"value": [], "@odata.nextLink": link}) == link
