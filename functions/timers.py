"""Timer triggers: two, since each is a scale group of its own."""

from __future__ import annotations

import azure.functions as func

from functions.bootstrap import app

bp = func.Blueprint()


@bp.timer_trigger(arg_name="timer", schedule="0 * * * * *", use_monitor=True)
def tick(timer: func.TimerRequest) -> None:  # noqa: ARG001  late or not, the work is the same
    """Every minute: queue again what nothing would run any more, start and mail what is due."""
    from shared.services.outbox import send_due
    from shared.services.reaper import reap
    from shared.services.scheduling import start_due

    reap(open_uow=app().open_uow, queue=app().queue, now=app().now)
    start_due(open_uow=app().open_uow, queue=app().queue, now=app().now)
    mailer = app().mailer
    if mailer is not None:
        dashboard = app().settings.dashboard_url
        send_due(open_uow=app().open_uow, mailer=mailer, now=app().now, dashboard_url=dashboard)


@bp.timer_trigger(arg_name="timer", schedule="0 17 * * * *", use_monitor=True)
def maintain(timer: func.TimerRequest) -> None:  # noqa: ARG001  likewise
    """Every hour: remove what nobody needs any more, keep alive what dies unused."""
    from adapters import all_providers
    from shared.services.keep_alive import keep_alive
    from shared.services.pruning import prune
    from shared.services.secrets import remove_secrets
    from shared.services.token_renewal import renew_ending

    prune(keep_days=app().settings.log_records_days, open_uow=app().open_uow, now=app().now)
    renew_ending(keeper=app().token_keeper)
    keep_alive(all_providers(), open_uow=app().open_uow, queue=app().queue, now=app().now)
    remove_secrets(
        open_uow=app().open_uow,
        vault=app().vault,
        now=app().now,
        revoke=app().revoke_sign_in,
    )
