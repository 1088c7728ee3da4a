from __future__ import annotations

import pytest

from shared.errors import PermanentError
from shared.settings import Settings

SECRET = "canary-5f1c"


def test_nothing_is_required() -> None:
    """An empty environment gives the defaults: the app can be imported anywhere."""
    assert Settings.from_env({}) == Settings()


def test_each_setting_is_read_as_the_type_of_its_default() -> None:
    """Texts of the environment become flags, numbers and lists of numbers."""
    read = Settings.from_env(
        {
            "OIDC_ISSUER": " https://issuer.test ",
            "ALLOW_PRIVATE_HOSTS": "TRUE",
            "LEASE_SECONDS": "2.5",
            "RECORD_ERROR_LIMIT": "7",
            "REDRIVE_DELAYS": "1, 2.5,",
            "AzureWebJobsStorage": "UseDevelopmentStorage=true",
        }
    )
    assert read.oidc_issuer == "https://issuer.test"
    assert read.allow_private_hosts is True
    assert read.lease_seconds == 2.5
    assert read.record_error_limit == 7
    assert read.redrive_seconds == (1.0, 2.5)
    assert read.storage_connection_string == "UseDevelopmentStorage=true"


def test_an_empty_variable_counts_as_absent() -> None:
    """A deployment template may leave a setting empty."""
    assert Settings.from_env(dict.fromkeys(Settings.variables().values(), "")) == Settings()


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("ALLOW_PRIVATE_HOSTS", "maybe"),
        ("LEASE_SECONDS", "nan"),
        ("LEASE_SECONDS", "soon"),
        ("RECORD_ERROR_LIMIT", "1.5"),
        ("REDRIVE_DELAYS", "300,later"),
    ],
)
def test_what_cannot_be_read_is_named(variable: str, text: str) -> None:
    """The error names the variable and never repeats its text, which may be a secret."""
    with pytest.raises(PermanentError, match=variable) as caught:
        Settings.from_env({variable: text, "OIDC_ISSUER": "x"})
    assert text not in str(caught.value)


def test_every_wrong_setting_is_named_at_once() -> None:
    """An operator mends all of them in one go."""
    with pytest.raises(PermanentError, match=r"LEASE_SECONDS: .*; LOG_RECORDS_DAYS: "):
        Settings.from_env({"LEASE_SECONDS": "x", "LOG_RECORDS_DAYS": "y"})


def test_no_secret_is_shown() -> None:
    """What may hold a password or a key is not in the settings' repr."""
    secrets = ("DATABASE_URL", "AzureWebJobsStorage", "LINKHUB_API_KEY", "WAREHOUSE_URL")
    shown = repr(Settings.from_env(dict.fromkeys(secrets, SECRET)))
    assert SECRET not in shown
