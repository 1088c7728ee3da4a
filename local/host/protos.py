"""Stand-ins for the protobuf messages of the host-worker protocol.

`azure_functions_runtime` never imports protobuf: it builds its answers from the classes of the
`protos` object that it is handed and reads attributes of what it is given. Plain namespaces with
the field names of azure-functions-language-worker-protobuf's FunctionRpc.proto therefore serve.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

_ONEOF = {
    "data": ("string", "json", "bytes", "http", "int", "double"),
    "rpc_data": ("data", "rpc_shared_memory"),
}


class Message(SimpleNamespace):
    """Any message: the fields it was made with are its attributes."""

    def WhichOneof(self, group: str) -> str | None:  # noqa: N802 - protobuf's name
        """Return the name of the field of the group that is set, or None."""
        return next((name for name in _ONEOF.get(group, ()) if name in vars(self)), None)


class TypedData(Message):
    """A value on its way to or from a function."""


class StatusResult(Message):
    """How a request ended."""

    Failure = 0
    Success = 1
    Cancelled = 2


class BindingInfo(Message):
    """A binding's direction and data type, by the numbers of BindingInfo.Direction/DataType."""

    out = 1
    inout = 2
    undefined = 0
    string = 1
    binary = 2
    stream = 3


class RpcHttpCookie(Message):
    """One cookie that a function sets."""

    SameSite = SimpleNamespace(**{"None": 0, "Lax": 1, "Strict": 2, "ExplicitNone": 3})


_PLAIN = (
    "FunctionEnvironmentReloadResponse",
    "FunctionLoadResponse",
    "FunctionMetadataResponse",
    "InvocationResponse",
    "NullableBool",
    "NullableDouble",
    "NullableString",
    "NullableTimestamp",
    "ParameterBinding",
    "RpcException",
    "RpcFunctionMetadata",
    "RpcHttp",
    "RpcRetryOptions",
    "Timestamp",
    "WorkerInitResponse",
    "WorkerMetadata",
)

PROTOS = SimpleNamespace(
    TypedData=TypedData,
    StatusResult=StatusResult,
    BindingInfo=BindingInfo,
    RpcHttpCookie=RpcHttpCookie,
    **{name: type(name, (Message,), {}) for name in _PLAIN},
)


def request(**fields: Any) -> SimpleNamespace:
    """Return a request as the library's handlers take it: one field named after its kind."""
    return SimpleNamespace(
        request=Message(**fields), properties={"host": "127.0.0.1", "protos": PROTOS}
    )


def payload(data: Message) -> str | bytes:
    """Return the content of a string, json, bytes, int or double; b'' where nothing is set."""
    kind = data.WhichOneof("data")
    value = getattr(data, kind) if kind else b""
    return value if isinstance(value, str | bytes) else str(value)
