"""Signing in at a provider: start, come back, complete; and disconnect."""

from __future__ import annotations

import azure.functions as func

from functions import schemas
from functions.bootstrap import app
from functions.http_support import Redirect, endpoint, public_endpoint
from shared.domain.profiles import Caller
from shared.errors import ConflictError, NotFoundError, PreconditionError
from shared.services import oauth, oauth_callback, steps

bp = func.Blueprint()


@bp.route(
    "api/v1/instances/{instance_id}/oauth/start",
    methods=["POST"],
    auth_level=func.AuthLevel.ANONYMOUS,
)
@endpoint(errors=(ConflictError,))
def start_sign_in(instance_id: str, caller: Caller) -> schemas.SignIn:
    """Return where the caller gives consent, good for ten minutes."""
    url = oauth.start_sign_in(
        instance_id,
        caller=caller,
        open_uow=app().open_uow,
        vault=app().vault,
        servers=app().oauth_servers,
        now=app().now,
    )
    return schemas.SignIn(authorize_url=url)


@bp.route("oauth/callback/{provider}", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@public_endpoint(status=302, errors=(NotFoundError,))
def come_back(provider: str, req: func.HttpRequest) -> Redirect:
    """Send the person's browser on to the dashboard, which completes the sign-in.

    Nothing is exchanged. Where the browser goes is a setting; only a state and code of the right
    form, or an error of a known name, go with it.
    """
    url = oauth_callback.onward_url(
        provider,
        req.params,
        servers=app().oauth_servers,
        dashboard_url=app().settings.dashboard_url,
    )
    return Redirect(url=url)


@bp.route("api/v1/oauth/complete", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
@endpoint(errors=(NotFoundError, ConflictError))
def complete_sign_in(body: schemas.SignInInput, caller: Caller) -> schemas.Connection:
    """Redeem the code of a sign-in the caller started, and connect the instance."""
    instance, check = oauth.complete_sign_in(
        body.state.get_secret_value(),
        body.code.get_secret_value(),
        caller=caller,
        replace_account=body.replace_account,
        open_uow=app().open_uow,
        vault=app().vault,
        servers=app().oauth_servers,
        connector=app().connector,
        now=app().now,
    )
    return schemas.Connection(
        instance=schemas.Instance.of(instance), account=check.account, label=check.label
    )


@bp.route(
    "api/v1/instances/{instance_id}/connection",
    methods=["DELETE"],
    auth_level=func.AuthLevel.ANONYMOUS,
)
@endpoint(errors=(ConflictError, PreconditionError))
def disconnect(instance_id: str, caller: Caller, expected: steps.Versions) -> schemas.Instance:
    """Take the credentials away, at the provider too, and return the instance."""
    instance = oauth.disconnect(
        instance_id,
        caller=caller,
        expected=expected,
        open_uow=app().open_uow,
        vault=app().vault,
        now=app().now,
        revoke=app().revoke_sign_in,
    )
    return schemas.Instance.of(instance)
