from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from shared.backends.azure_identity import azure_credential, sql_access_token
from shared.backends.storage_queue import StorageJobQueue, hidden_seconds
from shared.errors import PermanentError, TransientError

_NOBODY = (
    "DefaultEndpointsProtocol=http;AccountName=canaryaccount;AccountKey=Y2FuYXJ5a2V5;"
    "QueueEndpoint=http://127.0.0.1:9/canaryaccount;"
)


def test_missing_settings_are_named() -> None:
    """A queue without any setting says which ones there are, when it is first used."""
    with pytest.raises(PermanentError, match="AzureWebJobsStorage__queueServiceUri"):
        StorageJobQueue().send("job-1", scheduled=False)


@pytest.mark.parametrize("text", ["nonsense", "AccountName=x", ";;;"])
def test_unreadable_connection_string_is_named(text: str) -> None:
    """A connection string that is none is a wrong setting, and is not repeated."""
    with pytest.raises(PermanentError, match="cannot be read") as caught:
        StorageJobQueue(connection_string=text).ping()
    assert text not in str(caught.value)


def test_unknown_api_version_is_named() -> None:
    """A protocol version the client does not know is a wrong setting."""
    with pytest.raises(PermanentError, match="STORAGE_API_VERSION"):
        StorageJobQueue(connection_string=_NOBODY, api_version="1999-01-01").ping()


def test_unreachable_service_is_transient() -> None:
    """A service that does not answer is transient, and no key or address shows."""
    with pytest.raises(TransientError, match="cannot be reached") as caught:
        StorageJobQueue(connection_string=_NOBODY).ping()
    assert "canary" not in str(caught.value)
    assert "Y2FuYXJ5a2V5" not in str(caught.value)


@pytest.mark.parametrize(
    ("delay", "seconds"),
    [(-5, 0), (0, 0), (0.2, 1), (90, 90), (90.01, 91), (604_800, 604_800), (1e308, 604_800)],
)
def test_delay_in_whole_seconds(delay: float, seconds: int) -> None:
    """A delay is rounded up, never below none and never beyond the service's 7 days."""
    assert hidden_seconds(delay) == seconds


def test_bad_job_id_is_not_sent() -> None:
    """What is no job id is refused before anything is sent."""
    with pytest.raises(PermanentError, match="job id"):
        StorageJobQueue(connection_string=_NOBODY).send("not an id", scheduled=True)


def test_importing_the_backends_loads_no_sdk() -> None:
    """Cold start: the SDKs are loaded with the first use, not with the modules."""
    modules = "azure_identity, key_vault, local_vault, oidc, oidc_keys, storage_queue"
    heavy = "{'azure', 'cryptography', 'jwt', 'httpx', 'urllib.request'}"
    program = (
        f"import sys; from shared.backends import {modules}; print({heavy} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[3],
        env={**os.environ, "PYTHONPATH": "."},
    )
    assert done.stdout.strip() == "set()"


def test_identity_is_managed_where_the_platform_offers_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In Azure the managed identity is used and nothing else; elsewhere the operator's sign-in."""
    monkeypatch.setenv("IDENTITY_ENDPOINT", "http://127.0.0.1:9/token")
    monkeypatch.setenv("IDENTITY_HEADER", "x")
    assert type(azure_credential("11111111-1111-1111-1111-111111111111")).__name__ == (
        "ManagedIdentityCredential"
    )
    monkeypatch.delenv("IDENTITY_ENDPOINT")
    assert type(azure_credential()).__name__ == "AzureCliCredential"


def test_no_sign_in_means_no_sql_token(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without an identity the error says how to get one."""
    monkeypatch.delenv("IDENTITY_ENDPOINT", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(TransientError, match="az login"):
        sql_access_token()()
