"""The composition root: the one place that chooses implementations.

Everything is made when it is first asked for: importing this costs next to nothing, and a queue
worker never builds what only HTTP needs. `app()` is this process's; tests hand `App` other
settings.
"""

from __future__ import annotations

import gc
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from functions.bootstrap.backends import needed
from functions.bootstrap.warehouses import Warehouses

if TYPE_CHECKING:
    from shared.domain.mapping import RecordMapper
    from shared.domain.rate_limits import RateLimit
    from shared.domain.sync_rules import SyncRules
    from shared.http.oauth import Registration
    from shared.ports.linkhub import LinkHubReader
    from shared.ports.provider import Connection
    from shared.ports.sink import Sink
    from shared.services.connections import Connector
    from shared.services.oauth_servers import OAuthServers
    from shared.services.platform import PlatformSettings, SignInClient
    from shared.services.provider_health import ProviderHealth
    from shared.services.rate_limiting import RateLimiter
    from shared.services.run_ports import Export
    from shared.services.runs import RunPorts, SinkRequest
    from shared.services.streams import Discoverer
    from shared.services.token_refresh import TokenKeeper
    from shared.sinks.linkhub import LinkHubClient

# Loading the product makes some hundred thousand objects that stay. With Python's own threshold
# (700) the collector walks through them again and again: a sixth of a cold start.
gc.set_threshold(100_000, 20, 20)


class App(Warehouses):
    """The product wired for one process; its parts may be shared by threads."""

    @cached_property
    def limiter(self) -> RateLimiter:
        """Who counts callers' requests."""
        from shared.services.rate_limiting import RateLimiter

        return RateLimiter(open_uow=self.open_uow, now=self.now)

    def rate_limit(self, method: str) -> RateLimit:
        """Return the limit a request with this HTTP method counts against."""
        return self._rate_limits["reads" if method in {"GET", "HEAD"} else "writes"]

    @cached_property
    def _rate_limits(self) -> Mapping[str, RateLimit]:
        from shared.domain.rate_limits import RateLimit

        settings = self.settings
        figures = {
            "reads": (settings.reads_per_minute, settings.reads_burst),
            "writes": (settings.writes_per_minute, settings.writes_burst),
        }
        return {
            name: RateLimit(
                name=name, per_minute=per_minute, burst=burst, is_shared=name == "writes"
            )
            for name, (per_minute, burst) in figures.items()
        }

    @cached_property
    def connector(self) -> Connector:
        """Opens connections to providers."""
        from adapters import find_provider
        from shared.services.connections import Connector

        settings = self.settings
        return Connector(
            find_provider=find_provider,
            work_dir=Path(settings.work_dir or tempfile.gettempdir()),
            allow_private_hosts=settings.allow_private_hosts,
            platform_options=self.platform.options,
            keeper=self.token_keeper,
            health=self.provider_health,
        )

    @cached_property
    def provider_health(self) -> ProviderHealth:
        """What all syncs of an account know of its provider."""
        from shared.services.provider_health import ProviderHealth

        return ProviderHealth(open_uow=self.open_uow, now=self.now)

    @cached_property
    def platform(self) -> PlatformSettings:
        """What the environment says about providers; PermanentError names what is wrong there."""
        from adapters import all_providers
        from shared.services.platform import PlatformSettings

        settings = self.settings
        return PlatformSettings.read(
            all_providers(),
            settings.providers,
            allow_private_hosts=settings.allow_private_hosts,
        )

    @cached_property
    def oauth_servers(self) -> OAuthServers:
        """The authorization servers people sign in at."""
        from adapters import find_provider
        from shared.services.oauth_servers import OAuthServers

        settings, platform = self.settings, self.platform
        return OAuthServers(
            find_provider=find_provider,
            registrations={
                name: partial(self._registration, client)
                for name, client in platform.clients.items()
            },
            public_url=settings.public_url,
            platform_options=platform.options,
            allow_private_hosts=settings.allow_private_hosts,
        )

    def _registration(self, client: SignInClient) -> Registration:
        from shared.http.oauth import Registration

        needed(client.client_id, client.variable)
        secret = client.secret or self.vault.get(client.secret_name)["client_secret"]
        return Registration(client_id=client.client_id, client_secret=secret)

    @cached_property
    def token_keeper(self) -> TokenKeeper:
        """Who keeps the tokens of instances that signed in."""
        from shared.services.token_refresh import TokenKeeper

        return TokenKeeper(
            open_uow=self.open_uow, vault=self.vault, servers=self.oauth_servers, now=self.now
        )

    def revoke_sign_in(self, secret_ref: str) -> None:
        """Revoke at its provider what a secret holds, if anything; nothing is raised."""
        from shared.services.revoking import SignInRevoker

        SignInRevoker(open_uow=self.open_uow, vault=self.vault, servers=self.oauth_servers)(
            secret_ref
        )

    @cached_property
    def discoverer(self) -> Discoverer:
        """Asks providers what they offer."""
        from shared.services.streams import Discoverer, StreamCache

        return Discoverer(vault=self.vault, connector=self.connector, cache=StreamCache())

    def open_linkhub(self, profile_id: str) -> LinkHubReader:
        """Return LinkHub as a profile reads it while a person waits; the caller closes it."""
        return self._linkhub_client(profile_id, sleep=time.sleep, interactive=True)

    @cached_property
    def run_ports(self) -> RunPorts:
        """Everything a run reaches the outside through."""
        from shared.services.runs import RunLimits, RunPorts

        settings = self.settings
        return RunPorts(
            open_uow=self.open_uow,
            queue=self.queue,
            vault=self.vault,
            connector=self.connector,
            open_sink=self.open_sink,
            open_export=self.open_export,
            limits=RunLimits(
                lease_seconds=settings.lease_seconds,
                heartbeat_seconds=settings.heartbeat_seconds,
                budget_seconds=settings.time_budget_seconds,
                record_error_limit=settings.record_error_limit,
                records_cap=settings.log_records_cap,
            ),
            now=self.now,
        )

    def open_sink(self, request: SinkRequest) -> Sink:
        """Return the sink a run writes to, LinkHub where records are mapped; the run closes it."""
        if request.mapper is None:
            return self.warehouse_sink(request)
        return self._linkhub_sink(request, request.mapper)

    def _linkhub_sink(self, request: SinkRequest, mapper: RecordMapper) -> Sink:
        from shared.sinks.linkhub import LinkHubSink

        client = self._linkhub_client(request.set_up.instance.profile_id, sleep=request.sleep)
        return LinkHubSink(
            client=client,
            open_uow=self.open_uow,
            instance=request.set_up.instance,
            job_id=request.job.id,
            run_id=request.job.run_id,
            mapper=mapper,
            lease_until=request.run_log.lease_until,
            now=self.now,
            approved_deletes=request.job.approved_deletes,
            keeps_checkpoints=not request.job.target_record_id,
            rules=request.rules,
        )

    def open_export(self, request: SinkRequest, rules: SyncRules, connection: Connection) -> Export:
        """Return the way from LinkHub to a provider's connection; the run closes both ends."""
        from shared.domain.policies import ConflictPolicy
        from shared.services.run_ports import Export
        from shared.sinks.linkhub import LinkHubSource
        from shared.sinks.provider import ProviderSink

        instance = request.set_up.instance
        sink = ProviderSink(
            client=self._linkhub_client(instance.profile_id, sleep=request.sleep),
            connection=connection,
            open_uow=self.open_uow,
            instance=instance,
            job_id=request.job.id,
            run_id=request.job.run_id,
            rules=rules,
            lease_until=request.run_log.lease_until,
            now=self.now,
            approved_deletes=request.job.approved_deletes,
            keeps_checkpoints=not request.job.target_record_id,
        )
        # read from by another thread than the one the sink writes in
        reader = self._linkhub_client(instance.profile_id, sleep=request.sleep)
        revisit = partial(sink.books.to_revisit, asks=rules.policy is ConflictPolicy.ASK)
        source = LinkHubSource(reader, revisit=revisit, job_id=request.job.id)
        return Export(source=source, get=source.get, sink=sink)

    def _linkhub_client(
        self, profile_id: str, *, sleep: Callable[[float], None], interactive: bool = False
    ) -> LinkHubClient:
        from shared.sinks.linkhub import LinkHubClient

        return LinkHubClient(
            base_url=needed(self.settings.linkhub_api_url, "LINKHUB_API_URL"),
            api_key=self.linkhub_api_key,
            profile_id=profile_id,
            sleep=sleep,
            interactive=interactive,
        )

    @cached_property
    def linkhub_api_key(self) -> str:
        """LinkHub's API key: a local setting, else the vault's."""
        if key := self.settings.linkhub_api_key:
            return key
        name = needed(self.settings.linkhub_api_key_secret, "LINKHUB_API_KEY_SECRET")
        return self.vault.get(name)["api_key"]


@lru_cache(maxsize=1)
def app() -> App:
    """Return this process's app, made from the environment on the first call.

    Raise PermanentError naming every setting that is wrong, those of providers included.
    """
    from shared.logs import set_up_logging
    from shared.settings import Settings

    set_up_logging()
    made = App(Settings.from_env())
    _ = made.platform  # a mistake in a provider's setting is told now, not by the first sync
    return made
