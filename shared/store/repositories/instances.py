"""Instances and what machines know of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Select, Update, insert, select, text, update

from shared.domain.instances import Instance, InstanceState, InstanceStatus
from shared.domain.paging import ListQuery, Slice
from shared.errors import ConflictError, NotFoundError
from shared.store.faults import ForeignKeyError, UniqueError
from shared.store.lists import fetch_slice, where_given
from shared.store.repositories.filters import member_of
from shared.store.rows import columns_of, from_row, to_row
from shared.store.session import SqlSession
from shared.store.tables import instance_state
from shared.store.tables import integration_instances as instances
from shared.store.tables.instances import EXPIRING, GOING_ON, NOT_DELETED, SCHEDULED

_NONE = "There is no such instance."
_COLUMNS = columns_of(instances, Instance)
_STATE_COLUMNS = columns_of(instance_state, InstanceState)


class SqlInstanceRepository:
    """Instances that are not deleted; a deleted one is as good as none."""

    def __init__(self, session: SqlSession) -> None:
        self._session = session

    def add(self, instance: Instance) -> None:
        """Store a new instance and its empty state.

        ConflictError where the profile has the provider (with this connection key) already,
        NotFoundError where there is no such profile or provider.
        """
        state = InstanceState(instance_id=instance.id)
        times = {"created_at": instance.created_at, "updated_at": instance.updated_at}
        try:
            self._session.run(insert(instances).values(**to_row(instance)))
            self._session.run(insert(instance_state).values(**to_row(state), **times))
        except UniqueError:
            raise ConflictError(
                f"This profile has an instance of {instance.provider!r} already. Delete it first, "
                "or change it."
            ) from None
        except ForeignKeyError:
            raise NotFoundError(
                f"There is no profile {instance.profile_id!r} or no provider "
                f"{instance.provider!r} in the catalogue."
            ) from None

    def get(self, instance_id: str, *, profile_id: str | None) -> Instance:
        """Return an instance of this profile (None: of any); NotFoundError if there is none."""
        statement = select(*_COLUMNS).where(
            instances.c.id == instance_id, instances.c.deleted_at.is_(None)
        )
        row = self._session.first(where_given(statement, (instances.c.profile_id, profile_id)))
        if row is None:
            raise NotFoundError(_NONE)
        return from_row(Instance, row)

    def list_page(self, profile_id: str, query: ListQuery) -> Slice[Instance]:
        """Return a profile's instances, newest first, narrowed by time, status and provider."""
        status = member_of(InstanceStatus, query.status)
        statement = where_given(
            select(*_COLUMNS).where(instances.c.profile_id == profile_id, text(NOT_DELETED)),
            (instances.c.status, status),
            (instances.c.provider, query.provider),
        )
        return fetch_slice(
            self._session, statement, instances, query, lambda row: from_row(Instance, row)
        )

    def list_due(self, *, now: datetime, limit: int) -> Sequence[Instance]:
        """Return active instances whose next sync is due, those due longest first."""
        rows = self._session.all(due_statement(now=now, limit=limit))
        return [from_row(Instance, row) for row in rows]

    def list_ending(self, *, before: datetime, now: datetime, limit: int) -> Sequence[Instance]:
        """Return the instances whose sign-in ends before this if nothing is done, soonest first.

        Those that only a person can help, or whose next refresh must wait, are left out.
        """
        rows = self._session.all(ending_statement(before=before, now=now, limit=limit))
        return [from_row(Instance, row) for row in rows]

    def list_idle(self, provider: str, *, after: datetime, before: datetime) -> Sequence[Instance]:
        """Return a provider's active instances whose last sync left a watermark between these two
        moments.
        """
        rows = self._session.all(idle_statement(provider, after=after, before=before))
        return [from_row(Instance, row) for row in rows]

    def save(self, instance: Instance, *, expected_version: int) -> Instance:
        """Store a person's change and return the instance with its next `config_version`.

        ConflictError where somebody changed it since `expected_version`.
        """
        values = to_row(instance, without=("id", "profile_id", "created_at", "config_version"))
        statement = (
            _change(instance.id)
            .where(instances.c.config_version == expected_version)
            .values(**values, config_version=expected_version + 1)
            .returning(*_COLUMNS)
        )
        try:
            row = self._session.first(statement)
        except UniqueError:
            raise ConflictError(
                f"This profile has an instance of {instance.provider!r} with this connection "
                "already."
            ) from None
        if row is None:
            self.get(instance.id, profile_id=None)
            raise ConflictError("Somebody else changed this instance meanwhile: read it again.")
        return from_row(Instance, row)

    def set_status(
        self, instance_id: str, status: InstanceStatus, reason: str, *, now: datetime
    ) -> None:
        """Set what machines found; the ETag stays.

        A pause is a person's: of a paused instance only the reason is kept, for when it is resumed.
        One whose set-up is incomplete, or that is deleted, stays as it is.
        """
        values = {"status_reason": reason, "updated_at": now}
        is_running = instances.c.status.in_([InstanceStatus.ACTIVE, InstanceStatus.ERROR])
        is_paused = instances.c.status == InstanceStatus.PAUSED
        self._session.run(_change(instance_id).where(is_running).values(status=status, **values))
        self._session.run(_change(instance_id).where(is_paused).values(**values))

    def heal(self, instance_id: str, *, now: datetime) -> None:
        """Make an instance in status ERROR active again, and forget what was wrong with it.

        A paused one stays paused.
        """
        values = {"status_reason": "", "updated_at": now}
        is_failed = instances.c.status == InstanceStatus.ERROR
        is_paused = instances.c.status == InstanceStatus.PAUSED
        healed = {"status": InstanceStatus.ACTIVE, **values}
        self._session.run(_change(instance_id).where(is_failed).values(**healed))
        self._session.run(_change(instance_id).where(is_paused).values(**values))

    def soft_delete(self, instance_id: str, *, now: datetime) -> None:
        """Make the instance as good as none; its jobs and logs stay."""
        self._must_change(_change(instance_id).values(deleted_at=now, updated_at=now))

    def get_state(self, instance_id: str) -> InstanceState:
        """Return what machines know of an instance, deleted or not.

        In a unit of work that writes, the row stays ours until its end: what was read can be
        changed and saved.
        """
        statement = select(*_STATE_COLUMNS).where(instance_state.c.instance_id == instance_id)
        if not self._session.read_only:
            statement = statement.with_hint(instance_state, "WITH (UPDLOCK)", "mssql")
        row = self._session.first(statement)
        if row is None:
            raise NotFoundError(_NONE)
        return from_row(InstanceState, row)

    def save_state(self, state: InstanceState, *, now: datetime) -> None:
        """Store what machines know; NotFoundError if there is no such instance."""
        values = to_row(state, without=("instance_id",))
        self._must_change(
            update(instance_state)
            .where(instance_state.c.instance_id == state.instance_id)
            .values(**values, updated_at=now),
            returning=instance_state.c.instance_id,
        )

    def _must_change(self, statement: Update, *, returning: Any = instances.c.id) -> None:
        if self._session.first(statement.returning(returning)) is None:
            raise NotFoundError(_NONE)


def _change(instance_id: str) -> Update:
    return update(instances).where(instances.c.id == instance_id, instances.c.deleted_at.is_(None))


def due_statement(*, now: datetime, limit: int) -> Select[Any]:
    """Return the query of `list_due`."""
    return (
        select(*_COLUMNS)
        .join(instance_state, instance_state.c.instance_id == instances.c.id)
        .where(
            instance_state.c.next_sync_at <= now,
            text(SCHEDULED),
            instances.c.status == InstanceStatus.ACTIVE,
            instances.c.deleted_at.is_(None),
        )
        .order_by(instance_state.c.next_sync_at)
        .limit(limit)
    )


def idle_statement(provider: str, *, after: datetime, before: datetime) -> Select[Any]:
    """Return the query of `list_idle`."""
    return (
        select(*_COLUMNS)
        .join(instance_state, instance_state.c.instance_id == instances.c.id)
        .where(
            instance_state.c.watermark_at > after,
            instance_state.c.watermark_at <= before,
            text(GOING_ON),
            instances.c.provider == provider,
            instances.c.status == InstanceStatus.ACTIVE,
            instances.c.deleted_at.is_(None),
        )
    )


def ending_statement(*, before: datetime, now: datetime, limit: int) -> Select[Any]:
    """Return the query of `list_ending`."""
    not_before = instance_state.c.refresh_not_before
    return (
        select(*_COLUMNS)
        .join(instance_state, instance_state.c.instance_id == instances.c.id)
        .where(
            instance_state.c.token_expires_at <= before,
            text(EXPIRING),
            instance_state.c.refresh_problem == "",
            not_before.is_(None) | (not_before <= now),
            instances.c.deleted_at.is_(None),
        )
        .order_by(instance_state.c.token_expires_at)
        .limit(limit)
    )
