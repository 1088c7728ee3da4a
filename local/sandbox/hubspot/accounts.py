"""The HubSpot accounts a person can install the application in; both are made up."""

from __future__ import annotations

from dataclasses import dataclass

from local.sandbox.hubspot.kinds import KINDS
from local.sandbox.oauth.tokens import Account


@dataclass(frozen=True, slots=True, kw_only=True)
class Hub(Account):
    """A HubSpot account, with the person who gives consent there; `id` is the hub id."""

    domain: str
    user: str
    user_id: int


HUBS = (
    Hub(
        id="146120331",
        label="Alder Instruments",
        detail="Account 146120331, signed in as amelie.rousseau@alder.example",
        domain="alder.example",
        user="amelie.rousseau@alder.example",
        user_id=62011845,
    ),
    Hub(
        id="148990712",
        label="Birch Logistics",
        detail="Account 148990712, signed in as kaito.mori@birch.example",
        domain="birch.example",
        user="kaito.mori@birch.example",
        user_id=62417093,
    ),
)

_PARTS = {
    "crm.objects.{kind}.read": "Read {kind}",
    "crm.objects.{kind}.write": "Create and change {kind}",
    "crm.schemas.{kind}.read": "Read the properties and pipelines of {kind}",
    "crm.schemas.{kind}.write": "Add properties to {kind}",
}

SCOPES = {
    "oauth": "Stay connected to the account",
    "crm.objects.owners.read": "Read the owners of records",
    **{
        scope.format(kind=kind.name): text.format(kind=kind.name)
        for kind in KINDS
        for scope, text in _PARTS.items()
    },
}
"""What can be asked for, in HubSpot's names, and what the consent page says about it."""
