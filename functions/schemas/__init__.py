"""What goes over the wire, one module a group; handlers say `schemas.Job`.

A group is loaded when one of its names is first used, pydantic with the first body.
"""

from typing import TYPE_CHECKING

from shared.lazy import exports

if TYPE_CHECKING:
    from functions.schemas.base import Page as Page
    from functions.schemas.base import Wire as Wire
    from functions.schemas.base import to_json as to_json
    from functions.schemas.catalogue import Provider as Provider
    from functions.schemas.catalogue import Providers as Providers
    from functions.schemas.conflicts import Conflict as Conflict
    from functions.schemas.inputs import ConflictInput as ConflictInput
    from functions.schemas.inputs import ConnectionInput as ConnectionInput
    from functions.schemas.inputs import FieldMappingsInput as FieldMappingsInput
    from functions.schemas.inputs import InstanceInput as InstanceInput
    from functions.schemas.inputs import JobInput as JobInput
    from functions.schemas.inputs import PreviewInput as PreviewInput
    from functions.schemas.inputs import ProfileInput as ProfileInput
    from functions.schemas.inputs import SignInInput as SignInInput
    from functions.schemas.inputs import SyncConfigInput as SyncConfigInput
    from functions.schemas.inputs import TablesInput as TablesInput
    from functions.schemas.instances import Connection as Connection
    from functions.schemas.instances import Instance as Instance
    from functions.schemas.instances import SignIn as SignIn
    from functions.schemas.jobs import Counts as Counts
    from functions.schemas.jobs import DeadLetter as DeadLetter
    from functions.schemas.jobs import Job as Job
    from functions.schemas.jobs import Log as Log
    from functions.schemas.jobs import LogRecord as LogRecord
    from functions.schemas.profiles import Profile as Profile
    from functions.schemas.service import Breaker as Breaker
    from functions.schemas.service import Health as Health
    from functions.schemas.service import Readiness as Readiness
    from functions.schemas.values import Input as Input
    from functions.schemas.warehouse_inputs import WarehouseInput as WarehouseInput
    from functions.schemas.warehouses import Warehouse as Warehouse
    from functions.schemas.warehouses import WarehouseTest as WarehouseTest
    from functions.schemas.wizard import Activation as Activation
    from functions.schemas.wizard import FieldMappings as FieldMappings
    from functions.schemas.wizard import Preview as Preview
    from functions.schemas.wizard import Streams as Streams
    from functions.schemas.wizard import SyncConfig as SyncConfig
    from functions.schemas.wizard import Tables as Tables

__getattr__ = exports(
    __name__,
    {
        "base": "Page Wire to_json",
        "catalogue": "Provider Providers",
        "conflicts": "Conflict",
        "instances": "Connection Instance SignIn",
        "jobs": "Counts DeadLetter Job Log LogRecord",
        "profiles": "Profile",
        "service": "Breaker Health Readiness",
        "values": "Input",
        "warehouse_inputs": "WarehouseInput",
        "warehouses": "Warehouse WarehouseTest",
        "wizard": "Activation FieldMappings Preview Streams SyncConfig Tables",
        "inputs": "ConflictInput ConnectionInput FieldMappingsInput InstanceInput JobInput "
        "PreviewInput ProfileInput SignInInput SyncConfigInput TablesInput",
    },
)
