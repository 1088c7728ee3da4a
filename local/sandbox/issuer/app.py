"""The issuer as an ASGI app. Whoever reaches it can sign in as anybody: for loopback only."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from local.sandbox.faults import Faults
from local.sandbox.issuer.keys import ALGORITHM, SigningKeys
from local.sandbox.web import json_response

PROVIDER = "issuer"
AUDIENCE = "linkhub-integrator"


class _TokenWish(BaseModel):
    model_config = ConfigDict(extra="forbid")

    sub: str = "developer"
    name: str = "Dev Eloper"
    email: str = "developer@sandbox.example"
    roles: list[str] = []
    expires_in: int = 3600
    """Seconds; a negative number gives a token that is expired already."""
    audience: str = AUDIENCE
    claims: dict[str, Any] = {}
    """Added to the claims or put in their place; null leaves a claim out."""
    header: dict[str, Any] = {}
    """Added to the token's header or put in its place, such as another `kid`."""


class _RotateWish(BaseModel):
    model_config = ConfigDict(extra="forbid")

    keep_old: bool = True


def error_body(status: int) -> dict[str, Any]:
    """Return an error in the form of RFC 6749."""
    return {"error": "temporarily_unavailable", "error_description": f"Status {status}."}


def issuer_app(*, url: str, state_dir: Path, faults: Faults) -> Starlette:
    """Return the issuer that calls itself `url`, with its keys in `state_dir`."""
    faults.declare(PROVIDER)
    keys = SigningKeys(state_dir / "issuer-keys.json")

    async def discovery(_: Request) -> Response:
        return json_response(
            {
                "issuer": url,
                "jwks_uri": f"{url}/.well-known/jwks.json",
                "token_endpoint": f"{url}/dev/token",
                "response_types_supported": ["token"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": [ALGORITHM],
                "claims_supported": ["sub", "name", "email", "roles"],
            }
        )

    async def jwks(_: Request) -> Response:
        return json_response(keys.public())

    async def token(request: Request) -> Response:
        try:
            wish = _TokenWish.model_validate_json(await request.body() or b"{}")
        except ValidationError as error:
            return _invalid(error)
        now = int(time.time())
        claims: dict[str, Any] = {
            "iss": url,
            "aud": wish.audience,
            "sub": wish.sub,
            "name": wish.name,
            "email": wish.email,
            "roles": wish.roles,
            "iat": now,
            "nbf": min(now, now + wish.expires_in),
            "exp": now + wish.expires_in,
            "jti": str(uuid4()),
            **wish.claims,
        }
        kept = {name: value for name, value in claims.items() if value is not None}
        answer = {
            "access_token": keys.sign(kept, wish.header),
            "token_type": "Bearer",
            "expires_in": wish.expires_in,
        }
        return json_response(answer, headers={"Cache-Control": "no-store"})

    async def rotate(request: Request) -> Response:
        try:
            wish = _RotateWish.model_validate_json(await request.body() or b"{}")
        except ValidationError as error:
            return _invalid(error)
        return json_response({"kid": keys.rotate(keep_old=wish.keep_old)})

    return Starlette(
        routes=[
            Route("/.well-known/openid-configuration", discovery, methods=["GET"]),
            Route("/.well-known/jwks.json", jwks, methods=["GET"]),
            Route("/dev/token", token, methods=["POST"]),
            Route("/dev/rotate", rotate, methods=["POST"]),
        ]
    )


def _invalid(error: ValidationError) -> Response:
    body = {"error": "invalid_request", "error_description": str(error)}
    return json_response(body, 400)
