"""HubSpot and LinkHub kept in step, set up by HTTP, over both emulators."""

from __future__ import annotations

from typing import Any

from tests.functions.live_kit import Live, live, sandbox

__all__ = ["live", "sandbox"]


def edit(live: Live, profile: str, **edits: Any) -> dict[str, Any]:
    body = {"profile": profile, "entity": "initiatives", **edits}
    answer = live.sandbox.control.post("/linkhub/_edits", json=body).raise_for_status()
    found: dict[str, Any] = answer.json()
    return found


def changes(live: Live, profile: str) -> list[dict[str, Any]]:
    with live.sandbox.linkhub(profile) as linkhub:
        page = linkhub.get("/v1/initiatives/changes", params={"limit": 500}).json()
    found: list[dict[str, Any]] = page["changes"]
    return found


def deal(live: Live, key: str) -> dict[str, Any]:
    names = "dealname,closedate,amount"
    with live.sandbox.hubspot() as hubspot:
        answer = hubspot.get(f"/crm/v3/objects/deals/{key}", params={"properties": names})
    found: dict[str, Any] = answer.raise_for_status().json()["properties"]
    return found


def test_hubspot_and_linkhub_by_http(live: Live) -> None:
    """The wizard tells what is import-only; edits, new records and echoes behave both ways."""
    instance_id = live.connected("hubspot")
    path = f"instances/{instance_id}"
    rules = live.ada.get(f"{path}/mappings").json["mappings"]
    preview = live.ada.post(f"{path}/mappings/preview", {"mappings": rules}).json
    assert {rule["field"] for rule in preview["importOnly"]} == {"start_date"}
    assert live.ada.put(f"{path}/mappings", {"mappings": rules}).status == 200
    assert live.ada.put(f"{path}/sync-config", {"direction": "bidirectional"}).status == 200
    job_id = live.ada.post(f"{path}/activate").json["job"]["id"]
    live.world.run(job_id)
    job = live.ada.get(f"jobs/{job_id}").json
    assert job["status"] in {"success", "partial"}, job
    (log,) = live.ada.get("logs").json["items"]
    assert log["operation"] == "bidirectional"

    profile = live.ada.get("me").json["id"]
    record = next(each for each in changes(live, profile) if not each["deleted"])
    key = record["externalKey"].removeprefix("deals/")
    patch = {"name": "Ponte", "end_date": "2027-03-04", "budget": "1250.50"}
    edit(live, profile, patch=[{"id": record["id"], "fields": patch}])
    fields = {"name": "By hand", "status": "FINISHED", "end_date": "2027-05-06"}
    (native,) = edit(live, profile, create=[fields])["created"]
    job = run(live, path)
    assert job["status"] == "success", job
    found = deal(live, key)
    assert (found["dealname"], found["amount"]) == ("Ponte", "1250.5")
    assert found["closedate"].startswith("2027-03-04")
    adopted = next(each for each in changes(live, profile) if each["id"] == native)
    assert adopted["source"] == instance_id
    assert deal(live, adopted["externalKey"].removeprefix("deals/"))["dealname"] == "By hand"

    run(live, path)
    live.sandbox.heal()
    before = changes(live, profile)
    job = run(live, path)
    assert changes(live, profile) == before
    writes = [call for call in live.requests("hubspot") if call[1].endswith(("update", "upsert"))]
    assert (job["status"], writes) == ("success", [])


def test_a_conflict_by_http_from_the_question_to_the_answer(live: Live) -> None:
    """It is listed with both values, a choice is carried out by the next job, and one people solve
    themselves waits for nobody.
    """
    instance_id = live.connected("hubspot")
    path = f"instances/{instance_id}"
    rules = live.ada.get(f"{path}/mappings").json["mappings"]
    assert live.ada.put(f"{path}/mappings", {"mappings": rules}).status == 200
    config = {"direction": "bidirectional", "policies": {"onConflict": "ask"}}
    assert live.ada.put(f"{path}/sync-config", config).status == 200
    live.world.run(live.ada.post(f"{path}/activate").json["job"]["id"])
    profile = live.ada.get("me").json["id"]
    first, second = [each for each in changes(live, profile) if not each["deleted"]][:2]
    keys = [each["externalKey"].removeprefix("deals/") for each in (first, second)]
    for record, key in zip((first, second), keys, strict=True):
        edit(live, profile, patch=[{"id": record["id"], "fields": {"name": f"Ours {key}"}}])
        rename(live, key, f"Theirs {key}")
    run(live, path)
    asked = live.ada.get("conflicts", instanceId=instance_id, status="open").json["items"]
    by_key = {each["externalId"]: each for each in asked}
    assert set(by_key) == set(keys)
    assert {(each["externalValue"], each["linkhubValue"]) for each in asked} == {
        (f"Theirs {key}", f"Ours {key}") for key in keys
    }

    live.ada.post(f"conflicts/{by_key[keys[0]]['id']}", {"choice": "linkhub"})
    rename(live, keys[1], f"Ours {keys[1]}")
    job = run(live, path)
    assert job["status"] == "success", job
    assert [deal(live, key)["dealname"] for key in keys] == [f"Ours {key}" for key in keys]
    found = live.ada.get("conflicts", instanceId=instance_id).json["items"]
    assert {each["externalId"]: each["status"] for each in found} == {
        keys[0]: "settled_linkhub",
        keys[1]: "obsolete",
    }


def rename(live: Live, key: str, name: str) -> None:
    """Change a deal's name as somebody does at HubSpot."""
    patch = [{"id": key, "properties": {"dealname": name}}]
    live.sandbox.control.post("/hubspot/_deals", json={"patch": patch}).raise_for_status()


def run(live: Live, path: str) -> dict[str, Any]:
    """Queue a job, run it to its end and return it."""
    live.world.clock.move(minutes=10)
    job_id = live.ada.post(f"{path}/jobs", {}).json["id"]
    live.world.run(job_id)
    found: dict[str, Any] = live.ada.get(f"jobs/{job_id}").json
    return found
