"""The authorization servers of the providers people sign in at."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.errors import ConflictError, NotFoundError, PermanentError
from shared.services.deps import FindProvider

if TYPE_CHECKING:
    import httpx

    from shared.http.oauth import OAuthServer, Registration
    from shared.ports.provider import ProviderDefinition

CALLBACK_PATH = "/oauth/callback/"


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthServers:
    """Finds the authorization server of a provider.

    `registrations` give what each client of `OAuthSpec.client` is registered with, and raise
    PermanentError where that is not set up. `public_url` is where providers send people back to
    us. `platform_options` are those of the connector.
    """

    find_provider: FindProvider
    registrations: Mapping[str, Callable[[], Registration]]
    public_url: str
    platform_options: Mapping[str, Mapping[str, str]]
    allow_private_hosts: bool = False
    transport: httpx.BaseTransport | None = None

    def signs_in(self, slug: str) -> bool:
        """Return whether people sign in at a provider; False for a slug that is none."""
        try:
            return self.find_provider(slug).oauth is not None
        except NotFoundError:
            return False

    def definition(self, slug: str) -> ProviderDefinition:
        """Return a provider; raise ConflictError where nobody can sign in at it."""
        definition = self.find_provider(slug)
        if definition.oauth is None:
            name = definition.spec.name
            raise ConflictError(f"{name} has no sign-in: connect it by its key or password.")
        return definition

    def get(self, slug: str, *, sleep: Callable[[float], None] = time.sleep) -> OAuthServer:
        """Return a provider's authorization server; nothing is sent yet."""
        from shared.http.oauth import OAuthServer

        definition = self.definition(slug)
        if definition.oauth is None:
            raise AssertionError
        registration = self.registrations.get(definition.oauth.client)
        if registration is None:
            raise PermanentError(f"There is no client registered as {definition.oauth.client!r}.")
        return OAuthServer(
            name=definition.spec.name,
            spec=definition.oauth,
            registration=registration(),
            options=self.platform_options.get(slug, {}),
            allow_private_hosts=self.allow_private_hosts,
            sleep=sleep,
            transport=self.transport,
        )

    def redirect_uri(self, slug: str) -> str:
        """Return the one address a provider sends people back to, the same to the character."""
        if not self.public_url:
            raise PermanentError("The setting PUBLIC_URL is missing: nobody can sign in without.")
        return f"{self.public_url.rstrip('/')}{CALLBACK_PATH}{slug}"
