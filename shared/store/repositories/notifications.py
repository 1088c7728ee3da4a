"""Whom a profile wants told of what."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select

from shared.domain.ids import new_id
from shared.domain.notifications import NotificationEvent, NotificationSettings
from shared.store.session import SqlSession
from shared.store.tables import notification_settings as settings
from shared.store.upserts import upsert


class SqlNotificationRepository:
    """Notification settings by profile."""

    def __init__(self, session: SqlSession) -> None:
        self._session = session

    def get(self, profile_id: str) -> NotificationSettings:
        """Return a profile's settings, the usual ones where it never chose any."""
        row = self._session.first(
            select(settings.c.recipients, settings.c.events).where(
                settings.c.profile_id == profile_id
            )
        )
        if row is None:
            return NotificationSettings(profile_id=profile_id)
        return NotificationSettings(
            profile_id=profile_id,
            recipients=tuple(row["recipients"]),
            events=tuple(NotificationEvent(event) for event in row["events"]),
        )

    def save(self, chosen: NotificationSettings, *, now: datetime) -> None:
        """Store a profile's settings in place of the old ones."""
        row = {
            "id": new_id(),
            "profile_id": chosen.profile_id,
            "recipients": list(chosen.recipients),
            "events": [event.value for event in chosen.events],
            "created_at": now,
            "updated_at": now,
        }
        changed = ("recipients", "events", "updated_at")
        upsert(self._session, settings, [row], key=("profile_id",), update=changed)
