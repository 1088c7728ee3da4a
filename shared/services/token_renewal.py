"""Sign-ins that die unless they are used, used in time."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from shared.errors import IntegratorError
from shared.services.token_refresh import INTERACTIVE_PATIENCE, InstanceTokens, TokenKeeper

_log = logging.getLogger(__name__)

AHEAD: Final = timedelta(days=30)
"""How long before its end a sign-in is renewed: a month of failing every hour tells in time."""

_STATES_KEPT: Final = timedelta(days=1)
_BATCH: Final = 50


def renew_ending(*, keeper: TokenKeeper, sleep: Callable[[float], None] = time.sleep) -> int:
    """Refresh every sign-in that ends within `AHEAD`, some at a time; return how many were.

    One that fails is told in the log (a refused one in its instance, by mail) and holds up no
    other. States of sign-ins that were never completed are forgotten.
    """
    now = keeper.now()
    with keeper.open_uow() as uow:
        uow.oauth_states.prune(now - _STATES_KEPT)
        uow.commit()
    with keeper.open_uow(read_only=True) as uow:
        ending = uow.instances.list_ending(before=now + AHEAD, now=now, limit=_BATCH)
    renewed = 0
    for instance in ending:
        tokens = InstanceTokens(
            keeper,
            provider=instance.provider,
            instance_id=instance.id,
            sleep=sleep,
            patience=INTERACTIVE_PATIENCE,
        )
        try:
            tokens.renew()
        except IntegratorError as error:
            _log.warning("The sign-in of instance %s was not renewed: %s", instance.id, error)
        else:
            renewed += 1
    return renewed
