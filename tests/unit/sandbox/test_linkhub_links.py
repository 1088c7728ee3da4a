"""Native records, adopting by id, and writes that name the version they are based on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.sandbox_kit import Running

PROFILE = "profile-links"


@pytest.fixture
def linkhub(sandbox: Running) -> Iterator[httpx.Client]:
    with sandbox.linkhub(PROFILE) as client:
        yield client


def edit(sandbox: Running, **edits: Any) -> Any:
    """Do what a person does in LinkHub itself."""
    body = {"profile": PROFILE, "entity": "initiatives", **edits}
    return sandbox.control.post("/linkhub/_edits", json=body)


def native(sandbox: Running, **fields: Any) -> str:
    given = {"name": "By hand", "status": "ON_TIME", **fields}
    (made,) = edit(sandbox, create=[given]).raise_for_status().json()["created"]
    return str(made)


def upsert(client: httpx.Client, *inputs: dict[str, Any], source: str = "one") -> Any:
    body = {"source": source, "inputs": list(inputs)}
    answer = client.post("/v1/initiatives/batch/upsert", json=body)
    return answer.raise_for_status().json()["results"]


def get(client: httpx.Client, id_: str) -> Any:
    answer = client.post("/v1/initiatives/batch/get", json={"ids": [id_]}).json()
    return next(iter(answer["results"]), None)


def adopt(id_: str | None, key: str = "tasks/T1", **fields: Any) -> dict[str, Any]:
    return {"externalKey": key, "fields": fields, "id": id_}


def codes(result: Any) -> list[str]:
    return [error["code"] for error in result["errors"]]


def delete(client: httpx.Client, *inputs: dict[str, Any], source: str = "one") -> Any:
    body = {"source": source, "inputs": list(inputs)}
    answer = client.post("/v1/initiatives/batch/delete", json=body)
    return answer.raise_for_status().json()["results"]


def test_a_delete_can_name_the_version_it_is_based_on(linkhub: httpx.Client) -> None:
    """At another version the record stays; those beside it are deleted all the same."""
    kept, gone = upsert(
        linkhub,
        {"externalKey": "v/1", "fields": {"name": "Kept", "status": "ON_TIME"}},
        {"externalKey": "v/2", "fields": {"name": "Gone", "status": "ON_TIME"}},
    )
    upsert(linkhub, {"externalKey": "v/1", "fields": {"name": "Edited"}})
    results = delete(
        linkhub,
        {"externalKey": "v/1", "ifVersion": 1},
        {"externalKey": "v/2", "ifVersion": 1},
        {"externalKey": "v/3", "ifVersion": 1},
    )
    assert [result["outcome"] for result in results] == ["rejected", "deleted", "missing"]
    assert codes(results[0]) == ["version_conflict"]
    assert get(linkhub, kept["id"])["fields"]["name"] == "Edited"
    assert get(linkhub, gone["id"]) is None
    assert delete(linkhub, {"externalKey": "v/1"})[0]["outcome"] == "deleted"


@pytest.mark.parametrize(
    "body",
    [
        {"source": "one", "inputs": [{"externalKey": "v/1", "ifVersion": "1"}]},
        {"source": "one", "inputs": [{"ifVersion": 1}]},
        {"source": "one", "inputs": [], "externalKeys": ["v/1"]},
    ],
)
def test_a_delete_of_another_form_is_refused(linkhub: httpx.Client, body: Any) -> None:
    """Versions are integers, keys are there, and records are named in one way only."""
    assert linkhub.post("/v1/initiatives/batch/delete", json=body).status_code == 422


def test_what_people_make_is_native(sandbox: Running, linkhub: httpx.Client) -> None:
    """Its source is LinkHub itself, its external key its id; it stands in the feed."""
    id_ = native(sandbox)
    record = get(linkhub, id_)
    assert (record["source"], record["externalKey"]) == ("linkhub", id_)
    changes = linkhub.get("/v1/initiatives/changes", params={"limit": 500}).json()["changes"]
    assert id_ in {change["id"] for change in changes}


def test_adopting_gives_a_record_the_callers_name(sandbox: Running, linkhub: httpx.Client) -> None:
    """It keeps id and fields, grows a version, and is found by its new name only."""
    id_ = native(sandbox)
    (result,) = upsert(linkhub, adopt(id_, "tasks/A", budget="5"))
    assert (result["id"], result["outcome"]) == (id_, "updated")
    record = get(linkhub, id_)
    assert (record["source"], record["externalKey"], record["version"]) == ("one", "tasks/A", 2)
    assert record["fields"] == {"name": "By hand", "status": "ON_TIME", "budget": "5.00"}
    old = {"source": "linkhub", "externalKeys": [id_]}
    assert linkhub.post("/v1/initiatives/batch/get", json=old).json()["missing"] == [id_]
    (again,) = upsert(linkhub, adopt(id_, "tasks/A"))
    assert again["outcome"] == "unchanged"


def test_a_record_of_the_same_source_takes_another_key(
    sandbox: Running, linkhub: httpx.Client
) -> None:
    """What was made anew at the provider stays one record here; its old key is free again."""
    id_ = native(sandbox)
    upsert(linkhub, adopt(id_, "tasks/B1"))
    moved, other = upsert(
        linkhub,
        adopt(id_, "tasks/B2"),
        {"externalKey": "tasks/B1", "fields": {"name": "New", "status": "LATE"}},
    )
    assert (moved["outcome"], other["outcome"]) == ("updated", "created")
    assert get(linkhub, id_)["externalKey"] == "tasks/B2"
    assert other["id"] != id_


def test_what_is_linked_already_is_not_adopted(sandbox: Running, linkhub: httpx.Client) -> None:
    """Neither a record of another source, nor under a key another record has."""
    mine, theirs = native(sandbox), native(sandbox)
    upsert(linkhub, adopt(mine, "tasks/C"))
    (taken,) = upsert(linkhub, adopt(theirs, "tasks/C"))
    (foreign,) = upsert(linkhub, adopt(mine, "tasks/C2"), source="two")
    (unknown,) = upsert(linkhub, adopt("no-such-id", "tasks/C3", name="x", status="LATE"))
    assert codes(taken) == codes(foreign) == ["already_linked"]
    assert codes(unknown) == ["unknown_id"]
    assert get(linkhub, theirs)["source"] == "linkhub"


def test_a_deleted_record_comes_back_only_whole(sandbox: Running, linkhub: httpx.Client) -> None:
    """Adopting it with what it requires revives it; a name alone does not."""
    id_ = native(sandbox)
    edit(sandbox, delete=[id_]).raise_for_status()
    (named,) = upsert(linkhub, adopt(id_, "tasks/D"))
    assert set(codes(named)) == {"required"}
    (revived,) = upsert(linkhub, adopt(id_, "tasks/D", name="Back", status="LATE"))
    assert (revived["id"], revived["outcome"]) == (id_, "created")


def test_a_write_can_name_the_version_it_is_based_on(
    sandbox: Running, linkhub: httpx.Client
) -> None:
    """Only then is it carried out; 0 stands for a record that is not there."""
    id_ = native(sandbox)
    upsert(linkhub, adopt(id_, "tasks/E"))
    edit(sandbox, patch=[{"id": id_, "fields": {"name": "Mine"}}]).raise_for_status()
    late = {"externalKey": "tasks/E", "fields": {"name": "Theirs"}, "ifVersion": 2}
    (refused,) = upsert(linkhub, late)
    assert (refused["outcome"], codes(refused)) == ("rejected", ["version_conflict"])
    assert get(linkhub, id_)["fields"]["name"] == "Mine"
    (written,) = upsert(linkhub, {**late, "ifVersion": 3})
    assert written["outcome"] == "updated"
    new = {"externalKey": "tasks/F", "fields": {"name": "New", "status": "LATE"}, "ifVersion": 0}
    created, repeated = upsert(linkhub, new, new)
    assert created["outcome"] == "created"
    assert codes(repeated) == ["version_conflict"]


def test_people_edit_any_record(sandbox: Running, linkhub: httpx.Client) -> None:
    """A patch changes what it names; on a deleted record it brings the whole of it back."""
    (made,) = upsert(linkhub, {"externalKey": "g", "fields": {"name": "G", "status": "LATE"}})
    edit(sandbox, patch=[{"id": made["id"], "fields": {"budget": "7"}}]).raise_for_status()
    assert get(linkhub, made["id"])["fields"]["budget"] == "7.00"
    edit(sandbox, delete=[made["id"]]).raise_for_status()
    assert get(linkhub, made["id"]) is None
    edit(sandbox, patch=[{"id": made["id"], "fields": {"name": "G2"}}]).raise_for_status()
    record = get(linkhub, made["id"])
    assert record["fields"] == {"name": "G2", "status": "LATE", "budget": "7.00"}
    assert record["source"] == "one"


def test_an_edit_a_person_could_not_save_changes_nothing(
    sandbox: Running, linkhub: httpx.Client
) -> None:
    """The whole call is refused, with what is wrong."""
    id_ = native(sandbox)
    patch = [{"id": id_, "fields": {"name": "X"}}, {"id": id_, "fields": {"status": "SO-SO"}}]
    refused = edit(sandbox, patch=patch)
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["code"] == "invalid_option"
    assert get(linkhub, id_)["fields"]["name"] == "By hand"
    assert edit(sandbox, patch=[{"id": "no-such-id", "fields": {}}]).status_code == 404
    assert edit(sandbox, entity="people").status_code == 404


@pytest.mark.parametrize("call", ["upsert", "delete"])
def test_linkhubs_own_name_is_its_own(linkhub: httpx.Client, call: str) -> None:
    """No caller writes native records by the API."""
    body = {"source": "linkhub", "inputs": [], "externalKeys": []}
    body.pop("externalKeys" if call == "upsert" else "inputs")
    assert linkhub.post(f"/v1/initiatives/batch/{call}", json=body).status_code == 422
