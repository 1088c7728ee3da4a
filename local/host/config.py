"""Reads `host.json` and `local.settings.json` as the Functions host and `func start` do.

Names, defaults and limits: Microsoft Learn, "host.json reference for Azure Functions" and
"Azure Queue storage bindings for Azure Functions".
"""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local.host.errors import HostError

DEFAULT_TIMEOUT = 30 * 60.0
"""Seconds a function may run where host.json says nothing (Flex Consumption and Premium)."""
DEFAULT_THREADS = 16
BODY_LIMIT = 100 * 1024 * 1024
"""Bytes of a request body, the host's own default."""
MAX_BATCH = 32
MIN_POLLING_INTERVAL = 0.1

_TIMESPAN = re.compile(r"(?:(\d+)\.)?(\d{1,2}):(\d{1,2})(?::(\d{1,2}(?:\.\d{1,7})?))?")
_SETTING = re.compile(r"%([^%]+)%")
_LOG_LEVELS = {
    "trace": logging.DEBUG,
    "debug": logging.DEBUG,
    "information": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "critical": logging.CRITICAL,
    "none": logging.CRITICAL + 10,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueOptions:
    """`extensions.queues` of host.json; times in seconds."""

    batch_size: int = 16
    new_batch_threshold: int = 8
    max_dequeue_count: int = 5
    visibility_timeout: float = 0.0
    """The wait after a failed attempt; it is not the lease."""
    max_polling_interval: float = 2.0
    base64: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class HostOptions:
    """What the host takes from host.json."""

    route_prefix: str = "api"
    function_timeout: float | None = DEFAULT_TIMEOUT
    """Seconds; None is unbounded."""
    log_level: int = logging.INFO
    queues: QueueOptions = field(default_factory=QueueOptions)


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalSettings:
    """What the host takes from local.settings.json, which need not exist."""

    values: Mapping[str, str] = field(default_factory=dict)
    cors: tuple[str, ...] = ()
    cors_credentials: bool = False


def parse_timespan(text: object, *, name: str) -> float:
    """Return the seconds of a .NET time span `[d.]hh:mm[:ss[.fffffff]]`.

    Raises HostError, which calls the entry by `name`, for anything else.
    """
    match = _TIMESPAN.fullmatch(text.strip()) if isinstance(text, str) else None
    if match:
        days, hours, minutes = (int(part or 0) for part in match.groups()[:3])
        seconds = float(match[4] or 0)
        if hours < 24 and minutes < 60 and seconds < 60:  # noqa: PLR2004 - a clock's own limits
            return days * 86400 + hours * 3600 + minutes * 60 + seconds
    raise HostError(f"{name} is {text!r}: write a time span such as '00:00:30'.")


def read_host_options(app_dir: Path, *, processors: int | None = None) -> HostOptions:
    """Return the options of `app_dir/host.json`; raise HostError naming the entry that is wrong."""
    document = _read_json(app_dir / "host.json")
    if document.get("version") != "2.0":
        raise HostError('host.json must hold "version": "2.0".')
    extensions = document.get("extensions", {})
    timeout = document.get("functionTimeout")
    level = document.get("logging", {}).get("logLevel", {}).get("default", "Information")
    if str(level).lower() not in _LOG_LEVELS:
        raise HostError(f"host.json logging.logLevel.default is {level!r}, which is no log level.")
    return HostOptions(
        route_prefix=extensions.get("http", {}).get("routePrefix", "api").strip("/"),
        function_timeout=_timeout(timeout),
        log_level=_LOG_LEVELS[str(level).lower()],
        queues=_queue_options(extensions.get("queues", {}), processors or os.cpu_count() or 1),
    )


def read_local_settings(app_dir: Path) -> LocalSettings:
    """Return `app_dir/local.settings.json`, or nothing set where there is no such file."""
    path = app_dir / "local.settings.json"
    if not path.exists():
        return LocalSettings()
    document = _read_json(path)
    if document.get("IsEncrypted"):
        raise HostError("local.settings.json is encrypted: run 'func settings decrypt' first.")
    host = document.get("Host", {})
    return LocalSettings(
        values={
            name: value if isinstance(value, str) else json.dumps(value)
            for name, value in document.get("Values", {}).items()
        },
        cors=tuple(part.strip() for part in str(host.get("CORS", "")).split(",") if part.strip()),
        cors_credentials=bool(host.get("CORSCredentials", False)),
    )


def apply_settings(settings: LocalSettings, env: MutableMapping[str, str]) -> None:
    """Put the file's values into `env` where absent, and what a worker finds set in Azure."""
    defaults = {
        "FUNCTIONS_WORKER_RUNTIME": "python",
        "AZURE_FUNCTIONS_ENVIRONMENT": "Development",
        "PYTHON_THREADPOOL_THREAD_COUNT": str(DEFAULT_THREADS),
    }
    for name, value in (defaults | dict(settings.values)).items():
        env.setdefault(name, value)


def expand(text: str, env: Mapping[str, str]) -> str:
    """Replace each `%NAME%` by that setting; raise HostError for one that is not set."""

    def value(match: re.Match[str]) -> str:
        if match[1] not in env:
            raise HostError(f"'%{match[1]}%' does not resolve to a value: set {match[1]}.")
        return env[match[1]]

    return _SETTING.sub(value, text)


def is_disabled(function: str, env: Mapping[str, str]) -> bool:
    """Tell whether the setting `AzureWebJobs.<function>.Disabled` switches the function off."""
    names = (f"AzureWebJobs{s}{function}{s}Disabled" for s in (".", "__"))
    return any(env.get(name, "").lower() in {"true", "1"} for name in names)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise HostError(f"There is no {path.name} in {path.parent}.") from None
    except ValueError as error:
        raise HostError(f"{path.name} is not JSON: {error}.") from None
    if not isinstance(document, dict):
        raise HostError(f"{path.name} must hold a JSON object.")
    return document


def _timeout(text: object) -> float | None:
    if text is None:
        return DEFAULT_TIMEOUT
    return None if text == "-1" else parse_timespan(text, name="host.json functionTimeout")


def _queue_options(queues: Mapping[str, Any], processors: int) -> QueueOptions:
    batch = _whole(queues, "batchSize", 16, low=1, high=MAX_BATCH)
    encoding = str(queues.get("messageEncoding", "base64")).lower()
    if encoding not in {"base64", "none"}:
        raise HostError(f"{_key('messageEncoding')} is {encoding!r}: write 'base64' or 'none'.")
    polling = parse_timespan(
        queues.get("maxPollingInterval", "00:00:02"), name=_key("maxPollingInterval")
    )
    return QueueOptions(
        batch_size=batch,
        new_batch_threshold=_whole(queues, "newBatchThreshold", batch // 2 * processors, low=0),
        max_dequeue_count=_whole(queues, "maxDequeueCount", 5, low=1),
        visibility_timeout=parse_timespan(
            queues.get("visibilityTimeout", "00:00:00"), name=_key("visibilityTimeout")
        ),
        max_polling_interval=max(MIN_POLLING_INTERVAL, polling),
        base64=encoding == "base64",
    )


def _whole(
    queues: Mapping[str, Any], name: str, default: int, *, low: int, high: int | None = None
) -> int:
    value = queues.get(name, default)
    if type(value) is int and value >= low and (high is None or value <= high):
        return value
    limits = f"of at least {low}" if high is None else f"from {low} to {high}"
    raise HostError(f"{_key(name)} is {value!r}: write a whole number {limits}.")


def _key(name: str) -> str:
    return f"host.json extensions.queues.{name}"
