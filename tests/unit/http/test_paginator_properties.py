"""Following tokens, for any number of pages and any place to go on from."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import PermanentError
from shared.http.paginators import AfterPaginator, NextLinkPaginator, Paginator

_TOKENS = st.lists(st.text(min_size=1, max_size=4), unique=True, max_size=8)


def answer(token: str | None, path: tuple[str, ...]) -> Any:
    """Return an answer with that token at the path."""
    found: Any = token
    for key in reversed(path):
        found = {} if found is None else {key: found}
    return found


def walk(paginator: Paginator, following: dict[str | None, str | None], *path: str) -> list[Any]:
    """Return the tokens that pages were asked with."""
    asked: list[Any] = []
    while not paginator.is_done:
        asked.append(paginator.token)
        paginator.advance(answer(following.get(paginator.token), path))
    return asked


@given(tokens=_TOKENS, start=st.integers(0, 8), form=st.sampled_from(["after", "link", "own"]))
def test_going_on_from_any_token_asks_for_exactly_the_rest(
    tokens: list[str], start: int, form: str
) -> None:
    """Each page is asked for once, in order, whichever was the last one seen."""
    pages: list[str | None] = [None, *tokens]
    following = dict(zip(pages, [*tokens, None], strict=True))
    first = pages[min(start, len(pages) - 1)]
    paginator, path = {
        "after": (AfterPaginator(token=first), ("paging", "next", "after")),
        "link": (NextLinkPaginator(token=first), ("@odata.nextLink",)),
        "own": (Paginator("a", "b", token=first), ("a", "b")),
    }[form]
    assert walk(paginator, following, *path) == pages[pages.index(first) :]


@given(tokens=_TOKENS.filter(bool), back=st.integers(0, 8), start=st.integers(0, 8))
def test_a_circle_is_always_noticed(tokens: list[str], back: int, start: int) -> None:
    """Wherever the last page leads back to among those that were seen, it ends with an error."""
    first = min(start, len(tokens) - 1)
    to = first + min(back, len(tokens) - 1 - first)
    following: dict[str | None, str | None] = dict(pairwise(tokens))
    following[tokens[-1]] = tokens[to]
    with pytest.raises(PermanentError, match="same next page twice"):
        walk(Paginator("next", token=tokens[first]), following, "next")


@given(
    body=st.recursive(
        st.none() | st.integers() | st.text(),
        lambda one: st.lists(one) | st.dictionaries(st.sampled_from(["a", "b"]), one),
    )
)
def test_any_answer_either_ends_or_names_a_token(body: Any) -> None:
    """No form of answer breaks the paginator: what has no text or number there is the end."""
    paginator = Paginator("a", "b")
    token = paginator.advance(body)
    assert paginator.is_done == (token is None)
