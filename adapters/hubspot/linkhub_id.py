"""The property that makes creating safe to repeat.

HubSpot takes no key of ours with a new record, but it lets a record be written by the value of a
property whose values are unique: what has that value is updated, and made where nothing has
(developers.hubspot.com/docs/guides/api/crm/properties, "Create unique identifier properties").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from adapters.hubspot.api import HubSpotApi
from adapters.hubspot.failures import MissingScopesError, RefusedError
from adapters.hubspot.objects import LINKHUB_ID, ObjectType
from shared.errors import PermanentError

_HOW = (
    f"a single-line text property {LINKHUB_ID!r} that requires unique values (Settings, "
    "Properties, Rules)"
)


def ensure_linkhub_id(api: HubSpotApi, kind: ObjectType, properties: Sequence[Any]) -> None:
    """See to it that `linkhub_id` is there and unique, given the kind's present properties.

    Raise MissingScopesError or PermanentError, which say what an administrator has to do.
    """
    if _is_there(kind, properties):
        return
    try:
        api.create_property(kind.name, _description(kind))
    except MissingScopesError:
        raise MissingScopesError(
            f"LinkHub may not add the property {LINKHUB_ID!r} to the {kind.label.lower()} of "
            f"HubSpot, by which it finds what it created. Grant the scope "
            f"crm.schemas.{kind.name}.write and reconnect, or let an administrator make {_HOW}."
        ) from None
    except RefusedError as error:
        # Another job may have been faster; or one of that name lies in the archive.
        if _is_there(kind, api.properties(kind.name)):
            return
        raise PermanentError(
            f"HubSpot did not let LinkHub add the property {LINKHUB_ID!r} to its "
            f"{kind.label.lower()}: {error} Let an administrator make or restore {_HOW}."
        ) from None


def _is_there(kind: ObjectType, properties: Sequence[Any]) -> bool:
    for data in properties:
        if isinstance(data, Mapping) and data.get("name") == LINKHUB_ID:
            if data.get("hasUniqueValue"):
                return True
            raise PermanentError(
                f"The property {LINKHUB_ID!r} of HubSpot's {kind.label.lower()} does not require "
                f"unique values, so LinkHub could create records twice. Replace it by {_HOW}."
            )
    return False


def _description(kind: ObjectType) -> Mapping[str, str | bool]:
    return {
        "name": LINKHUB_ID,
        "label": "LinkHub id",
        "description": "Which record of LinkHub this was created for. Do not change it.",
        "groupName": kind.group,
        "type": "string",
        "fieldType": "text",
        "hasUniqueValue": True,
        "formField": False,
    }
