"""What goes over the wire, one module a group; handlers say `schemas.Job`."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from functions.schemas.base import Page, Wire, to_json
from functions.schemas.catalogue import Provider, Providers
from functions.schemas.instances import Connection, Instance, SignIn
from functions.schemas.jobs import Counts, DeadLetter, Job, Log, LogRecord
from functions.schemas.profiles import Profile
from functions.schemas.service import Health, Readiness
from functions.schemas.wizard import (
    Activation,
    FieldMappings,
    Preview,
    Streams,
    SyncConfig,
    Tables,
)

if TYPE_CHECKING:
    from functions.schemas.inputs import (
        ConnectionInput,
        FieldMappingsInput,
        Input,
        InstanceInput,
        JobInput,
        PreviewInput,
        ProfileInput,
        SignInInput,
        SyncConfigInput,
        TablesInput,
    )

__all__ = [
    "Activation",
    "Connection",
    "ConnectionInput",
    "Counts",
    "DeadLetter",
    "FieldMappings",
    "FieldMappingsInput",
    "Health",
    "Input",
    "Instance",
    "InstanceInput",
    "Job",
    "JobInput",
    "Log",
    "LogRecord",
    "Page",
    "Preview",
    "PreviewInput",
    "Profile",
    "ProfileInput",
    "Provider",
    "Providers",
    "Readiness",
    "SignIn",
    "SignInInput",
    "Streams",
    "SyncConfig",
    "SyncConfigInput",
    "Tables",
    "TablesInput",
    "Wire",
    "to_json",
]


def __getattr__(name: str) -> Any:
    """Return a request body's model: pydantic is loaded when the first body comes."""
    if name in __all__:
        return getattr(import_module("functions.schemas.inputs"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
