"""The tenants and their people; all of them are made up."""

from __future__ import annotations

from dataclasses import dataclass

from local.sandbox.oauth.tokens import Account

ANY = frozenset({"organizations", "common"})
"""What stands in an address in place of a tenant where people of every tenant may come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class User(Account):
    """A person of a tenant; `id` is the object id (`oid`)."""

    tenant: str
    name: str
    upn: str
    is_admin: bool = False


TENANTS = {
    "6f0cb1a4-53d1-4d0e-9a55-1f0f6c2f7d11": "alder.example",
    "a2c4a1de-0a5b-4b52-8a4e-7d3f0e6b9c22": "birch.example",
}
"""Tenant id -> domain."""
ALDER, BIRCH = TENANTS


def _user(oid: str, tenant: str, name: str, local: str, *, is_admin: bool = False) -> User:
    upn = f"{local}@{TENANTS[tenant]}"
    detail = f"{upn}{', administrator' if is_admin else ''}"
    return User(
        id=oid, label=name, detail=detail, tenant=tenant, name=name, upn=upn, is_admin=is_admin
    )


USERS = (
    _user("0b6e5a52-9d0c-4d6b-8f0a-3f5c1f9a0001", ALDER, "Amélie Rousseau", "amelie.rousseau"),
    _user(
        "0b6e5a52-9d0c-4d6b-8f0a-3f5c1f9a0002", ALDER, "Priya Raman", "priya.raman", is_admin=True
    ),
    _user("0b6e5a52-9d0c-4d6b-8f0a-3f5c1f9a0003", BIRCH, "Kaito Mori", "kaito.mori"),
    _user(
        "0b6e5a52-9d0c-4d6b-8f0a-3f5c1f9a0004",
        BIRCH,
        "Sofia Bianchi",
        "sofia.bianchi",
        is_admin=True,
    ),
)


def users_of(tenant: str) -> tuple[User, ...]:
    """Return the people who may come to `tenant`'s address; none where it does not exist."""
    if tenant in ANY:
        return USERS
    return tuple(user for user in USERS if tenant in {user.tenant, TENANTS[user.tenant]})
