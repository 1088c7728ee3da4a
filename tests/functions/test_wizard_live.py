"""The wizard with real adapters and sinks against the sandbox."""

from __future__ import annotations

from typing import Any

from tests.functions.live_kit import DEALS, Live, live, sandbox
from tests.functions.test_wizard import CONFIG

__all__ = ["live", "sandbox"]


def rules_of(live: Live, instance_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = live.ada.get(f"instances/{instance_id}/mappings").json["mappings"]
    return found


def preview(live: Live, instance_id: str, **body: Any) -> dict[str, Any]:
    answer = live.ada.post(f"instances/{instance_id}/mappings/preview", body)
    assert answer.status == 200, answer.body
    found: dict[str, Any] = answer.json
    return found


def outcomes(found: dict[str, Any]) -> dict[str, str]:
    return {record["externalId"]: record["outcome"] for record in found["records"]}


def synced(live: Live, instance_id: str) -> str:
    """Confirm the default mapping, activate, and run the first job; return its id."""
    path = f"instances/{instance_id}"
    assert live.ada.put(f"{path}/mappings", {"mappings": rules_of(live, instance_id)}).status == 200
    job_id = live.activated(instance_id)
    live.world.run(job_id)
    assert live.ada.get(f"jobs/{job_id}").json["status"] == "success"
    return job_id


def test_from_no_profile_to_a_first_sync_by_key(live: Live) -> None:
    """HubSpot's deals are LinkHub's initiatives at the end of the wizard."""
    instance_id = live.connected("hubspot")
    job_id = synced(live, instance_id)
    counts = live.ada.get(f"jobs/{job_id}").json["counts"]
    assert counts["success"] == counts["processed"] - counts["error"] >= DEALS
    assert live.linkhub()["initiatives"] >= DEALS


def test_convex_by_key(live: Live) -> None:
    """A deployment's tables are looked at by a job, and chosen."""
    instance_id = live.connected("convex")
    path = f"instances/{instance_id}"
    look = live.ada.post(f"{path}/tables/discover").json["id"]
    live.world.run(look)
    assert live.ada.get(f"jobs/{look}").json["status"] == "success"
    tables = {item["table"]: item for item in live.ada.get(f"{path}/tables").json["tables"]}
    assert "carrier" in tables["airlines"]["columns"]
    chosen = {"tables": [{"table": "airlines"}]}
    assert live.ada.put(f"{path}/tables", chosen).json["instance"]["setupStep"] == "mapping"
    assert live.ada.put(f"{path}/sync-config", CONFIG).status == 200
    assert live.ada.post(f"{path}/activate").json["job"]["mode"] == "full"


def test_custom_properties_are_offered_and_may_be_suggested(live: Live) -> None:
    """What an account added to HubSpot stands beside what every account has."""
    instance_id = live.connected("hubspot")
    found = live.ada.get(f"instances/{instance_id}/streams").json
    fields = {field["name"]: field for field in found["streams"][0]["fields"]}
    assert fields["contract_number"]["type"] == "string"
    assert [option["value"] for option in fields["region"]["options"]]
    assert {entity["name"] for entity in found["entities"]} == {
        "indicators",
        "initiatives",
        "values",
    }
    suggested = {
        (item["entity"], item["field"]): item
        for item in found["suggestions"]
        if item["stream"] == "deals"
    }
    assert suggested["initiatives", "name"]["externalField"] == "dealname"
    assert suggested["initiatives", "status"]["externalField"] == "dealstage"
    assert suggested["values", "date"]["externalField"] == "renewal_date"


def test_streams_are_asked_for_once_a_minute(live: Live) -> None:
    """A wizard that looks at every step asks for each kind's properties once."""
    instance_id = live.connected("hubspot")
    for _ in range(3):
        live.ada.get(f"instances/{instance_id}/streams")
    asked = {path: n for (_, path), n in live.requests("hubspot").items() if "properties" in path}
    assert list(asked.values()) == [1, 1, 1]


def test_a_preview_writes_nothing(live: Live) -> None:
    """Databases before and after are equal, and LinkHub was only asked what it holds."""
    instance_id = live.connected("hubspot")
    rows, held = live.rows(), live.linkhub()
    live.sandbox.heal()
    found = preview(live, instance_id)
    assert len(found["records"]) == 10
    assert (live.rows(), live.linkhub()) == (rows, held)
    assert live.requests("linkhub") == {("POST", "/v1/initiatives/batch/get"): 1}
    assert {method for method, _ in live.requests("hubspot")} == {"GET"}


def test_a_preview_tells_what_the_sync_then_does(live: Live) -> None:
    """Create before the first sync, unchanged after it, update once a deal changed."""
    instance_id = live.connected("hubspot")
    before = preview(live, instance_id)
    first = before["records"][0]
    assert set(outcomes(before).values()) == {"create"}
    assert first["present"] is None
    assert first["fields"]["name"] == first["source"]["dealname"]
    synced(live, instance_id)
    with live.sandbox.linkhub(profile_of(live, instance_id)) as linkhub:
        body = {"source": instance_id, "externalKeys": [f"deals/{first['externalId']}"]}
        stored = linkhub.post("/v1/initiatives/batch/get", json=body).json()["results"][0]
    sent = {name: value for name, value in first["fields"].items() if value is not None}
    assert stored["fields"] == sent

    after = preview(live, instance_id)
    assert outcomes(after) == dict.fromkeys(outcomes(before), "unchanged")
    assert after["records"][0]["present"] == stored["fields"]

    with live.sandbox.hubspot() as hubspot:
        change = {"id": first["externalId"], "properties": {"amount": "1.25"}}
        hubspot.post("/_deals", json={"patch": [change]}).raise_for_status()
    changed = outcomes(preview(live, instance_id))
    assert changed.pop(first["externalId"]) == "update"
    assert set(changed.values()) == {"unchanged"}


def test_a_mapping_is_tried_before_it_is_saved(live: Live) -> None:
    """Each record tells which field keeps it out; the stored rules stay as they are."""
    instance_id = live.connected("hubspot")
    stored = rules_of(live, instance_id)
    rules = [
        {"stream": "deals", "externalField": "dealname", "entity": "initiatives", "field": "name"},
        {
            "stream": "deals",
            "externalField": "dealstage",
            "entity": "initiatives",
            "field": "status",
            "transform": {"type": "value_map", "values": {"closedwon": "FINISHED"}},
        },
    ]
    found = preview(live, instance_id, mappings=rules, limit=4)
    assert len(found["records"]) == 4
    for record in found["records"]:
        assert set(record["source"]) == {"dealname", "dealstage"}
        if record["source"]["dealstage"] == "closedwon":
            assert (record["outcome"], record["errors"]) == ("create", [])
        else:
            assert (record["outcome"], record["fields"]) == ("reject", {})
            assert [error["field"] for error in record["errors"]] == ["status"]
    assert "reject" in outcomes(found).values()
    assert rules_of(live, instance_id) == stored


def test_a_preview_refuses_what_cannot_be_mapped(live: Live) -> None:
    """Wrong rules are named as when they are saved; a stream without rules is no stream."""
    instance_id = live.connected("hubspot")
    path = f"instances/{instance_id}/mappings/preview"
    rules = [{**rules_of(live, instance_id)[0], "externalField": "no_such_property"}]
    found = live.ada.post(path, {"mappings": rules}).problem(400, "invalid-input")
    assert found["errors"][0]["where"] == "mappings.0"
    found = live.ada.post(path, {"stream": "contacts"}).problem(400, "invalid-input")
    assert found["errors"][0]["where"] == "stream"
    found = live.ada.post(path, {"limit": 11}).problem(400, "invalid-input")
    assert found["errors"][0]["where"] == "limit"


def profile_of(live: Live, instance_id: str) -> str:
    with live.world.app.open_uow(read_only=True) as uow:
        return uow.instances.get(instance_id, profile_id=None).profile_id
