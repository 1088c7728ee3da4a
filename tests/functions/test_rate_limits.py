"""The rate limit as callers meet it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import event

from functions.bootstrap import App
from shared.errors import TransientError
from tests.functions.kit import Answer, HttpWorld

NAMES = {"RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "RateLimit-Policy"}


@pytest.fixture
def strict(world: HttpWorld) -> HttpWorld:
    """Return the world with the limits of production, nothing used up yet."""
    assert world.ada.get("me").status == 200  # the profile exists
    world.app.settings = replace(world.app.settings, writes_burst=10, reads_burst=100)
    for name in ("limiter", "_rate_limits"):
        world.app.__dict__.pop(name, None)
    with world.app.database.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM rate_buckets")
    return world


@contextmanager
def statements(app: App) -> Iterator[list[str]]:
    """Collect what runs on the database, but for the beginning of a transaction."""
    seen: list[str] = []

    def note(_conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if not statement.startswith("BEGIN"):
            seen.append(statement)

    event.listen(app.database.engine, "before_cursor_execute", note)
    yield seen
    event.remove(app.database.engine, "before_cursor_execute", note)


def headers(answer: Answer) -> tuple[str, ...]:
    return tuple(answer.headers[name] for name in sorted(NAMES))


def test_ten_writes_at_once_and_one_a_second_after_that(strict: HttpWorld) -> None:
    """The eleventh write is 429 and says when to come back; then it passes."""
    ada = strict.ada
    answers = [ada.put("me", {"name": "Ada"}) for _ in range(11)]
    assert [answer.status for answer in answers] == [200] * 10 + [429]
    refused = answers[-1]
    assert "60 writes a minute" in refused.problem(429, "too-many-requests")["detail"]
    assert refused.headers["Retry-After"] == "1"
    strict.clock.move(seconds=1)
    assert ada.put("me", {"name": "Ada"}).status == 200


def test_reads_have_a_larger_bucket_of_their_own(strict: HttpWorld) -> None:
    """A hundred reads at once pass whatever was written; the next is refused for a tenth of 1 s."""
    ada = strict.ada
    while ada.put("me", {"name": "Ada"}).status == 200:
        continue
    statuses = [ada.get("me").status for _ in range(100)]
    assert statuses[:-1] == [200] * 99  # `strict.ada` looked for the profile first
    assert ada.get("me").problem(429, "too-many-requests")
    assert strict.bob.get("me").status == 200


def test_every_answer_tells_how_the_caller_stands(strict: HttpWorld) -> None:
    """Limit, what remains, seconds until the whole burst is there again, and the policy."""
    ada = strict.ada
    assert headers(ada.put("me", {"name": "Ada"})) == ("10", "60;w=60;burst=10", "9", "1")
    wrong = ada.put("me", {"name": 7})
    assert (wrong.status, headers(wrong)) == (400, ("10", "60;w=60;burst=10", "8", "2"))
    assert headers(ada.get("me"))[:2] == ("100", "600;w=60;burst=100")
    while (refused := ada.put("me", {"name": "Ada"})).status == 200:
        continue
    assert headers(refused) == ("10", "60;w=60;burst=10", "0", "10")


def test_401_comes_before_429(strict: HttpWorld) -> None:
    """Somebody without a valid token is told so, uses up nobody's tokens and costs no SQL."""
    with statements(strict.app) as seen:
        for _ in range(200):
            answer = strict.nobody.get("me")
            assert answer.status == 401
            assert not NAMES & set(answer.headers)
    assert seen == []
    assert strict.ada.get("me").status == 200


def test_429_comes_before_the_body_and_the_id(strict: HttpWorld) -> None:
    """Who asks too often learns nothing else."""
    ada = strict.ada
    while ada.delete("instances/x").status == 404:
        continue
    ada.call("POST", "instances", raw=b"x" * 2_000_000).problem(429, "too-many-requests")
    ada.delete("instances/x").problem(429, "too-many-requests")


def test_public_routes_are_limited_by_the_size_of_the_body_only(strict: HttpWorld) -> None:
    """Hundreds of calls pass without a statement on rate buckets; a large body does not."""
    with statements(strict.app) as seen:
        for _ in range(300):
            answer = strict.nobody.get("api/health")
            assert answer.status == 200
            assert not NAMES & set(answer.headers)
    assert seen == []
    answer = strict.nobody.call("GET", "api/health", raw=b"x" * 1_000_001)
    answer.problem(413, "too-large")


def test_get_me_is_one_statement_and_writes_nothing(strict: HttpWorld) -> None:
    """The first request of a caller, and each one after it, costs one SELECT and no write."""
    ada = strict.ada
    for name in ("limiter", "_rate_limits"):  # a worker that has served nobody yet
        strict.app.__dict__.pop(name, None)
    for _ in range(60):
        with statements(strict.app) as seen:
            assert ada.get("me").status == 200
        assert len(seen) == 1
        assert seen[0].startswith("SELECT")
        strict.clock.move(seconds=0.2)


def test_without_sql_the_answer_is_503(strict: HttpWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit is not lifted while it cannot be counted; nothing is answered without SQL."""
    ada = strict.ada

    def away(**_: bool) -> Any:
        raise TransientError("The database cannot answer now.", retry_after=3)

    limiter = strict.app.limiter
    monkeypatch.setattr(limiter, "_open_uow", away)
    answer = ada.call("PUT", "me", body={"name": "Ada"})
    answer.problem(503, "unavailable")
    assert answer.headers["Retry-After"] == "3"
