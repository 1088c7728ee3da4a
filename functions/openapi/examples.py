"""Examples of every body and answer, put together from examples of their fields.

A field is looked up as `Model.field`, then as `field`; one that refers to another model takes that
one's example. Whoever adds a field that is found nowhere adds a line here: a test names it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_ID: Final = "01993b1c-6d5e-7a41-9f0c-3f2b8a7d4e10"

_JOB: Final = "01993b1d-0a4c-7b52-8e1d-5c9f7a6b3d21"
_WAREHOUSE: Final = "01993b1e-2b7d-7d14-a3c5-7e9f1b2c3d43"
_LOG: Final = "01993b1d-0a60-7c03-b2f4-6d8e9c0a1b32"
_BEGAN: Final = "2026-11-21T08:00:00Z"
_ENDED: Final = "2026-11-21T08:00:04.512Z"
_MADE_UP: Final = "…"

FIELDS: Final[Mapping[str, Any]] = {
    # whose, when, where in a list
    "id": _ID,
    "instanceId": _ID,
    "jobId": _JOB,
    "Job.id": _JOB,
    "logId": _LOG,
    "Log.id": _LOG,
    "createdAt": _BEGAN,
    "updatedAt": _ENDED,
    "nextCursor": None,
    # service
    "Health.status": "ok",
    "Readiness.status": "ready",
    # profiles
    "Profile.name": "Ada Lovelace",
    "ProfileInput.name": "Ada Lovelace",
    "email": "ada@example.com",
    "locale": "it-IT",
    "timeZone": "Europe/Rome",
    # the catalogue
    "slug": "hubspot",
    "Provider.name": "HubSpot",
    "Provider.description": "Deals of a HubSpot account become initiatives in LinkHub.",
    "logoUrl": "",
    "categories": ["crm"],
    "syncDirections": ["import"],
    "authType": "oauth2",
    "sink": "linkhub",
    "apiKeyLabel": "Private app token",
    "ConnectionOption.name": "region",
    "ConnectionOption.label": "Region",
    "choices": ["eu", "us"],
    "default": "eu",
    "docsUrl": "https://developers.hubspot.com/docs",
    # instances
    "provider": "hubspot",
    "name": "Sales in Italy",
    "connectionKey": "",
    "Instance.status": "active",
    "statusReason": "",
    "setupStep": "completed",
    "syncDirection": "import",
    "destination": "",
    "frequency": "daily",
    "frequencyDetails": {"time": "06:30"},
    "Instance.policies": {
        "onConflict": "external",
        "deleteApprovalPercent": 10,
        "recordErrorLimit": None,
    },
    "Instance.options": {},
    "configVersion": 3,
    # connecting
    "apiKey": "pat-eu1-00000000-0000-0000-0000-000000000000",
    "username": None,
    "password": None,
    "ConnectionInput.options": {"deploymentUrl": "https://happy-animal-123.convex.cloud"},
    "account": "12345678",
    "Connection.label": "example.com (12345678)",
    "authorizeUrl": "https://app.hubspot.com/oauth/authorize?client_id=...",
    "SignInInput.state": "kT0m2pXw3v9d5sQe8rYb1uHc6zLa4nGj7fIo0xVtUqM",
    "code": "7f3a9c1e-5b2d-4e8f-9a6c-1d0b3e5f7a92",
    # mapping
    "label": "Deal name",
    "Stream.name": "deals",
    "Stream.label": "Deals",
    "Entity.name": "initiatives",
    "Entity.label": "Initiatives",
    "Field.name": "dealname",
    "type": "string",
    "maxLength": 0,
    "scale": None,
    "minimum": None,
    "maximum": None,
    "Field.description": "The name of the deal.",
    "value": "closedwon",
    "Option.label": "Closed won",
    "rowCount": 25000,
    "stream": "deals",
    "externalField": "dealname",
    "entity": "initiatives",
    "field": "name",
    "transform": None,
    "score": 92,
    "limit": 10,
    "outcome": "create",
    "externalId": "18447692011",
    "source": {"dealname": "Ponte di Rialto"},
    "ImportOnlyRule.reason": "the provider lets nobody write it.",
    "PreviewRecord.fields": {"name": "Ponte di Rialto"},
    "present": None,
    "message": "'12,5' is not a number.",
    # tables
    "component": "",
    "table": "flights",
    "columns": ["_id", "carrier", "flight"],
    "drift": "evolve",
    "discoveredAt": _BEGAN,
    # sync config
    "direction": "import",
    "deleteApprovalPercent": 10,
    "recordErrorLimit": None,
    "nextRuns": ["2026-11-22T05:30:00Z", "2026-11-23T05:30:00Z"],
    # warehouses
    "Warehouse.id": _WAREHOUSE,
    "Warehouse.name": "Reports",
    "WarehouseInput.name": "Reports",
    "host": "reports.database.windows.net",
    "port": 1433,
    "database": "reports",
    "schema": "linkhub",
    "login": "linkhub",
    "WarehouseInput.password": "correct horse battery staple",
    "trustServerCertificate": False,
    "ok": False,
    "failedHop": "permission",
    "hop": "permission",
    "WarehouseHop.state": "failed",
    "WarehouseHop.message": "linkhub may not create tables in the schema linkhub: run the grant "
    "script as the database's owner. (error 262)",
    "grantScript": "GRANT CREATE TABLE, CREATE VIEW TO [linkhub];",
    # jobs and logs
    "kind": "sync",
    "mode": "incremental",
    "trigger": "manual",
    "Job.status": "success",
    "Log.status": "success",
    "attempts": 0,
    "notBefore": None,
    "cancelRequestedAt": None,
    "approvedAt": None,
    "targetJobId": "",
    "targetRecordId": "",
    "startedAt": _BEGAN,
    "finishedAt": _ENDED,
    "errorClass": "",
    "errorMessage": "",
    "durationMs": 4512,
    "loggedAt": _BEGAN,
    "operation": "import",
    "processed": 120,
    "success": 118,
    "Log.success": True,
    "warning": 1,
    "error": "'12,5' is not a number.",
    "Counts.error": 1,
    "unchanged": 90,
    "deleted": 2,
    "tablesChecked": 5,
    "rowsChecked": 388_193,
    "rowsReadBack": 320,
    "TableMismatch.table": "flights",
    "rows": 336_775,
    "rowsDue": 336_776,
    "hasChecksum": False,
    "readBack": 64,
    "differing": 0,
    "TableMismatch.message": "Table flights has 336,775 rows where 336,776 were written. Somebody "
    "else changed it: start a full sync.",
    "severity": "error",
    "resolvedAt": None,
    # conflicts
    "Conflict.id": "01993b31-7c1a-7d82-9e3f-4a5b6c7d8e90",
    "Conflict.field": "budget",
    "linkhubId": "0198f3b0-8a01-7b6c-9d2e-5f60718293a4",
    "externalValue": "12500.00",
    "linkhubValue": "13000.00",
    "baseValue": "12000.00",
    "Conflict.status": "open",
    "settledBy": "",
    "settledAt": None,
    "closedAt": None,
    "choice": "external",
    # dead letters
    "DeadLetter.id": "01993b2f-4d7e-7f60-a1b2-c3d4e5f60718",
    "attempt": 5,
    "queue": "sync-manual",
    "DeadLetter.errorClass": "transient",
    "DeadLetter.error": "HubSpot answered 503 to GET /crm/objects/2026-03/deals.",
    "DeadLetter.state": "open",
    # breakers, for admins only
    "Breaker.id": "01993b32-1a2b-7c3d-8e4f-5a6b7c8d9e0f",
    "failures": 3,
    "openedAt": _BEGAN,
    "retryAt": "2026-11-21T08:01:00Z",
    "lastError": "HubSpot answered 503 to GET /crm/objects/2026-03/deals.",
    "Breaker.state": "open",
}


def example_of(name: str, schemas: Mapping[str, Any]) -> Any:
    """Return an example of the model."""
    schema = schemas[name]
    if "enum" in schema:
        return schema["enum"][0]
    return {
        field: _field(name, field, part, schemas) for field, part in schema["properties"].items()
    }


def fields_without_example(schemas: Mapping[str, Any]) -> list[str]:
    """Return the fields whose example is made up: each needs a line in `FIELDS`."""
    return [
        f"{name}.{field}"
        for name, schema in schemas.items()
        for field, part in schema.get("properties", {}).items()
        if _field(name, field, part, schemas) == _MADE_UP
    ]


def _field(model: str, field: str, schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Any:
    for key in (f"{model}.{field}", field):
        if key in FIELDS:
            return FIELDS[key]
    for part in (schema, *schema.get("anyOf", ())):
        if "$ref" in part:
            return example_of(part["$ref"].rpartition("/")[2], schemas)
        if "$ref" in part.get("items", {}):
            return [example_of(part["items"]["$ref"].rpartition("/")[2], schemas)]
        if "enum" in part:
            return part["enum"][0]
        if part.get("type") == "boolean":
            return part.get("default", True)
    return _MADE_UP
