"""Profiles, where two requests of one newcomer meet."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from shared.domain.profiles import Caller, Profile
from shared.services.profiles import get_profile, save_profile
from shared.store.database import Database
from shared.store.unit_of_work import UnitOfWork
from tests.factories import NOW
from tests.store_kit import database

__all__ = ["database"]

CALLER = Caller(issuer="https://issuer.test", subject="ada")


def save(name: str, open_uow: Any) -> Profile:
    return save_profile(
        CALLER,
        name=name,
        email="",
        locale="en",
        time_zone="UTC",
        open_uow=open_uow,
        now=lambda: NOW,
    )


def test_a_newcomers_second_request_changes_what_the_first_made(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both looked and found no profile, as SQL Server lets them: there is one, and no refusal."""
    made: list[Profile] = []

    @contextmanager
    def overtaken() -> Iterator[UnitOfWork]:
        """Open a unit of work that, the first time, looked before the other one's commit."""
        is_late = not made
        if is_late:
            made.append(save("first", database.open_uow))
        with database.open_uow() as uow:
            if is_late:
                monkeypatch.setattr(uow.profiles, "find_by_subject", lambda *_: None)
            yield uow

    second = save("second", overtaken)
    assert [second.id] == [profile.id for profile in made]
    assert get_profile(CALLER, open_uow=database.open_uow).name == "second"
