"""What the account is set up with: deal properties, two pipelines, owners.

Names, types and flags are those of a HubSpot account's own deal properties, with a few custom ones
such as a person would add.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from local.sandbox.hubspot.words import PEOPLE

SET_UP_AT = "2024-01-08T09:00:00Z"

ALWAYS = ("createdate", "hs_lastmodifieddate", "hs_object_id")
"""Properties every record carries, asked for or not."""
DEFAULT = ("dealname", "amount", "closedate", "pipeline", "dealstage")
"""What a record carries beside them when nothing is asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A step of a pipeline; `probability` 0 is lost, 1 is won."""

    id: str
    label: str
    probability: float

    @property
    def is_closed(self) -> bool:
        """Nothing more is expected of a deal that stands here."""
        return self.probability in {0.0, 1.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """An ordered way of stages."""

    id: str
    label: str
    stages: tuple[Stage, ...]

    def to_json(self, order: int) -> dict[str, Any]:
        """Return the wire form."""
        return {
            "id": self.id,
            "label": self.label,
            "displayOrder": order,
            "archived": False,
            "createdAt": SET_UP_AT,
            "updatedAt": SET_UP_AT,
            "stages": [
                {
                    "id": stage.id,
                    "label": stage.label,
                    "displayOrder": position,
                    "metadata": {
                        "isClosed": str(stage.is_closed).lower(),
                        "probability": str(stage.probability),
                    },
                    "archived": False,
                    "createdAt": SET_UP_AT,
                    "updatedAt": SET_UP_AT,
                    "writePermissions": "CRM_PERMISSIONS_ENFORCEMENT",
                }
                for position, stage in enumerate(self.stages)
            ],
        }


def _stages(*rows: tuple[str, str, float]) -> tuple[Stage, ...]:
    return tuple(Stage(id=key, label=label, probability=chance) for key, label, chance in rows)


PIPELINES = (
    Pipeline(
        id="default",
        label="Sales Pipeline",
        stages=_stages(
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
        stages=_stages(
            ("132418801", "Renewal due", 0.5),
            ("132418802", "Offer sent", 0.7),
            ("132418803", "Verbal yes", 0.9),
            ("132418804", "Renewed", 1.0),
            ("132418805", "Churned", 0.0),
        ),
    ),
)
STAGES = {stage.id: stage for pipeline in PIPELINES for stage in pipeline.stages}


@dataclass(frozen=True, slots=True, kw_only=True)
class Property:
    """A deal property; `options` are (value, label) pairs."""

    name: str
    label: str
    type: str = "string"
    field_type: str = "text"
    group: str = "dealinformation"
    options: tuple[tuple[str, str], ...] = ()
    calculated: bool = False
    read_only: bool = False
    unique: bool = False
    custom: bool = False
    description: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the wire form."""
        return {
            "updatedAt": SET_UP_AT,
            "createdAt": SET_UP_AT,
            "name": self.name,
            "label": self.label,
            "type": self.type,
            "fieldType": self.field_type,
            "description": self.description,
            "groupName": self.group,
            "options": [
                {"label": label, "value": value, "displayOrder": order, "hidden": False}
                for order, (value, label) in enumerate(self.options)
            ],
            "displayOrder": -1,
            "calculated": self.calculated,
            "externalOptions": self.name == "hubspot_owner_id",
            "archived": False,
            "hasUniqueValue": self.unique,
            "hidden": False,
            "hubspotDefined": not self.custom,
            "modificationMetadata": {
                "archivable": self.custom,
                "readOnlyDefinition": not self.custom,
                "readOnlyValue": self.read_only or self.calculated,
            },
            "formField": not (self.read_only or self.calculated),
            "dataSensitivity": "non_sensitive",
        }


def _labels(*values: str) -> tuple[tuple[str, str], ...]:
    return tuple((value, value.replace("_", " ").capitalize()) for value in values)


def _text(name: str, label: str, field_type: str = "text", **flags: Any) -> Property:
    return Property(name=name, label=label, field_type=field_type, **flags)


def _number(name: str, label: str, **flags: Any) -> Property:
    computed = flags.get("calculated", False)
    field_type = "calculation_equation" if computed else "number"
    return Property(name=name, label=label, type="number", field_type=field_type, **flags)


def _date(name: str, label: str, kind: str = "datetime", **flags: Any) -> Property:
    return Property(name=name, label=label, type=kind, field_type="date", **flags)


def _choice(
    name: str,
    label: str,
    options: tuple[tuple[str, str], ...],
    field_type: str = "select",
    **flags: Any,
) -> Property:
    return Property(
        name=name, label=label, type="enumeration", field_type=field_type, options=options, **flags
    )


def _flag(name: str, label: str, **flags: Any) -> Property:
    options = (("true", "True"), ("false", "False"))
    return Property(
        name=name, label=label, type="bool", field_type="booleancheckbox", options=options, **flags
    )


CURRENCIES = ("EUR", "USD", "GBP")
REGIONS = ("emea", "americas", "apac")
INTERESTS = ("planning", "reporting", "mobile", "automation")

_ALL = (
    _text("dealname", "Deal Name"),
    _number("amount", "Amount", description="The total value of the deal."),
    _number("amount_in_home_currency", "Amount in company currency", calculated=True),
    _date("closedate", "Close Date"),
    _text("closed_lost_reason", "Closed Lost Reason", "textarea"),
    _date("createdate", "Create Date"),
    _number("days_to_close", "Days to close", calculated=True),
    _choice("deal_currency_code", "Currency", tuple((c, c) for c in CURRENCIES)),
    _choice("dealstage", "Deal Stage", tuple((s.id, s.label) for s in STAGES.values()), "radio"),
    _choice("dealtype", "Deal Type", (("newbusiness", "New"), ("existingbusiness", "Existing"))),
    _text("description", "Deal Description", "textarea"),
    _number("hs_closed_amount", "Closed Deal Amount", calculated=True),
    _number("hs_deal_stage_probability", "Deal probability", calculated=True),
    _flag("hs_is_closed", "Is Deal Closed?", calculated=True),
    _flag("hs_is_closed_won", "Is Closed Won", calculated=True),
    _date("hs_lastmodifieddate", "Last Modified Date", read_only=True),
    _choice(
        "hs_manual_forecast_category",
        "Forecast category",
        (("OMIT", "Not forecasted"), ("PIPELINE", "Pipeline"), ("COMMIT", "Commit")),
    ),
    _text("hs_next_step", "Next step"),
    _number("hs_object_id", "Record ID", read_only=True),
    _choice("hs_priority", "Priority", _labels("low", "medium", "high")),
    _number("hs_projected_amount", "Deal amount multiplied by probability", calculated=True),
    _date("hubspot_owner_assigneddate", "Owner assigned date", read_only=True),
    Property(
        name="hubspot_owner_id",
        label="Deal owner",
        type="enumeration",
        field_type="select",
        description="The owner's `id`, not the `userId`.",
    ),
    _date("notes_last_updated", "Last Activity Date", read_only=True),
    _number("num_associated_contacts", "Number of Associated Contacts", read_only=True),
    _number("num_notes", "Number of Sales Activities", read_only=True),
    _choice("pipeline", "Pipeline", tuple((p.id, p.label) for p in PIPELINES)),
    _text("contract_number", "Contract number", unique=True, custom=True, group="custom"),
    _choice("region", "Region", _labels(*REGIONS), "radio", custom=True, group="custom"),
    _date("renewal_date", "Renewal date", "date", custom=True, group="custom"),
    _flag("is_strategic", "Strategic account", custom=True, group="custom"),
    _choice(
        "interests",
        "Interested in",
        _labels(*INTERESTS),
        "checkbox",
        custom=True,
        group="custom",
        description="Several values stand in one string, parted by semicolons.",
    ),
    _number("implementation_fee", "Implementation fee", custom=True, group="custom"),
)
PROPERTIES = {item.name: item for item in _ALL}

FIRST_OWNER_ID = 41_200_001
_ARCHIVED_OWNERS = 3


def owners() -> list[dict[str, Any]]:
    """Return every owner in id order; the last three are archived and still own deals."""
    return [
        {
            "id": str(FIRST_OWNER_ID + number),
            "email": f"user{number + 1}@sandbox.example",
            "type": "PERSON",
            "firstName": first,
            "lastName": last,
            "userId": None if number >= len(PEOPLE) - _ARCHIVED_OWNERS else 7_000_001 + number,
            "userIdIncludingInactive": 7_000_001 + number,
            "createdAt": SET_UP_AT,
            "updatedAt": SET_UP_AT,
            "archived": number >= len(PEOPLE) - _ARCHIVED_OWNERS,
        }
        for number, (first, last) in enumerate(PEOPLE)
    ]
