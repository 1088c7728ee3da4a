from __future__ import annotations

from dataclasses import replace

from shared.domain.notifications import GATHERED_FOR
from shared.services.pruning import prune
from tests.mail_kit import notices_of
from tests.unit.services.test_outbox import broken_of_another
from tests.world import World, world

__all__ = ["world"]


def test_old_notices_are_pruned_but_those_that_wait(world: World) -> None:
    """What was told long ago goes; what still has to be told stays, however old."""
    told, waiting = broken_of_another(world, "ada"), broken_of_another(world, "grace")
    world.clock.now += GATHERED_FOR
    [notice] = notices_of(world.database, told.id)
    with world.database.open_uow() as uow:
        uow.outbox.mark_sent(replace(notice, mail_id=""), error="", now=world.clock())
        uow.commit()
    world.clock.move(days=91)
    assert prune(keep_days=90, open_uow=world.database.open_uow, now=world.clock) == 1
    assert notices_of(world.database, told.id) == []
    assert len(notices_of(world.database, waiting.id)) == 1
