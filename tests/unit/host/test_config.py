from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from local.host.config import (
    HostOptions,
    LocalSettings,
    QueueOptions,
    apply_settings,
    expand,
    is_disabled,
    parse_timespan,
    read_host_options,
    read_local_settings,
)
from local.host.errors import HostError


def options_of(folder: Path, processors: int = 1, **document: Any) -> HostOptions:
    (folder / "host.json").write_text(json.dumps({"version": "2.0", **document}))
    return read_host_options(folder, processors=processors)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("00:00:30", 30),
        ("00:30", 1800),
        ("01:02:03.5", 3723.5),
        ("1.00:00:00", 86400),
        ("00:00:00", 0),
    ],
)
def test_timespans(text: str, seconds: float) -> None:
    """A .NET time span is read to its seconds."""
    assert parse_timespan(text, name="x") == seconds


@pytest.mark.parametrize("text", ["30", 30, "00:60:00", "24:00:00", "-00:00:01", "soon", None])
def test_wrong_timespans(text: object) -> None:
    """Anything else is refused by name, a bare number too: .NET reads it as days."""
    with pytest.raises(HostError, match=r"the entry is .* write a time span"):
        parse_timespan(text, name="the entry")


def test_defaults(tmp_path: Path) -> None:
    """An empty host.json gives the host's own defaults, on two processors."""
    assert options_of(tmp_path, processors=2) == HostOptions(
        route_prefix="api",
        function_timeout=1800,
        log_level=logging.INFO,
        queues=QueueOptions(batch_size=16, new_batch_threshold=16),
    )


def test_given_values(tmp_path: Path) -> None:
    """Every entry that is served is taken over."""
    options = options_of(
        tmp_path,
        functionTimeout="-1",
        logging={"logLevel": {"default": "Warning"}},
        extensions={
            "http": {"routePrefix": ""},
            "queues": {
                "batchSize": 4,
                "newBatchThreshold": 0,
                "maxDequeueCount": 2,
                "visibilityTimeout": "00:00:30",
                "maxPollingInterval": "00:00:00",
                "messageEncoding": "none",
            },
        },
    )
    assert options.route_prefix == ""
    assert options.function_timeout is None
    assert options.log_level == logging.WARNING
    assert options.queues == QueueOptions(
        batch_size=4,
        new_batch_threshold=0,
        max_dequeue_count=2,
        visibility_timeout=30,
        max_polling_interval=0.1,
        base64=False,
    )


@pytest.mark.parametrize(
    ("queues", "entry"),
    [
        ({"batchSize": 33}, "batchSize"),
        ({"batchSize": True}, "batchSize"),
        ({"maxDequeueCount": 0}, "maxDequeueCount"),
        ({"visibilityTimeout": 30}, "visibilityTimeout"),
        ({"messageEncoding": "utf8"}, "messageEncoding"),
    ],
)
def test_wrong_queue_entries_are_named(
    tmp_path: Path, queues: dict[str, object], entry: str
) -> None:
    """A value out of its limits is refused by the entry's name."""
    with pytest.raises(HostError, match=f"extensions.queues.{entry}"):
        options_of(tmp_path, extensions={"queues": queues})


@pytest.mark.parametrize("text", ["{", "[]", '{"version": "1.0"}'])
def test_wrong_host_json(tmp_path: Path, text: str) -> None:
    """A host.json that cannot be read is said to be so."""
    (tmp_path / "host.json").write_text(text)
    with pytest.raises(HostError, match=r"host\.json"):
        read_host_options(tmp_path)


def test_no_host_json(tmp_path: Path) -> None:
    """A folder without host.json is no app."""
    with pytest.raises(HostError, match=r"no host\.json"):
        read_host_options(tmp_path)


def test_local_settings(tmp_path: Path) -> None:
    """Values become text, CORS a list; without the file nothing is set."""
    assert read_local_settings(tmp_path) == LocalSettings()
    document = {
        "Values": {"A": "1", "B": True},
        "Host": {"CORS": "http://a, http://b", "CORSCredentials": True},
    }
    (tmp_path / "local.settings.json").write_text(json.dumps(document))
    settings = read_local_settings(tmp_path)
    assert settings.values == {"A": "1", "B": "true"}
    assert settings.cors == ("http://a", "http://b")
    assert settings.cors_credentials


def test_encrypted_settings_are_refused(tmp_path: Path) -> None:
    """Encrypted settings are of no use here, and the way out is named."""
    (tmp_path / "local.settings.json").write_text('{"IsEncrypted": true}')
    with pytest.raises(HostError, match="func settings decrypt"):
        read_local_settings(tmp_path)


def test_environment_wins_over_the_file() -> None:
    """What is set stays; the file fills the rest; the thread count has a default of 16."""
    env = {"A": "env"}
    apply_settings(LocalSettings(values={"A": "file", "B": "file"}), env)
    assert env["A"] == "env"
    assert env["B"] == "file"
    assert env["PYTHON_THREADPOOL_THREAD_COUNT"] == "16"
    assert env["AZURE_FUNCTIONS_ENVIRONMENT"] == "Development"


def test_file_sets_the_thread_count() -> None:
    """A thread count of the file is kept."""
    env: dict[str, str] = {}
    apply_settings(LocalSettings(values={"PYTHON_THREADPOOL_THREAD_COUNT": "3"}), env)
    assert env["PYTHON_THREADPOOL_THREAD_COUNT"] == "3"


def test_expand() -> None:
    """Each %NAME% is replaced; one that is not set is named."""
    assert expand("%A%-x-%B%", {"A": "1", "B": "2"}) == "1-x-2"
    with pytest.raises(HostError, match="'%C%' does not resolve to a value"):
        expand("%C%", {})


def test_disabled_functions() -> None:
    """The documented settings switch one function off."""
    assert is_disabled("tick", {"AzureWebJobs.tick.Disabled": "true"})
    assert is_disabled("tick", {"AzureWebJobs__tick__Disabled": "1"})
    assert not is_disabled("tick", {"AzureWebJobs.tick.Disabled": "false"})
