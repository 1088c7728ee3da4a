"""Queue triggers: one adapter sync each, and the poison queues behind them.

`host.json` decides how often a failed message comes again before it lands in a poison queue.
"""

from __future__ import annotations

import azure.functions as func

from functions.bootstrap import app
from shared.domain.messages import MANUAL_QUEUE, POISON_SUFFIX, SCHEDULED_QUEUE, parse_message

bp = func.Blueprint()
STORAGE = "AzureWebJobsStorage"


@bp.queue_trigger(arg_name="msg", queue_name=MANUAL_QUEUE, connection=STORAGE)
def sync_manual(msg: func.QueueMessage) -> None:
    """Run a sync somebody asked for."""
    _run(msg)


@bp.queue_trigger(arg_name="msg", queue_name=SCHEDULED_QUEUE, connection=STORAGE)
def sync_scheduled(msg: func.QueueMessage) -> None:
    """Run a sync whose time has come."""
    _run(msg)


@bp.queue_trigger(arg_name="msg", queue_name=MANUAL_QUEUE + POISON_SUFFIX, connection=STORAGE)
def sync_manual_poison(msg: func.QueueMessage) -> None:
    """Settle a message that failed too often."""
    _settle_poison(msg, MANUAL_QUEUE)


@bp.queue_trigger(arg_name="msg", queue_name=SCHEDULED_QUEUE + POISON_SUFFIX, connection=STORAGE)
def sync_scheduled_poison(msg: func.QueueMessage) -> None:
    """Settle a message that failed too often."""
    _settle_poison(msg, SCHEDULED_QUEUE)


def _run(msg: func.QueueMessage) -> None:
    from shared.services.runs import run_job

    run_job(parse_message(msg.get_body()), ports=app().run_ports)


def _settle_poison(msg: func.QueueMessage, queue_name: str) -> None:
    from shared.services.dead_letters import take_poison

    take_poison(
        msg.get_body(),
        queue_name=queue_name,
        redrive_delays=app().settings.redrive_seconds,
        open_uow=app().open_uow,
        queue=app().queue,
        now=app().now,
    )
