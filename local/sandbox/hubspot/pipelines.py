"""Pipelines and their stages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from local.sandbox.hubspot.properties import SET_UP_AT


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

    def to_json(self, order: int) -> dict[str, Any]:
        """Return the wire form."""
        return {
            "id": self.id,
            "label": self.label,
            "displayOrder": order,
            "metadata": {
                "isClosed": str(self.is_closed).lower(),
                "probability": str(self.probability),
            },
            "archived": False,
            "createdAt": SET_UP_AT,
            "updatedAt": SET_UP_AT,
            "writePermissions": "CRM_PERMISSIONS_ENFORCEMENT",
        }


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
            "stages": [stage.to_json(position) for position, stage in enumerate(self.stages)],
        }


def stages(*rows: tuple[str, str, float]) -> tuple[Stage, ...]:
    """Return stages of (id, label, probability)."""
    return tuple(Stage(id=key, label=label, probability=chance) for key, label, chance in rows)
