"""LinkHub's customers."""

from __future__ import annotations

from sqlalchemy import insert, select, text, update

from shared.domain.profiles import Profile
from shared.errors import ConflictError, NotFoundError
from shared.store.faults import UniqueError
from shared.store.rows import from_row, to_row
from shared.store.session import SqlSession
from shared.store.tables import integrator_profiles as profiles
from shared.store.tables.catalogue import SIGNED_IN

_TAKEN = "Another profile belongs to this issuer and subject already."


class SqlProfileRepository:
    """Profiles, found by id or by who signs in for them."""

    def __init__(self, session: SqlSession) -> None:
        self._session = session

    def get(self, profile_id: str) -> Profile:
        """Return a profile; NotFoundError if there is none."""
        row = self._session.first(select(profiles).where(profiles.c.id == profile_id))
        if row is None:
            raise NotFoundError("There is no such profile.")
        return from_row(Profile, row)

    def find_by_subject(self, issuer: str, subject: str) -> Profile | None:
        """Return the profile a token's `iss` and `sub` speak for."""
        row = self._session.first(
            select(profiles).where(
                profiles.c.issuer == issuer, profiles.c.subject == subject, text(SIGNED_IN)
            )
        )
        return None if row is None else from_row(Profile, row)

    def add(self, profile: Profile) -> None:
        """Store a new profile; ConflictError where its issuer and subject have one."""
        try:
            self._session.run(insert(profiles).values(**to_row(profile)))
        except UniqueError:
            raise ConflictError(_TAKEN) from None

    def save(self, profile: Profile) -> None:
        """Store a profile's new values; NotFoundError if there is none of this id."""
        values = to_row(profile, without=("id", "created_at"))
        statement = update(profiles).where(profiles.c.id == profile.id).values(**values)
        try:
            row = self._session.first(statement.returning(profiles.c.id))
        except UniqueError:
            raise ConflictError(_TAKEN) from None
        if row is None:
            raise NotFoundError("There is no such profile.")
