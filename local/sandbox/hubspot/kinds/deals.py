"""Deals: a HubSpot account's own properties, and a few custom ones as a person would add."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

from local.sandbox.hubspot.kinds.base import END_MS, SPAN_MS, Kind, Values, odds
from local.sandbox.hubspot.owners import FIRST_OWNER_ID
from local.sandbox.hubspot.pipelines import Pipeline, Stage, stages
from local.sandbox.hubspot.properties import choice, date, flag, labels, number, owner, text
from local.sandbox.hubspot.records import Reader, Record
from local.sandbox.hubspot.times import DAY_MS, to_day, to_iso, to_ms
from local.sandbox.hubspot.words import (
    FIRST,
    FORM,
    LOST_REASONS,
    NEXT_STEPS,
    PEOPLE,
    SECOND,
    SUBJECT,
)

_MINUTE = 60_000

PIPELINES = (
    Pipeline(
        id="default",
        label="Sales Pipeline",
        stages=stages(
            ("appointmentscheduled", "Appointment Scheduled", 0.2),
            ("qualifiedtobuy", "Qualified To Buy", 0.4),
            ("presentationscheduled", "Presentation Scheduled", 0.6),
            ("decisionmakerboughtin", "Decision Maker Bought-In", 0.8),
            ("contractsent", "Contract Sent", 0.9),
            ("closedwon", "Closed Won", 1.0),
            ("closedlost", "Closed Lost", 0.0),
        ),
    ),
    Pipeline(
        id="68194321",
        label="Renewals",
        stages=stages(
            ("132418801", "Renewal due", 0.5),
            ("132418802", "Offer sent", 0.7),
            ("132418803", "Verbal yes", 0.9),
            ("132418804", "Renewed", 1.0),
            ("132418805", "Churned", 0.0),
        ),
    ),
)
STAGES = {stage.id: stage for pipeline in PIPELINES for stage in pipeline.stages}

CURRENCIES = ("EUR", "USD", "GBP")
REGIONS = ("emea", "americas", "apac")
INTERESTS = ("planning", "reporting", "mobile", "automation")
_OWN: dict[str, Any] = {"group": "dealinformation"}
_CUSTOM: dict[str, Any] = {"group": "custom", "custom": True}
_COMPUTED: dict[str, Any] = {"group": "dealinformation", "calculated": True}
_KEPT: dict[str, Any] = {"group": "dealinformation", "read_only": True}

_PROPERTIES = (
    text("dealname", "Deal Name", **_OWN),
    number("amount", "Amount", description="The total value of the deal.", **_OWN),
    number("amount_in_home_currency", "Amount in company currency", **_COMPUTED),
    date("closedate", "Close Date", **_OWN),
    text("closed_lost_reason", "Closed Lost Reason", "textarea", **_OWN),
    date("createdate", "Create Date", **_KEPT),
    number("days_to_close", "Days to close", **_COMPUTED),
    choice("deal_currency_code", "Currency", tuple((c, c) for c in CURRENCIES), **_OWN),
    choice(
        "dealstage", "Deal Stage", tuple((s.id, s.label) for s in STAGES.values()), "radio", **_OWN
    ),
    choice(
        "dealtype", "Deal Type", (("newbusiness", "New"), ("existingbusiness", "Existing")), **_OWN
    ),
    text("description", "Deal Description", "textarea", **_OWN),
    number("hs_closed_amount", "Closed Deal Amount", **_COMPUTED),
    number("hs_deal_stage_probability", "Deal probability", **_COMPUTED),
    flag("hs_is_closed", "Is Deal Closed?", **_COMPUTED),
    flag("hs_is_closed_won", "Is Closed Won", **_COMPUTED),
    date("hs_lastmodifieddate", "Last Modified Date", **_KEPT),
    choice(
        "hs_manual_forecast_category",
        "Forecast category",
        (("OMIT", "Not forecasted"), ("PIPELINE", "Pipeline"), ("COMMIT", "Commit")),
        **_OWN,
    ),
    text("hs_next_step", "Next step", **_OWN),
    number("hs_object_id", "Record ID", **_KEPT),
    choice("hs_priority", "Priority", labels("low", "medium", "high"), **_OWN),
    number("hs_projected_amount", "Deal amount multiplied by probability", **_COMPUTED),
    date("hubspot_owner_assigneddate", "Owner assigned date", **_KEPT),
    owner("Deal owner"),
    date("notes_last_updated", "Last Activity Date", **_KEPT),
    number("num_associated_contacts", "Number of Associated Contacts", **_KEPT),
    number("num_notes", "Number of Sales Activities", **_KEPT),
    choice("pipeline", "Pipeline", tuple((p.id, p.label) for p in PIPELINES), **_OWN),
    text("contract_number", "Contract number", unique=True, **_CUSTOM),
    choice("region", "Region", labels(*REGIONS), "radio", **_CUSTOM),
    date("renewal_date", "Renewal date", "date", **_CUSTOM),
    flag("is_strategic", "Strategic account", **_CUSTOM),
    choice(
        "interests",
        "Interested in",
        labels(*INTERESTS),
        "checkbox",
        description="Several values stand in one string, parted by semicolons.",
        **_CUSTOM,
    ),
    number("implementation_fee", "Implementation fee", **_CUSTOM),
)


def _stage(record: Record) -> Stage | None:
    return STAGES.get(record.properties.get("dealstage", ""))


def _chance(record: Record) -> float:
    stage = _stage(record)
    return stage.probability if stage else 0.0


def _is_closed(record: Record) -> bool:
    stage = _stage(record)
    return stage is not None and stage.is_closed


def _projected(record: Record) -> str | None:
    amount = record.properties.get("amount")
    return f"{float(amount) * _chance(record):.2f}" if amount else None


def _closed_amount(record: Record) -> str | None:
    amount = record.properties.get("amount")
    return (amount if _chance(record) == 1.0 else "0") if amount else None


def _days_to_close(record: Record) -> str | None:
    closed = record.properties.get("closedate")
    if not closed or not _is_closed(record):
        return None
    return str(max(0, (to_ms(closed) - record.created_ms) // DAY_MS))


DERIVED: Mapping[str, Reader] = {
    "amount_in_home_currency": lambda record: record.properties.get("amount"),
    "hs_deal_stage_probability": lambda record: str(_chance(record)),
    "hs_is_closed": lambda record: "true" if _is_closed(record) else "false",
    "hs_is_closed_won": lambda record: "true" if _chance(record) == 1.0 else "false",
    "hs_projected_amount": _projected,
    "hs_closed_amount": _closed_amount,
    "days_to_close": _days_to_close,
}


def _fill(rng: Random, deal_id: int, created_ms: int, modified_ms: int) -> Values:
    chance = rng.random
    pipeline = PIPELINES[odds(rng, 0.2)]
    values = {
        "dealname": f"{rng.choice(FIRST)} {rng.choice(SECOND)} {rng.choice(FORM)}"
        f" \N{EN DASH} {rng.choice(SUBJECT)}",
        "pipeline": pipeline.id,
        "dealtype": "newbusiness" if pipeline is PIPELINES[0] else "existingbusiness",
        "deal_currency_code": CURRENCIES[int(chance() ** 2 * len(CURRENCIES))],
        "region": rng.choice(REGIONS),
        "contract_number": f"C-{deal_id}",
        "is_strategic": "true" if odds(rng, 0.1) else "false",
        "num_associated_contacts": str(int(chance() * 5)),
        "num_notes": str(int(chance() * 40)),
    }
    _choose_stage(rng, values, pipeline, created_ms, modified_ms)
    _fill_sometimes(rng, values, created_ms, modified_ms)
    return values


def _choose_stage(
    rng: Random, values: Values, pipeline: Pipeline, created_ms: int, modified_ms: int
) -> None:
    """Old deals are mostly closed, between creation and last change; open ones close later."""
    *going, won, lost = pipeline.stages
    age = (END_MS - created_ms) / SPAN_MS
    if odds(rng, 0.15 + 0.8 * age):
        stage = won if odds(rng, 0.45) else lost
        closed_ms = created_ms + int((modified_ms - created_ms) * rng.random())
        values["closedate"] = to_iso(closed_ms)
        if stage is lost:
            values["closed_lost_reason"] = rng.choice(LOST_REASONS)
    else:
        stage = going[int(rng.random() * len(going))]
        values["hs_next_step"] = rng.choice(NEXT_STEPS)
        if odds(rng, 0.9):  # one in ten has no date yet
            planned = END_MS + int((rng.random() - 0.1) * 180 * DAY_MS)
            planned = max(planned, created_ms)
            values["closedate"] = to_iso(planned - planned % _MINUTE)
    values["dealstage"] = stage.id


def _fill_sometimes(rng: Random, values: Values, created_ms: int, modified_ms: int) -> None:
    """Fill what people leave empty now and then."""
    chance = rng.random
    if odds(rng, 0.88):  # one in eight has no amount
        amount = round(10 ** (2.6 + 2.8 * chance()), 2)
        values["amount"] = f"{amount:.0f}" if odds(rng, 0.7) else f"{amount:.2f}"
    if odds(rng, 0.95):  # one in twenty is nobody's
        values["hubspot_owner_id"] = str(FIRST_OWNER_ID + int(chance() * len(PEOPLE)))
        values["hubspot_owner_assigneddate"] = to_iso(created_ms)
    if odds(rng, 0.4):
        values["hs_priority"] = rng.choice(("low", "medium", "high"))
    if odds(rng, 0.3):
        values["description"] = f"Asked about {rng.choice(SUBJECT)}.\nWants a reply by phone."
    if odds(rng, 0.25):
        values["interests"] = ";".join(sorted(rng.sample(INTERESTS, 2)))
    if odds(rng, 0.2):
        values["renewal_date"] = to_day(END_MS + int(chance() * SPAN_MS))
        values["implementation_fee"] = str(int(chance() * 50) * 100)
    if odds(rng, 0.5):
        values["notes_last_updated"] = to_iso(modified_ms)


DEALS = Kind(
    name="deals",
    singular="deal",
    type_id="0-3",
    properties=_PROPERTIES,
    default=("dealname", "amount", "closedate", "pipeline", "dealstage"),
    searched=("dealname",),
    derived=DERIVED,
    pipelines=PIPELINES,
    pipeline="pipeline",
    stage="dealstage",
    on_create={"dealtype": "newbusiness"},
    fill=_fill,
    first_id=9_107_440_000,
    seed=20261120,
)
