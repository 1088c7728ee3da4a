"""A deal, what HubSpot computes of it, and how times are written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any

from local.sandbox.hubspot.schema import STAGES

_DAY_MS = 86_400_000
_EPOCH = date(1970, 1, 1)


@dataclass(slots=True, kw_only=True)
class Deal:
    """One deal. `properties` holds what is not empty; times are milliseconds since 1970."""

    id: int
    properties: dict[str, str]
    created_ms: int
    modified_ms: int
    archived_ms: int | None = None

    def to_json(self, names: Sequence[str]) -> dict[str, Any]:
        """Return the wire form with the properties `names`, null where empty."""
        values = self.properties
        data: dict[str, Any] = {
            "id": str(self.id),
            "properties": {name: values.get(name) for name in names},
            "createdAt": values["createdate"],
            "updatedAt": values["hs_lastmodifieddate"],
            "archived": self.archived_ms is not None,
        }
        if self.archived_ms is not None:
            data["archivedAt"] = to_iso(self.archived_ms)
        return data


@lru_cache(maxsize=4096)
def _day(number: int) -> str:
    return (_EPOCH + timedelta(days=number)).isoformat()


def to_iso(milliseconds: int) -> str:
    """Return the instant as HubSpot writes it: UTC, and no fraction where it would be zero."""
    days, rest = divmod(milliseconds, _DAY_MS)
    seconds, fraction = divmod(rest, 1000)
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    tail = f".{fraction:03}Z" if fraction else "Z"
    return f"{_day(days)}T{hour:02}:{minute:02}:{second:02}{tail}"


def to_day(milliseconds: int) -> str:
    """Return the UTC day of the instant, `YYYY-MM-DD`."""
    return _day(milliseconds // _DAY_MS)


def to_ms(text: str) -> int:
    """Return the instant of an ISO-8601 text or of epoch milliseconds written as digits.

    Raise ValueError where it is neither. A text without a zone is UTC.
    """
    if text.lstrip("-").isdigit():
        return int(text)
    moment = datetime.fromisoformat(text)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1000)


def recompute(deal: Deal) -> None:
    """Bring every calculated property up to date with the others."""
    values = deal.properties
    stage = STAGES.get(values.get("dealstage", ""))
    chance = stage.probability if stage else 0.0
    is_closed = stage is not None and stage.is_closed
    is_won = chance == 1.0
    values["hs_object_id"] = str(deal.id)
    values["createdate"] = to_iso(deal.created_ms)
    values["hs_lastmodifieddate"] = to_iso(deal.modified_ms)
    values["hs_deal_stage_probability"] = str(chance)
    values["hs_is_closed"] = "true" if is_closed else "false"
    values["hs_is_closed_won"] = "true" if is_won else "false"
    amount = values.get("amount")
    if amount:
        values["amount_in_home_currency"] = amount
        values["hs_projected_amount"] = f"{float(amount) * chance:.2f}"
        values["hs_closed_amount"] = amount if is_won else "0"
    else:
        for name in ("amount_in_home_currency", "hs_projected_amount", "hs_closed_amount"):
            values.pop(name, None)
    closed = values.get("closedate")
    if is_closed and closed:
        values["days_to_close"] = str(max(0, (to_ms(closed) - deal.created_ms) // _DAY_MS))
    else:
        values.pop("days_to_close", None)
