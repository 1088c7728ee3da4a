"""Objects that know where the next page is, and notice when a server sends them in a circle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.errors import PermanentError


class Paginator:
    """Follows a token found at `path` in each answer; no token there means the end.

    `token` is what to ask the next page with, None for the first one; `is_done` is true once an
    answer had none. Start it with the `token` of a checkpoint to go on from there.
    """

    def __init__(self, *path: str, token: str | None = None) -> None:
        self._path = path
        self._seen: set[str | None] = {token} if token is not None else set()
        self.token = token
        self.is_done = False

    def advance(self, answer: Any) -> str | None:
        """Take the next token from an answer's JSON and return it, None at the end.

        Raise PermanentError for a token seen before: following it would never end.
        """
        found = answer
        for key in self._path:
            found = found.get(key) if isinstance(found, Mapping) else None
        return self.follow(None if found is None or found == "" else str(found))

    def follow(self, token: str | None) -> str | None:
        """Do the same with a token already taken from the answer."""
        if token in self._seen:
            raise PermanentError(
                "The provider named the same next page twice; reading it would never end. "
                "Report this to the provider."
            )
        if token is not None:
            self._seen.add(token)
        self.token = token
        self.is_done = token is None
        return token


class AfterPaginator(Paginator):
    """HubSpot's form: `paging.next.after`, sent back as the parameter `after`."""

    def __init__(self, *, token: str | None = None) -> None:
        super().__init__("paging", "next", "after", token=token)


class NextLinkPaginator(Paginator):
    """OData's form: the whole URL of the next page, requested as it is and never rebuilt.

    The client refuses a link to another origin, so that no credentials go there.
    """

    def __init__(self, *, token: str | None = None) -> None:
        super().__init__("@odata.nextLink", token=token)
