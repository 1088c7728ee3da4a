from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

from shared.domain.instances import Instance
from shared.store.database import Database
from tests.factories import NOW
from tests.store_kit import LATER, make_oauth_state, seed_instance


def use(database: Database, state_id: str, *, minutes: int = 1) -> bool:
    with database.open_uow() as uow:
        used = uow.oauth_states.use(state_id, now=NOW + timedelta(minutes=minutes))
        uow.commit()
    return used


def test_a_state_is_used_once(database: Database) -> None:
    """A second use, and one after its time, are refused; it comes back as it was otherwise."""
    state = make_oauth_state(seed_instance(database))
    with database.open_uow() as uow:
        uow.oauth_states.add(state)
        uow.commit()
    assert not use(database, state.id, minutes=10)
    assert use(database, state.id)
    assert not use(database, state.id)
    at = NOW + timedelta(minutes=1)
    with database.open_uow(read_only=True) as uow:
        assert uow.oauth_states.find("1" * 64) is None
        assert uow.oauth_states.find(state.state_hash) == replace(state, used_at=at, updated_at=at)


def test_of_many_who_use_a_state_one_may(database: Database) -> None:
    """Two requests at the same moment never redeem one code twice."""
    state = make_oauth_state(seed_instance(database))
    with database.open_uow() as uow:
        uow.oauth_states.add(state)
        uow.commit()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: use(database, state.id), range(8)))
    assert sorted(found) == [False] * 7 + [True]


def keep_state(database: Database, instance: Instance, **values: object) -> None:
    with database.open_uow() as uow:
        state = uow.instances.get_state(instance.id)
        uow.instances.save_state(replace(state, **values), now=NOW)  # type: ignore[arg-type]
        uow.commit()


def test_sign_ins_that_end(database: Database) -> None:
    """Those that end before a moment, soonest first; not those that wait or are past help."""
    made = [seed_instance(database) for _ in range(7)]
    first, second, never, later, waits, lost, gone = made
    keep_state(database, second, token_expires_at=NOW + timedelta(minutes=2))
    keep_state(database, first, token_expires_at=NOW + timedelta(minutes=1), refresh_not_before=NOW)
    keep_state(database, never, token_expires_at=None)
    keep_state(database, later, token_expires_at=LATER + timedelta(minutes=1))
    keep_state(database, waits, token_expires_at=NOW, refresh_not_before=LATER)
    keep_state(database, lost, token_expires_at=NOW, refresh_problem="gone")
    keep_state(database, gone, token_expires_at=NOW)
    with database.open_uow() as uow:
        uow.instances.soft_delete(gone.id, now=NOW)
        uow.commit()
    with database.open_uow(read_only=True) as uow:
        found = uow.instances.list_ending(before=LATER, now=NOW, limit=5)
        assert [instance.id for instance in found] == [first.id, second.id]
        assert len(uow.instances.list_ending(before=LATER, now=NOW, limit=1)) == 1
