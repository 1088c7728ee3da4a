"""English."""

from __future__ import annotations

from datetime import datetime

from shared.domain.notifications import NotificationEvent
from shared.services.mail_templates.wording import EventWording, Wording

_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)


def _digest(count: int) -> str:
    return f"{count} connections need your attention"


def _more(count: int) -> str:
    return "And 1 more connection." if count == 1 else f"And {count} more connections."


def _moment(moment: datetime) -> str:
    return f"{moment.day} {_MONTHS[moment.month - 1]} {moment.year}, {moment:%H:%M}"


WORDING = Wording(
    language="en",
    events={
        NotificationEvent.RECONNECT_NEEDED: EventWording(
            title="Reconnect needed: $instance",
            what=(
                "$provider no longer accepts the sign-in of this connection. The access may have "
                "been withdrawn, have expired, or lack a permission."
            ),
            todo=(
                "Open the connection in the dashboard, choose Reconnect and sign in at $provider "
                "again. Nothing is synced until then; what was synced before is kept."
            ),
            action="Reconnect $instance",
        ),
        NotificationEvent.SYNC_FAILED: EventWording(
            title="Sync failed: $instance",
            what=(
                "The sync with $provider has failed, and trying again by itself will not help. It "
                "is stopped; what was synced before is kept."
            ),
            todo=(
                "Open the connection in the dashboard, see what went wrong, and start the sync "
                "again once that is corrected. It goes on from where it stopped."
            ),
            action="Open $instance in the dashboard",
        ),
        NotificationEvent.APPROVAL_NEEDED: EventWording(
            title="Approval needed: $instance",
            what=(
                "The sync with $provider would remove more than it usually does. It has stopped "
                "before doing so and waits for your decision."
            ),
            todo=(
                "Open the connection in the dashboard and see what would be removed. Approve the "
                "sync to let it go on, or reject it to leave everything as it is."
            ),
            action="Decide about $instance in the dashboard",
        ),
    },
    digest=_digest,
    more=_more,
    when_label="When",
    detail_label="Message",
    footer=(
        "LinkHub Integrator sends you this because your profile is to be told when a connection "
        "needs a person. You can change that in the notification settings."
    ),
    moment=_moment,
)
