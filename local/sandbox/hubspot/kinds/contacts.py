"""Contacts. Their time of change is `lastmodifieddate`, and a clash of e-mail is a 409."""

from __future__ import annotations

from random import Random
from typing import Any

from local.sandbox.hubspot.kinds.base import Kind, Values, odds
from local.sandbox.hubspot.owners import FIRST_OWNER_ID
from local.sandbox.hubspot.properties import choice, date, flag, labels, number, owner, text
from local.sandbox.hubspot.words import CITIES, JOBS, PEOPLE

STAGES = ("subscriber", "lead", "opportunity", "customer", "evangelist", "other")
STATUSES = ("NEW", "OPEN", "IN_PROGRESS", "CONNECTED", "BAD_TIMING")
_OWN: dict[str, Any] = {"group": "contactinformation"}
_KEPT: dict[str, Any] = {"group": "contactinformation", "read_only": True}

_PROPERTIES = (
    text("email", "Email", unique=True, **_OWN),
    text("firstname", "First Name", **_OWN),
    text("lastname", "Last Name", **_OWN),
    text("phone", "Phone Number", "phonenumber", **_OWN),
    text("jobtitle", "Job Title", **_OWN),
    text("company", "Company Name", **_OWN),
    text("city", "City", **_OWN),
    text("country", "Country/Region", **_OWN),
    choice("lifecyclestage", "Lifecycle Stage", labels(*STAGES), "radio", **_OWN),
    choice("hs_lead_status", "Lead Status", labels(*STATUSES), "radio", **_OWN),
    date("date_of_birth", "Date of birth", "date", **_OWN),
    flag("hs_email_optout", "Unsubscribed from all email", **_OWN),
    owner("Contact owner"),
    date("createdate", "Create Date", **_KEPT),
    date("lastmodifieddate", "Last Modified Date", **_KEPT),
    number("hs_object_id", "Record ID", **_KEPT),
)


def _fill(rng: Random, contact_id: int, _created_ms: int, _modified_ms: int) -> Values:
    first, last = rng.choice(PEOPLE)[0], rng.choice(PEOPLE)[1]
    values = {
        "firstname": first,
        "lastname": last,
        "lifecyclestage": rng.choice(STAGES),
        "hs_email_optout": "true" if odds(rng, 0.05) else "false",
    }
    if odds(rng, 0.95):  # one in twenty has no address
        values["email"] = f"contact{contact_id}@mail.example"
    if odds(rng, 0.7):
        values["jobtitle"] = rng.choice(JOBS)
    if odds(rng, 0.5):
        values["city"], values["country"] = rng.choice(CITIES)
    if odds(rng, 0.4):
        values["hs_lead_status"] = rng.choice(STATUSES)
    if odds(rng, 0.8):
        values["hubspot_owner_id"] = str(FIRST_OWNER_ID + rng.randrange(len(PEOPLE)))
    return values


CONTACTS = Kind(
    name="contacts",
    singular="contact",
    type_id="0-1",
    properties=_PROPERTIES,
    default=("firstname", "lastname", "email"),
    searched=("firstname", "lastname", "email", "phone", "company"),
    modified="lastmodifieddate",
    natural="email",
    fill=_fill,
    first_id=3_150_000_000,
    seed=20261122,
)
