"""Who asks, and what the token lets him do."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from starlette.requests import Request

from local.sandbox.entra import Entra
from local.sandbox.entra.scopes import GRAPH, RESOURCES
from local.sandbox.entra.tenants import User
from local.sandbox.graph.errors import GraphError
from local.sandbox.web import bearer_token

READ = frozenset({"Tasks.Read", "Tasks.ReadWrite", "Group.Read.All", "Group.ReadWrite.All"})
WRITE = frozenset({"Tasks.ReadWrite", "Group.ReadWrite.All"})
GROUPS = frozenset({"Group.Read.All", "Group.ReadWrite.All"})
PROFILE = frozenset({"User.Read"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """A person a token speaks for, and its scopes by their short names."""

    user: User
    scopes: frozenset[str]


class Access:
    """Knows the tokens: Entra's, and one for development that may do everything as `user`."""

    def __init__(self, *, token: str, user: User, entra: Entra | None) -> None:
        self._token = token
        self._user = user
        self._entra = entra

    def admit(self, request: Request, scopes: frozenset[str]) -> Caller:
        """Return who asks; raise the 401 or 403 Graph would answer. Any one of `scopes` will do."""
        caller = self._find(bearer_token(request))
        if caller.scopes.isdisjoint(scopes):
            text = f"The request needs one of these scopes: {', '.join(sorted(scopes))}."
            raise GraphError(403, text, code="Authorization_RequestDenied")
        return caller

    def _find(self, text: str) -> Caller:
        if secrets.compare_digest(text.encode(), self._token.encode()):
            return Caller(user=self._user, scopes=frozenset(RESOURCES[GRAPH]))
        entra = self._entra
        token = entra.grants.find_access(text) if entra and text else None
        if entra is None or token is None:
            raise GraphError(401)
        if token.resource != GRAPH:
            raise GraphError(401, "Access token validation failure. Invalid audience.")
        if not entra.grants.is_alive(token):
            raise GraphError(401, "Lifetime validation failed, the token is expired or revoked.")
        names = (name.removeprefix(f"{GRAPH}/") for name in token.scopes)
        return Caller(user=token.family.account, scopes=frozenset(names))
