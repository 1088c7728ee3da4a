"""What becomes of a browser that a provider sent back to us."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlencode

from shared.domain.oauth import CODE_FORM, provider_of_state
from shared.errors import NotFoundError, PermanentError
from shared.services.oauth_servers import OAuthServers

DASHBOARD_PATH: Final = "/oauth/callback"

ERRORS: Final = frozenset(
    {
        "access_denied",
        "consent_required",
        "interaction_required",
        "invalid_request",
        "invalid_scope",
        "login_required",
        "server_error",
        "temporarily_unavailable",
        "unauthorized_client",
        "unsupported_response_type",
    }
)
"""RFC 6749, section 4.1.2.1, and those OpenID Connect Core adds; any other is `server_error`."""

INVALID_STATE: Final = "invalid_state"
_LONGEST_DESCRIPTION: Final = 200


def onward_url(
    provider: str, params: Mapping[str, str], *, servers: OAuthServers, dashboard_url: str
) -> str:
    """Return the dashboard's address with `state` and `code`, or `error` and what it means.

    Anybody can make a browser come here with anything. Nothing of it decides where it goes on to;
    a state of another provider than the one in the path (a mix-up of two servers) and what has
    no right form are left behind. Raises NotFoundError where nobody signs in at `provider`.
    """
    if not servers.signs_in(provider):
        raise NotFoundError("Nobody signs in here.")
    if not dashboard_url:
        raise PermanentError("The setting DASHBOARD_URL is missing: no sign-in can end without.")
    return f"{dashboard_url.rstrip('/')}{DASHBOARD_PATH}?{urlencode(_passed_on(provider, params))}"


def _passed_on(provider: str, params: Mapping[str, str]) -> dict[str, str]:
    state, code, error = (params.get(name, "") for name in ("state", "code", "error"))
    if provider_of_state(state) != provider:
        return {"error": INVALID_STATE}
    if error:
        known = error if error in ERRORS else "server_error"
        described = _plain(params.get("error_description", ""))
        return {"state": state, "error": known} | (
            {"error_description": described} if described else {}
        )
    if not CODE_FORM.fullmatch(code):
        return {"state": state, "error": "invalid_request"}
    return {"state": state, "code": code}


def _plain(text: str) -> str:
    """Return one line of printable characters, cut: words of a stranger, shown as such."""
    first = next(iter(text.splitlines()), "")
    return "".join(character for character in first if character.isprintable())[
        :_LONGEST_DESCRIPTION
    ].strip()
