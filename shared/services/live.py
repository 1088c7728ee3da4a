"""An instance's connection, opened for a person who waits for the answer."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager

from shared.domain.instances import Instance, InstanceState
from shared.errors import AuthError, ConflictError, PermanentError
from shared.ports.provider import Connection
from shared.ports.vault import Vault
from shared.services.connections import Connector, stored_credentials


@contextmanager
def live_connection(
    instance: Instance,
    state: InstanceState,
    *,
    vault: Vault,
    connector: Connector,
    selection: Mapping[str, Sequence[str]] | None = None,
) -> Iterator[Connection]:
    """Yield the opened connection, closed at the end.

    What the provider refuses inside is a ConflictError that says what to do; a provider that does
    not answer stays a TransientError.
    """
    try:
        connection = connector.open(
            instance.provider,
            credentials=stored_credentials(instance, state.secret_ref, vault=vault),
            options=instance.options,
            selection=selection,
            sleep=time.sleep,
            interactive=True,
            account=state.account,
        )
        with closing(connection):
            yield connection
    except AuthError as error:
        raise ConflictError(f"{instance.name} must be connected again: {error}") from error
    except PermanentError as error:
        raise ConflictError(f"{instance.name} cannot be read as it is set up: {error}") from error
