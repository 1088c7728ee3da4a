"""Companies."""

from __future__ import annotations

from random import Random
from typing import Any

from local.sandbox.hubspot.kinds.base import Kind, Values, odds
from local.sandbox.hubspot.owners import FIRST_OWNER_ID
from local.sandbox.hubspot.properties import choice, date, flag, labels, number, owner, text
from local.sandbox.hubspot.words import CITIES, FIRST, FORM, PEOPLE, SECOND

INDUSTRIES = ("AUTOMOTIVE", "BANKING", "COMPUTER_SOFTWARE", "FOOD_PRODUCTION", "MACHINERY")
STAGES = ("subscriber", "lead", "opportunity", "customer", "evangelist", "other")
_OWN: dict[str, Any] = {"group": "companyinformation"}
_KEPT: dict[str, Any] = {"group": "companyinformation", "read_only": True}

_PROPERTIES = (
    text("name", "Company name", **_OWN),
    text("domain", "Company Domain Name", **_OWN),
    text("website", "Website URL", **_OWN),
    text("phone", "Phone Number", "phonenumber", **_OWN),
    text("city", "City", **_OWN),
    text("country", "Country/Region", **_OWN),
    choice("industry", "Industry", labels(*INDUSTRIES), **_OWN),
    choice("lifecyclestage", "Lifecycle Stage", labels(*STAGES), "radio", **_OWN),
    number("annualrevenue", "Annual Revenue", **_OWN),
    number("numberofemployees", "Number of Employees", **_OWN),
    text("description", "Description", "textarea", **_OWN),
    flag("is_public", "Is Public", **_OWN),
    owner("Company owner"),
    date("createdate", "Create Date", **_KEPT),
    date("hs_lastmodifieddate", "Last Modified Date", **_KEPT),
    number("hs_object_id", "Record ID", **_KEPT),
    text("customer_number", "Customer number", unique=True, custom=True, group="custom"),
)


def _fill(rng: Random, company_id: int, _created_ms: int, _modified_ms: int) -> Values:
    first, second = rng.choice(FIRST), rng.choice(SECOND)
    domain = f"c{company_id % 1_000_000:06}.example"
    city, country = rng.choice(CITIES)
    values = {
        "name": f"{first} {second} {rng.choice(FORM)}",
        "domain": domain,
        "city": city,
        "country": country,
        "industry": rng.choice(INDUSTRIES),
        "lifecyclestage": rng.choice(STAGES),
        "is_public": "true" if odds(rng, 0.1) else "false",
        "customer_number": f"K-{company_id}",
    }
    if odds(rng, 0.6):
        values["website"] = f"https://www.{domain}"
    if odds(rng, 0.5):
        values["annualrevenue"] = str(rng.randrange(1, 900) * 100_000)
        values["numberofemployees"] = str(rng.randrange(3, 4000))
    if odds(rng, 0.9):
        values["hubspot_owner_id"] = str(FIRST_OWNER_ID + rng.randrange(len(PEOPLE)))
    return values


COMPANIES = Kind(
    name="companies",
    singular="company",
    type_id="0-2",
    properties=_PROPERTIES,
    default=("name", "domain"),
    searched=("name", "domain", "website", "phone"),
    fill=_fill,
    first_id=6_120_080_000,
    seed=20261121,
)
