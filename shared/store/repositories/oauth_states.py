"""Sign-ins under way."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, insert, select, update

from shared.domain.oauth import OAuthState
from shared.store.rows import columns_of, from_row, to_row
from shared.store.session import SqlSession
from shared.store.tables import oauth_states

_COLUMNS = columns_of(oauth_states, OAuthState)


class SqlOAuthStateRepository:
    """States by the hash of what the browser carries; each can be used once."""

    def __init__(self, session: SqlSession) -> None:
        self._session = session

    def add(self, state: OAuthState) -> None:
        """Store a new state."""
        self._session.run(insert(oauth_states).values(**to_row(state)))

    def find(self, state_hash: str) -> OAuthState | None:
        """Return the state of this hash, used and expired ones too; None where there is none."""
        row = self._session.first(select(*_COLUMNS).where(oauth_states.c.state_hash == state_hash))
        return None if row is None else from_row(OAuthState, row)

    def use(self, state_id: str, *, now: datetime) -> bool:
        """Mark the state used; return whether it could be: of two calls, one."""
        row = self._session.first(
            update(oauth_states)
            .where(
                oauth_states.c.id == state_id,
                oauth_states.c.used_at.is_(None),
                oauth_states.c.expires_at > now,
            )
            .values(used_at=now, updated_at=now)
            .returning(oauth_states.c.id)
        )
        return row is not None

    def prune(self, before: datetime) -> None:
        """Delete every state that expired before this."""
        self._session.run(delete(oauth_states).where(oauth_states.c.expires_at < before))
