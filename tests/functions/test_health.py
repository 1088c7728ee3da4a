"""Liveness and readiness."""

from __future__ import annotations

import pytest

from shared.errors import TransientError
from tests.functions.kit import HttpWorld

SECRET = "AccountKey=canary"


def test_health_needs_nothing(world: HttpWorld) -> None:
    """The process is alive even while nothing it stands on is."""
    world.queue.error = TransientError("down")
    answer = world.nobody.get("api/health")
    assert (answer.status, answer.json) == (200, {"status": "ok"})


def test_ready_once_everything_answers(world: HttpWorld) -> None:
    """SQL, queue and vault answer: ready."""
    answer = world.nobody.get("api/ready")
    assert (answer.status, answer.json) == (200, {"status": "ready"})


@pytest.mark.parametrize("part", ["sql", "queue", "vault"])
def test_not_ready_while_one_part_does_not_answer(
    world: HttpWorld, part: str, caplog: pytest.LogCaptureFixture
) -> None:
    """503 with Retry-After; which part it is stands in the log and nowhere else."""

    def refuse() -> None:
        raise TransientError(f"it refused: {SECRET}")

    name = {"sql": "ping_database"}.get(part, f"ping_{part}")
    world.app.__dict__[name] = refuse
    answer = world.nobody.get("api/ready")
    answer.problem(503, "unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    assert SECRET.encode() not in answer.body
    assert f"{part}: it refused" in caplog.text
