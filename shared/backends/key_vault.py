"""Azure Key Vault, reached with the app's managed identity."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from shared.backends.azure_identity import azure_credential
from shared.backends.vault_rules import canonical_name, decode_value, encode_value
from shared.errors import ConflictError, NotFoundError, PermanentError, TransientError

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential
    from azure.core.exceptions import HttpResponseError
    from azure.keyvault.secrets import SecretClient

_CONFLICT: Final = 409
_THROTTLED: Final = 429
_CONTENT_TYPE: Final = "application/json"
_PING_NAME: Final = "linkhub-integrator-ping"


class KeyVault:
    """Secrets of the vault at `url` (https://<name>.vault.azure.net). Safe for many threads.

    Each `put` adds a version and leaves the older ones, which nothing reads any more. A deleted
    name is refused while the vault keeps it (soft delete with purge protection: 7 to 90 days);
    callers never reuse one, as their names hold ids made once. The identity needs the role Key
    Vault Secrets Officer. `client_options` go to the SDK's client (a private certificate, …).
    """

    def __init__(
        self,
        url: str,
        *,
        client_id: str = "",
        credential: Callable[[str], TokenCredential] = azure_credential,
        client_options: Mapping[str, Any] | None = None,
    ) -> None:
        self._url = url
        self._client_id = client_id
        self._credential = credential
        self._options = dict(client_options or {})
        self._lock = Lock()
        self._made: SecretClient | None = None

    def get(self, name: str) -> Mapping[str, str]:
        """Return the newest version."""
        name = canonical_name(name)
        with _translated(name):
            secret = self._client().get_secret(name)
        return decode_value(name, secret.value or "")

    def put(self, name: str, value: Mapping[str, str]) -> None:
        """Store a new version; ConflictError for a deleted name."""
        name, text = canonical_name(name), encode_value(value)
        with _translated(name):
            self._client().set_secret(name, text, content_type=_CONTENT_TYPE)

    def delete(self, name: str) -> None:
        """Have the vault begin to delete the secret; it can be recovered until it is purged."""
        name = canonical_name(name)
        try:
            with _translated(name):
                self._client().begin_delete_secret(name)
        except NotFoundError:
            return

    def ping(self) -> None:
        """Return if the vault answers this identity; raise TransientError if not."""
        try:
            with _translated(_PING_NAME):
                self._client().get_secret(_PING_NAME)
        except NotFoundError:
            return

    def _client(self) -> SecretClient:
        from azure.keyvault.secrets import SecretClient

        with self._lock:
            if self._made is None:
                if not self._url.startswith("https://"):
                    raise PermanentError(
                        "KEY_VAULT_URL must begin with https://, like "
                        "https://<name>.vault.azure.net."
                    )
                options: dict[str, Any] = {
                    "retry_total": 2,
                    "retry_status": 0,  # a throttled or failing vault is the job's retry, not ours
                    "retry_backoff_factor": 0.5,
                    "connection_timeout": 5,
                    "read_timeout": 10,
                }
                self._made = SecretClient(
                    self._url, self._credential(self._client_id), **{**options, **self._options}
                )
            return self._made


@contextmanager
def _translated(name: str) -> Iterator[None]:
    """Turn the SDK's errors into ours; their texts stay out."""
    from azure.core.exceptions import (
        AzureError,
        ClientAuthenticationError,
        HttpResponseError,
        ResourceNotFoundError,
    )

    try:
        yield
    except ResourceNotFoundError:
        raise NotFoundError(f"There is no secret {name!r} in the vault.") from None
    except ClientAuthenticationError:
        raise TransientError(
            "Key Vault did not accept this app's identity: AZURE_CLIENT_ID must name an identity "
            "that is assigned to the app."
        ) from None
    except HttpResponseError as error:
        raise _refused(name, error) from None
    except AzureError:
        raise TransientError("Key Vault cannot be reached.") from None
    except ValueError:  # the client's check that the challenge fits the vault's own domain
        raise PermanentError(
            "KEY_VAULT_URL does not name a Key Vault: the server there asks for another service's "
            "token."
        ) from None


def _refused(name: str, error: HttpResponseError) -> Exception:
    status = error.status_code or 0
    if status == _CONFLICT:
        return ConflictError(f"The secret {name!r} was deleted; use a new name.")
    if status == _THROTTLED:
        return TransientError("Key Vault is throttling this app.", retry_after=_wait(error))
    if status in {401, 403}:
        return TransientError(
            f"Key Vault answered {status}: give the app's identity the role Key Vault Secrets "
            "Officer on the vault, and look whether its firewall or a disabled secret refuses it."
        )
    return TransientError(f"Key Vault answered {status}.")


def _wait(error: HttpResponseError) -> float | None:
    """Return the seconds of the answer's Retry-After, None where it gives none."""
    headers: Mapping[str, str] = getattr(error.response, "headers", {})
    try:
        return float(headers["Retry-After"])
    except (KeyError, ValueError):
        return None
