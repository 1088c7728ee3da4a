"""The ways into warehouses: profiles' own SQL Servers, and the default of a development machine."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

from functions.bootstrap.backends import Backends, needed
from shared.errors import PermanentError

if TYPE_CHECKING:
    from shared.domain.warehouses import WarehouseTarget
    from shared.ports.sink import Sink
    from shared.ports.warehouse import WarehouseProbe
    from shared.services.runs import SinkRequest
    from shared.sinks.warehouse.access.guard import Guard


class Warehouses(Backends):
    """What opens and looks at warehouses."""

    @property
    def has_default_warehouse(self) -> bool:
        """Whether an instance may name no warehouse of its own."""
        return bool(self.settings.warehouse_url)

    @cached_property
    def warehouse_guard(self) -> Guard:
        """Who says where warehouses may be."""
        from shared.http.egress import read_networks
        from shared.sinks.warehouse.access.guard import Guard, OwnDatabase

        try:
            networks = read_networks(self.settings.warehouse_networks)
        except PermanentError as error:
            raise PermanentError(f"WAREHOUSE_NETWORKS: {error}") from None
        return Guard(
            allow_private_hosts=self.settings.allow_private_hosts,
            networks=networks,
            own=OwnDatabase.of(self.settings.database_url),
        )

    @cached_property
    def warehouse_probe(self) -> WarehouseProbe:
        """Who looks at the way to a warehouse."""
        from shared.sinks.warehouse.access.hops import SqlServerProbe

        return SqlServerProbe(guard=self.warehouse_guard)

    def warehouse_sink(self, request: SinkRequest) -> Sink:
        """Return the warehouse the instance of a run goes to, as a sink."""
        from shared.domain.policies import Policies
        from shared.sinks.warehouse import WarehouseSink
        from shared.sinks.warehouse.swap import SwapRules

        instance = request.set_up.instance
        way: dict[str, Any] = {}
        if instance.destination:
            from shared.services.destinations import target_of

            target = target_of(instance, open_uow=self.open_uow, vault=self.vault)
            way = self.way_to(target)
        else:
            way["url"] = needed(self.settings.warehouse_url, "WAREHOUSE_URL")
        return WarehouseSink(
            **way,
            instance_id=request.job.instance_id,
            run_id=request.job.run_id,
            table_prefix=instance.connection_key,
            drift={selection.stream: selection.drift for selection in request.set_up.selections},
            rules=SwapRules(
                shrink_percent=Policies.from_json(instance.policies).delete_approval_percent,
                is_approved=request.job.approved_at is not None,
            ),
        )

    def way_to(self, target: WarehouseTarget) -> dict[str, Any]:
        """Return what `WarehouseSink` is opened with to reach the target."""
        from shared.sinks.warehouse.access.address import engine_url, load_driver
        from shared.sinks.warehouse.access.guard import opener

        _, driver = load_driver()
        tell: Callable[[], str] = opener(target, self.warehouse_guard)
        return {
            "url": engine_url(target, driver=driver),
            "schema": target.schema,
            "connection_string": tell,
        }
