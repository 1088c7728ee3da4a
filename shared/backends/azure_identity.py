"""Who this process is for Azure: its managed identity in Azure, the `az login` elsewhere."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from shared.errors import TransientError

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

_SQL_SCOPE: Final = "https://database.windows.net/.default"


def azure_credential(client_id: str = "") -> TokenCredential:
    """Return a credential that keeps its tokens fresh; the network is used with the first token.

    Where the platform offers managed identities (it sets IDENTITY_ENDPOINT) it is the user-assigned
    one of `client_id`, or the system-assigned one for ''. Elsewhere it is an operator's Azure CLI.
    """
    if "IDENTITY_ENDPOINT" in os.environ:
        from azure.identity import ManagedIdentityCredential

        return ManagedIdentityCredential(client_id=client_id or None)
    from azure.identity import AzureCliCredential

    return AzureCliCredential()


def sql_access_token(client_id: str = "") -> Callable[[], str]:
    """Return a function that gives a valid access token for Azure SQL each time it is called.

    Make it once and keep it: the tokens are cached in it. It raises TransientError when Microsoft
    Entra ID gives none.
    """
    credential: TokenCredential | None = None

    def token() -> str:
        nonlocal credential
        from azure.core.exceptions import AzureError

        if credential is None:
            credential = azure_credential(client_id)
        try:
            return credential.get_token(_SQL_SCOPE).token
        except AzureError:
            raise TransientError(
                "Microsoft Entra ID gave no token for Azure SQL. Check that the identity of "
                "AZURE_CLIENT_ID is assigned to this app, or sign in with `az login`."
            ) from None

    return token
