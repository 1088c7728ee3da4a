"""The account's deals, made from a fixed seed: the same every time, for a given count."""

from __future__ import annotations

from random import Random

from local.sandbox.hubspot.deals import Deal, recompute, to_day, to_iso
from local.sandbox.hubspot.schema import (
    CURRENCIES,
    FIRST_OWNER_ID,
    INTERESTS,
    PIPELINES,
    REGIONS,
    Pipeline,
)
from local.sandbox.hubspot.words import (
    FIRST,
    FORM,
    LOST_REASONS,
    NEXT_STEPS,
    PEOPLE,
    SECOND,
    SUBJECT,
)

END_MS = 1_795_194_000_000
"""2026-11-20T17:00:00Z: nothing generated happened later (a planned close date may lie ahead)."""
ARCHIVED = 400
_DAY = 86_400_000
_SPAN = 730 * _DAY
_MINUTE = 60_000
_FIRST_ID = 9_107_440_000
_SEED = 20261120
_BULK_EDITS = tuple(END_MS - days * _DAY for days in (400, 170, 12))
"""Moments at which an import touched many deals at once: they share a hs_lastmodifieddate."""


def generate(count: int, *, archived: int = ARCHIVED) -> list[Deal]:
    """Return `count` live deals and `archived` archived ones, in id order, created in id order."""
    rng = Random(_SEED)
    total = count + archived
    created = sorted(END_MS - rng.randrange(3_600_000, _SPAN) for _ in range(total))
    gone = set(rng.sample(range(total), archived))
    deals = []
    deal_id = _FIRST_ID
    for position, created_ms in enumerate(created):
        deal_id += rng.randrange(1, 97)
        deal = _make(rng, deal_id, created_ms)
        if position in gone:
            later = int((END_MS - deal.modified_ms) * rng.random())
            deal.archived_ms = deal.modified_ms + later
        deals.append(deal)
    return deals


def _odds(rng: Random, share: float) -> bool:
    """Return True in `share` of all cases."""
    return rng.random() < share


def _make(rng: Random, deal_id: int, created_ms: int) -> Deal:
    chance = rng.random
    age = END_MS - created_ms
    modified_ms = created_ms + int(age * chance() ** 1.5)
    if _odds(rng, 0.04):  # one in twenty-five was touched by an import
        modified_ms = max(rng.choice(_BULK_EDITS), modified_ms)
    pipeline = PIPELINES[_odds(rng, 0.2)]
    values = {
        "dealname": f"{rng.choice(FIRST)} {rng.choice(SECOND)} {rng.choice(FORM)}"
        f" \N{EN DASH} {rng.choice(SUBJECT)}",
        "pipeline": pipeline.id,
        "dealtype": "newbusiness" if pipeline is PIPELINES[0] else "existingbusiness",
        "deal_currency_code": CURRENCIES[int(chance() ** 2 * len(CURRENCIES))],
        "region": rng.choice(REGIONS),
        "contract_number": f"C-{deal_id}",
        "is_strategic": "true" if _odds(rng, 0.1) else "false",
        "num_associated_contacts": str(int(chance() * 5)),
        "num_notes": str(int(chance() * 40)),
    }
    _choose_stage(rng, values, pipeline, created_ms, modified_ms)
    _fill_sometimes(rng, values, created_ms, modified_ms)
    deal = Deal(id=deal_id, properties=values, created_ms=created_ms, modified_ms=modified_ms)
    recompute(deal)
    return deal


def _choose_stage(
    rng: Random, values: dict[str, str], pipeline: Pipeline, created_ms: int, modified_ms: int
) -> None:
    """Old deals are mostly closed, between creation and last change; open ones close later."""
    *going, won, lost = pipeline.stages
    age = (END_MS - created_ms) / _SPAN
    if _odds(rng, 0.15 + 0.8 * age):
        stage = won if _odds(rng, 0.45) else lost
        closed_ms = created_ms + int((modified_ms - created_ms) * rng.random())
        values["closedate"] = to_iso(closed_ms)
        if stage is lost:
            values["closed_lost_reason"] = rng.choice(LOST_REASONS)
    else:
        stage = going[int(rng.random() * len(going))]
        values["hs_next_step"] = rng.choice(NEXT_STEPS)
        if _odds(rng, 0.9):  # one in ten has no date yet
            planned = END_MS + int((rng.random() - 0.1) * 180 * _DAY)
            planned = max(planned, created_ms)
            values["closedate"] = to_iso(planned - planned % _MINUTE)
    values["dealstage"] = stage.id


def _fill_sometimes(rng: Random, values: dict[str, str], created_ms: int, modified_ms: int) -> None:
    """Fill what people leave empty now and then."""
    chance = rng.random
    if _odds(rng, 0.88):  # one in eight has no amount
        amount = round(10 ** (2.6 + 2.8 * chance()), 2)
        values["amount"] = f"{amount:.0f}" if _odds(rng, 0.7) else f"{amount:.2f}"
    if _odds(rng, 0.95):  # one in twenty is nobody's
        values["hubspot_owner_id"] = str(FIRST_OWNER_ID + int(chance() * len(PEOPLE)))
        values["hubspot_owner_assigneddate"] = to_iso(created_ms)
    if _odds(rng, 0.4):
        values["hs_priority"] = rng.choice(("low", "medium", "high"))
    if _odds(rng, 0.3):
        values["description"] = f"Asked about {rng.choice(SUBJECT)}.\nWants a reply by phone."
    if _odds(rng, 0.25):
        values["interests"] = ";".join(sorted(rng.sample(INTERESTS, 2)))
    if _odds(rng, 0.2):
        values["renewal_date"] = to_day(END_MS + int(chance() * _SPAN))
        values["implementation_fee"] = str(int(chance() * 50) * 100)
    if _odds(rng, 0.5):
        values["notes_last_updated"] = to_iso(modified_ms)
