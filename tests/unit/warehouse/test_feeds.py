"""Feeds: rows reach each table in order, within a budget, and no thread outlives its use."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from shared.sinks.warehouse.feeds import PARTS, TABLES, AbandonedError, Feeds, Part, Send


class _Server:
    """Keeps what arrives by table; lets nothing through while `is_open` is not set."""

    def __init__(self) -> None:
        self.is_open = threading.Event()
        self.is_open.set()
        self.taken = threading.Semaphore(0)
        self.rows: dict[str, list[Any]] = {}
        self.ended: list[str] = []

    def sender(self, table: str) -> Any:
        def send(parts: Iterator[Part]) -> None:
            for part in parts:
                self.taken.release()
                assert self.is_open.wait(60)
                self.rows.setdefault(table, []).extend(part)
            self.ended.append(table)

        return send


def _part(*numbers: int) -> Part:
    return [(number,) for number in numbers]


def _put(feeds: Feeds, table: str, part: Part, send: Send) -> None:
    if not feeds.has(table):
        feeds.begin(table, send)
    feeds.put(table, part)


def _threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "feed"]


def test_rows_of_each_table_arrive_in_order() -> None:
    """Whatever other tables get in between, drained is all of it stored and every thread ended."""
    server, feeds = _Server(), Feeds()
    for number in range(20):
        table = f"t{number % TABLES}"
        _put(feeds, table, _part(number, number + 100), server.sender(table))
    feeds.drain()
    assert not feeds.is_busy
    for table, rows in server.rows.items():
        first = int(table[1:])
        every = range(first, 20, TABLES)
        assert rows == [(n,) for number in every for n in (number, number + 100)]
    assert _threads() == []


def test_one_table_is_drained_while_others_go_on() -> None:
    """What a table has got is stored then; a further part begins a feed anew."""
    server, feeds = _Server(), Feeds()
    _put(feeds, "a", _part(1), server.sender("a"))
    _put(feeds, "b", _part(2), server.sender("b"))
    feeds.drain("a")
    assert server.rows["a"] == [(1,)]
    assert server.ended == ["a"]
    _put(feeds, "a", _part(3), server.sender("a"))
    feeds.drain()
    assert server.rows == {"a": [(1,), (3,)], "b": [(2,)]}
    assert sorted(server.ended) == ["a", "a", "b"]


def test_no_more_tables_at_once_than_the_budget_has() -> None:
    """The table that got nothing for the longest time is ended for the next one."""
    server, feeds = _Server(), Feeds()
    names = [f"t{number}" for number in range(TABLES)]
    for name in [*names, names[0]]:
        _put(feeds, name, _part(1), server.sender(name))
    _put(feeds, "one more", _part(1), server.sender("one more"))
    assert server.ended == [names[1]]
    assert len(_threads()) == TABLES
    feeds.drain()


def test_no_more_parts_on_their_way_than_the_budget_has() -> None:
    """A part more waits until one has arrived; that one is counted until the next is asked for."""
    server, feeds = _Server(), Feeds()
    server.is_open.clear()
    for number in range(PARTS):
        _put(feeds, "a", _part(number), server.sender("a"))
    is_put = threading.Event()

    def put_one_more() -> None:
        _put(feeds, "b", _part(PARTS), server.sender("b"))
        is_put.set()

    other = threading.Thread(target=put_one_more)
    other.start()
    assert server.taken.acquire(timeout=60)
    assert not is_put.is_set()
    server.is_open.set()
    assert is_put.wait(60)
    other.join()
    feeds.drain()
    assert server.rows == {"a": [(number,) for number in range(PARTS)], "b": [(PARTS,)]}


class _GoneError(Exception):
    pass


def _dies(parts: Iterator[Part]) -> None:
    next(parts)
    raise _GoneError("connection lost")


def test_what_a_feed_dies_of_reaches_the_writer() -> None:
    """At the latest when it is drained; nothing waits for a feed that is dead."""
    feeds = Feeds()

    def put_many() -> None:
        for number in range(PARTS + 2):
            _put(feeds, "a", _part(number), _dies)

    with pytest.raises(_GoneError, match="connection lost"):
        put_many()
    with pytest.raises(_GoneError):
        feeds.drain()
    feeds.abandon()
    assert not feeds.is_busy
    assert _threads() == []


def test_what_is_abandoned_ends_at_once() -> None:
    """The sender hears of it instead of its next part, and its errors matter to nobody."""
    heard: list[str] = []

    def send(parts: Iterator[Part]) -> None:
        try:
            heard.extend("part" for _ in parts)
        except AbandonedError:
            heard.append("abandoned")
            raise

    feeds = Feeds()
    _put(feeds, "a", _part(1), send)
    feeds.abandon()
    assert heard[-1] == "abandoned"
    assert not feeds.is_busy
    assert _threads() == []
    feeds.drain()
