from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from adapters.convex.data_sync import selection_of
from tests.conftest import VENDOR_DOCUMENTS
from tests.convex_kit import Server, call, serve, small_export

_SPEC = VENDOR_DOCUMENTS / "convex-data-sync.openapi31.json"
_PATH = "/api/v1/data/sync"


class Clock:
    """Seconds since 1970, moved by hand."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def server(tmp_path: Path, clock: Clock) -> Iterator[Server]:
    """Return an emulator with data syncs, in pages of five documents."""
    small_export(tmp_path / "export.zip")
    with serve(
        state_dir=tmp_path / "state", zip_file=tmp_path / "export.zip", clock=clock
    ) as running:
        running.settle(plan="pro", pageRows=5)
        yield running


def _sync(server: Server, cursor: str | None = None, **asked: Any) -> dict[str, Any]:
    body = {**({"cursor": cursor} if cursor else {}), **asked}
    answer = call(server.url, "POST", _PATH, json=body)
    assert answer.status_code == 200, answer.text
    read: dict[str, Any] = answer.json()
    return read


def _to_the_end(
    server: Server, cursor: str | None = None, **asked: Any
) -> tuple[list[dict[str, Any]], str]:
    pages: list[dict[str, Any]] = []
    while not pages or pages[-1]["status"]["type"] != "upToDate":
        pages.append(_sync(server, cursor, **asked))
        cursor = pages[-1]["pagination"]["nextCursor"]
        assert len(pages) < 100
    return pages, cursor or ""


def _code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_the_plan_decides(server: Server) -> None:
    """On the free plan, which is the usual one, streaming calls are 403."""
    server.settle()
    for method, path in (("POST", _PATH), ("GET", "/api/v1/data/list_active_syncs")):
        answer = call(server.url, method, path, json={})
        assert _code(answer) == (403, "StreamingExportNotEnabled")


def test_tables_are_walked_one_by_one(server: Server) -> None:
    """Each table is truncated on its first page, empty ones too; then all is up to date."""
    pages, _ = _to_the_end(server)
    truncates = [truncate["table"] for page in pages for truncate in page["truncates"]]
    assert truncates == ["cars", "empty", "wheels", "cars", "bills"]
    assert sum(len(page["values"]) for page in pages) == 12
    assert all(len(page["values"]) <= 5 for page in pages)
    assert {page["status"]["type"] for page in pages[:-1]} == {"snapshotting"}
    assert len({page["syncId"] for page in pages}) == 1
    assert all(page["pagination"]["hasMore"] is True for page in pages)


def test_the_log_comes_in_whole_commits(server: Server) -> None:
    """Changes come in order, a commit in one page however large, and `stale` until the end."""
    _, cursor = _to_the_end(server)
    inserts = [{"op": "insert", "table": "cars", "document": {"n": n}} for n in range(9)]
    first = server.mutate(*inserts)["ts"]
    second = server.mutate({"op": "clear", "table": "wheels"})["ts"]
    page = _sync(server, cursor)
    assert [value["ts"] for value in page["values"]] == [first] * 9
    assert page["status"] == {"type": "stale", "snapshotTs": first}
    page = _sync(server, page["pagination"]["nextCursor"])
    assert [(v["deleted"], set(v["value"])) for v in page["values"]] == [(True, {"_id"})] * 3
    assert page["status"] == {"type": "upToDate", "snapshotTs": second}


def test_a_replaced_table_starts_again(server: Server) -> None:
    """After an import the table is truncated and walked; a dropped one is not heard of."""
    _, cursor = _to_the_end(server)
    server.mutate(
        {"op": "import", "table": "wheels", "documents": [{"n": 1}]},
        {"op": "drop", "table": "cars"},
    )
    pages, _ = _to_the_end(server, cursor)
    assert [page["truncates"] for page in pages if page["truncates"]] == [
        [{"component": "", "table": "wheels"}]
    ]
    assert [value["table"] for page in pages for value in page["values"]] == ["wheels"]


def test_the_selection_may_change(server: Server) -> None:
    """Newly selected tables are walked from scratch; deselected ones stop; fields are left out."""
    pages, cursor = _to_the_end(server, selection=selection_of({"shop/cars": ("n",)}))
    assert [set(v["value"]) for page in pages for v in page["values"]] == [{"_id", "n"}] * 2
    later, _ = _to_the_end(server, cursor, selection=selection_of({"wheels": ()}))
    assert [truncate["table"] for page in later for truncate in page["truncates"]] == ["wheels"]


@pytest.mark.parametrize(
    "selection",
    [
        {},
        [],
        {"_other": "maybe"},
        {"_other": "excluded", "": {"users": "excluded"}},
        {"_other": "excluded", "": {"_other": "excluded", "users": {"_other": "x"}}},
        {
            "_other": "excluded",
            "": {"_other": "excluded", "users": {"_other": "included", "_id": "excluded"}},
        },
    ],
)
def test_a_malformed_selection_is_refused(server: Server, selection: Any) -> None:
    """`_other` is due at every level, and `_id` cannot be left out."""
    answer = call(server.url, "POST", _PATH, json={"selection": selection})
    assert _code(answer) == (400, "InvalidDataSyncSelection")


def test_cursors_cannot_be_made_up(server: Server) -> None:
    """A cursor of another deployment, or one that was changed, is refused by its own code."""
    cursor = _sync(server)["pagination"]["nextCursor"]
    for wrong in ("", "zz", "00" * 40, cursor[:-2] + ("00" if cursor[-2:] != "00" else "11")):
        answer = call(server.url, "POST", _PATH, json={"cursor": wrong})
        assert _code(answer) == (400, "InvalidDataSyncCursor")


def test_a_sync_expires_three_days_after_its_last_call(server: Server, clock: Clock) -> None:
    """Calls keep it alive; silence ends it."""
    cursor = _sync(server)["pagination"]["nextCursor"]
    for _ in range(3):
        clock.now += 2.9 * 24 * 3600
        cursor = _sync(server, cursor)["pagination"]["nextCursor"]
    clock.now += 3.1 * 24 * 3600
    answer = call(server.url, "POST", _PATH, json={"cursor": cursor})
    assert _code(answer) == (400, "DataSyncCursorExpired")


def test_a_malformed_client_header_is_refused(server: Server) -> None:
    """The version behind the client's name has three numbers."""
    headers = {"Convex-Client": "linkhub-integrator-1.0"}
    answer = call(server.url, "POST", _PATH, json={}, headers=headers)
    assert _code(answer) == (400, "InvalidVersion")


def test_active_syncs_are_listed(server: Server, clock: Clock) -> None:
    """The latest comes first, with its progress; pages go on by cursor."""
    _sync(server)
    clock.now += 10
    _to_the_end(server)
    path = "/api/v1/data/list_active_syncs"
    page = call(server.url, "GET", path, params={"limit": 1}).json()
    (newest,) = page["syncs"]
    assert newest["status"]["type"] == "upToDate"
    assert newest["status"]["numDocumentsSynced"] == 12
    params = {"limit": 1, "cursor": page["pagination"]["nextCursor"]}
    (oldest,) = call(server.url, "GET", path, params=params).json()["syncs"]
    assert oldest["status"]["type"] == "snapshotting"
    assert oldest["status"]["totalDocuments"] == 12


def test_exports_show_what_changed(server: Server, tmp_path: Path) -> None:
    """An export made after a mutation holds it; the state counts it."""
    server.mutate({"op": "insert", "table": "cars", "document": {"_id": "new", "n": 1}})
    assert call(server.url, "GET", "/_state").json()["tables"]["cars"] == 8
    call(server.url, "POST", "/api/export/request/zip")
    query = {"path": "_system/cli/exports:getLatest", "args": {}, "format": "json"}
    for _ in range(3):
        row = call(server.url, "POST", "/api/query", json=query).json()["value"]
    server.mutate({"op": "clear", "table": "cars"})
    (tmp_path / "got.zip").write_bytes(
        call(server.url, "GET", f"/api/export/zip/{row['start_ts']}").content
    )
    with zipfile.ZipFile(tmp_path / "got.zip") as archive:
        lines = archive.read("cars/documents.jsonl").splitlines()
    assert "new" in {json.loads(line)["_id"] for line in lines}
    assert len(lines) == 8


def test_random_mutations_repeat_themselves(tmp_path: Path) -> None:
    """The same seed on the same export does the same things to the same documents."""
    states = []
    for number in range(2):
        folder = tmp_path / str(number)
        folder.mkdir()
        small_export(folder / "export.zip")
        with serve(state_dir=folder, zip_file=folder / "export.zip") as server:
            told = server.mutate(seed=5, count=200)
            streams = sorted(server.streams())
            states.append((told, [(stream, server.lines(stream)) for stream in streams]))
    assert states[0] == states[1]
    assert {"insert", "patch", "replace", "delete"} <= set(states[0][0]["operations"])


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "delete", "table": "cars", "id": "nobody"},
        {"op": "patch", "table": "nowhere", "id": "x"},
        {"op": "drop", "table": "nowhere"},
    ],
)
def test_a_mutation_of_nothing_is_told(server: Server, operation: dict[str, str]) -> None:
    """A table or document that is not there is a 404 that names it."""
    answer = call(server.url, "POST", "/_mutate", json={"operations": [operation]})
    assert answer.status_code == 404
    assert "no " in answer.json()["error"]


def test_wrong_settings_are_told(server: Server) -> None:
    """Settings and mutations of an unknown form are 400 and change nothing."""
    assert call(server.url, "PUT", "/_settings", json={"plan": "gold"}).status_code == 400
    assert (
        call(server.url, "POST", "/_mutate", json={"operations": [{"op": "x"}]}).status_code == 400
    )
    assert call(server.url, "GET", "/_settings").json()["plan"] == "pro"


@pytest.mark.vendor_documents
def test_requests_and_answers_fit_convexs_own_document(server: Server) -> None:
    """What the adapter asks and the emulator answers is valid by the published schemas."""
    components = json.loads(_SPEC.read_text())["components"]

    def validate(name: str, data: Any) -> None:
        schema = {"$ref": f"#/components/schemas/{name}", "components": components}
        jsonschema_rs.Draft202012Validator(schema).validate(data)

    validate_answer = partial(validate, "DataSyncResponse")
    selection = selection_of({"cars": (), "shop/cars": ("n",)})
    validate("DataSyncArgs", {"cursor": "x", "selection": selection})
    for asked in dict[str, Any](), {"selection": selection}:
        pages, cursor = _to_the_end(server, **asked)
        server.mutate(seed=1, count=30)
        more, _ = _to_the_end(server, cursor, **asked)
        for page in [*pages, *more]:
            validate_answer(page)
        call(server.url, "POST", _PATH, json={})
        active = call(server.url, "GET", "/api/v1/data/list_active_syncs").json()
        assert len(active["syncs"]) > 1
        validate("ListActiveSyncsResponse", active)
    with pytest.raises(jsonschema_rs.ValidationError):
        validate_answer({**pages[0], "values": [{"table": "cars"}]})
