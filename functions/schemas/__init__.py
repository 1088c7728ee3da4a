"""What goes over the wire, one module a group; handlers say `schemas.Job`."""

from functions.schemas.base import Input, Page, Wire
from functions.schemas.catalogue import Provider, Providers
from functions.schemas.instances import Connection, ConnectionInput, Instance, InstanceInput
from functions.schemas.jobs import Counts, DeadLetter, Job, JobInput, Log, LogRecord
from functions.schemas.profiles import Profile, ProfileInput
from functions.schemas.service import Health, Readiness

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
]
