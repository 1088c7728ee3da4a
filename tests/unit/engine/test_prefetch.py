from __future__ import annotations

import threading
from collections.abc import Generator
from dataclasses import replace

import pytest

from shared.domain.changes import Page
from shared.engine.prefetch import coalesce, prefetched
from shared.errors import TransientError
from tests.factories import make_changes, make_page

WAIT = 60
"""Seconds after which what was waited for will not come any more."""


def test_small_pages_are_joined_without_changing_what_they_say() -> None:
    """Joined pages hold the same changes in order, the last checkpoint and all totals."""
    pages = [
        make_page(make_changes(2, start=n), resume=n + 2, totals={f"t{n}": n}) for n in (0, 2, 4)
    ]
    joined = list(coalesce(pages, 4))
    assert [len(page.changes) for page in joined] == [4, 2]
    assert [c for page in joined for c in page.changes] == make_changes(6)
    assert [page.checkpoint.resume for page in joined] == [4, 6]
    assert joined[0].totals == {"t0": 0, "t2": 2}


def test_what_was_read_before_an_error_comes_before_it() -> None:
    """A page waiting to be joined is handed over before the source's error."""

    def source() -> Generator[Page]:
        yield make_page(make_changes(1), resume=1)
        raise TransientError("busy")

    pages = coalesce(source(), 100)
    assert next(pages).checkpoint.resume == 1
    with pytest.raises(TransientError):
        next(pages)


def test_the_next_page_is_fetched_while_this_one_is_used() -> None:
    """The source is asked for page two before the reader asks for it."""
    second_asked = threading.Event()

    def source() -> Generator[Page]:
        yield make_page([], resume=1)
        second_asked.set()
        yield make_page([])

    with prefetched(source) as pages:
        next(pages)
        assert second_asked.wait(WAIT)


def test_what_is_at_hand_is_read_when_it_is_wanted() -> None:
    """A source that need not wait does not work while its last page is used."""
    asked: list[int] = []

    def source() -> Generator[Page]:
        for number in (1, 2, 3):
            asked.append(number)
            yield replace(make_page([], resume=number), is_at_hand=True)

    with prefetched(lambda: coalesce(source(), 1)) as pages:
        for number, _ in enumerate(pages, start=1):
            assert asked == list(range(1, number + 1))
    assert asked == [1, 2, 3]


def test_leaving_early_closes_the_source() -> None:
    """A reader that stops leaves no thread and no open source behind."""
    closed = threading.Event()

    def source() -> Generator[Page]:
        try:
            while True:
                yield make_page([], resume=1)
        finally:
            closed.set()

    before = set(threading.enumerate())
    with prefetched(source) as pages:
        next(pages)
    assert closed.is_set()
    assert set(threading.enumerate()) <= before


def test_an_error_of_the_source_reaches_the_reader() -> None:
    """Whatever the source raises, the reader gets, once the pages before it are read."""

    def source() -> Generator[Page]:
        yield make_page([], resume=1)
        raise TransientError("busy", retry_after=3)

    with prefetched(source) as pages:
        next(pages)
        with pytest.raises(TransientError, match="busy"):
            next(pages)


def test_no_more_than_one_page_waits() -> None:
    """However slow the reader, the source is asked for the page after the next one only."""
    asked: list[int] = []
    third = threading.Event()

    def source() -> Generator[Page]:
        for number in range(5):
            asked.append(number)
            if number == 2:
                third.set()
            yield make_page(make_changes(1, start=number), resume=number)

    with prefetched(source) as pages:
        next(pages)
        assert not third.wait(0.05)
        assert asked in ([0], [0, 1])
        next(pages)
        assert third.wait(WAIT)
