"""What goes over the wire, one module a group; handlers say `schemas.Job`."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from functions.schemas.base import Page, Wire, to_json
from functions.schemas.catalogue import Provider, Providers
from functions.schemas.instances import Connection, Instance
from functions.schemas.jobs import Counts, DeadLetter, Job, Log, LogRecord
from functions.schemas.profiles import Profile
from functions.schemas.service import Health, Readiness

if TYPE_CHECKING:
    from functions.schemas.inputs import (
        ConnectionInput,
        Input,
        InstanceInput,
        JobInput,
        ProfileInput,
    )

__all__ = [
    "Connection",
    "ConnectionInput",
    "Counts",
    "DeadLetter",
    "Health",
    "Input",
    "Instance",
    "InstanceInput",
    "Job",
    "JobInput",
    "Log",
    "LogRecord",
    "Page",
    "Profile",
    "ProfileInput",
    "Provider",
    "Providers",
    "Readiness",
    "Wire",
    "to_json",
]


def __getattr__(name: str) -> Any:
    """Return a request body's model: pydantic is loaded when the first body comes."""
    if name in __all__:
        return getattr(import_module("functions.schemas.inputs"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
