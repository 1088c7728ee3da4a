from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import httpx

from local.sandbox.convex.app import _FAULTS
from local.sandbox.convex.archive import read_counts
from local.sandbox.convex.control import control_routes
from local.sandbox.convex.sample import documents, write_sample
from tests.convex_kit import Server, call, serve

LATEST = {"path": "_system/cli/exports:getLatest", "args": {}, "format": "json"}


def _latest(server: Server) -> Any:
    return call(server.url, "POST", "/api/query", json=LATEST).json()["value"]


def _request(server: Server) -> httpx.Response:
    answer: httpx.Response = call(
        server.url, "POST", "/api/export/request/zip", params={"includeStorage": "false"}
    )
    return answer


def _complete(server: Server) -> str:
    """Make an export; return its start."""
    assert _request(server).status_code == 200
    for _ in range(10):
        row = _latest(server)
        if row["state"] == "completed":
            return str(row["start_ts"])
    raise AssertionError(row)


def test_an_export_goes_through_its_states(server: Server) -> None:
    """requested, in_progress with a message, completed with 64-bit integers as strings."""
    assert _latest(server) is None
    assert _request(server).content == b""
    rows = [_latest(server) for _ in range(3)]
    assert [row["state"] for row in rows] == ["requested", "in_progress", "completed"]
    assert "start_ts" not in rows[0]
    assert rows[1]["progress_message"]
    assert all(rows[2][name].isdigit() for name in ("start_ts", "complete_ts", "expiration_ts"))


def test_only_one_export_at_a_time(server: Server) -> None:
    """A second request is refused until the first export is done."""
    assert _request(server).status_code == 200
    assert _request(server).json()["code"] == "ExportInProgress"
    _latest(server), _latest(server), _latest(server)
    assert _request(server).status_code == 200


def test_a_download_is_the_file_and_can_be_gone_on_with(server: Server) -> None:
    """Content-Length and Range work, so that a cut download can be resumed."""
    path = f"/api/export/zip/{_complete(server)}"
    whole = call(server.url, "GET", path)
    assert "attachment" in whole.headers["content-disposition"]
    assert zipfile.ZipFile(io.BytesIO(whole.content)).testzip() is None
    rest = call(server.url, "GET", path, headers={"Range": "bytes=100-"})
    assert (rest.status_code, rest.content) == (206, whole.content[100:])
    size = len(whole.content)
    assert rest.headers["content-range"] == f"bytes 100-{size - 1}/{size}"
    beyond = call(server.url, "GET", path, headers={"Range": f"bytes={size}-"})
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{size}")


def test_what_is_not_there_or_not_ready_is_told(server: Server) -> None:
    """An unknown export is 404 ExportNotFound, one under way 400 ExportNotComplete."""
    assert call(server.url, "GET", "/api/export/zip/1").json()["code"] == "ExportNotFound"
    _request(server)
    _latest(server)
    running = f"/api/export/zip/{_latest(server)['start_ts']}"
    assert call(server.url, "GET", running).json()["code"] == "ExportNotComplete"


def test_a_wrong_key_is_refused(server: Server) -> None:
    """Every path asks for the deploy key, and errors have Convex's form."""
    for path in ("/api/test_streaming_export_connection", "/api/get_table_column_names"):
        answer = call(server.url, "GET", path, key="prod:x|y")
        assert (answer.status_code, answer.json()["code"]) == (401, "BadAdminKey")
        assert answer.json()["message"]


def test_no_key_is_refused_otherwise(server: Server) -> None:
    """Without any header Convex answers 403 BadDeployKey."""
    answer = httpx.get(f"{server.url}/api/json_schemas", trust_env=False, timeout=60)
    assert (answer.status_code, answer.json()["code"]) == (403, "BadDeployKey")


def test_discovery_calls_answer(server: Server) -> None:
    """Connection test, column names and schemas have the shapes of the real ones."""
    server.settle(plan="pro")
    assert call(server.url, "GET", "/api/test_streaming_export_connection").json() is None
    names = call(server.url, "GET", "/api/get_table_column_names").json()["byComponent"]
    assert names["shop"] == [{"name": "cars", "columns": ["_id", "_creationTime", "n"]}]
    assert "cars" in call(server.url, "GET", "/api/json_schemas").json()
    assert call(server.url, "GET", "/_state").json()["tables"]["wheels"] == 3


def test_other_functions_are_not_there(server: Server) -> None:
    """A query of any other path is an error in the answer, as Convex gives it."""
    answer = call(server.url, "POST", "/api/query", json={"path": "tasks:list", "args": {}})
    assert answer.json()["status"] == "error"
    assert call(server.url, "POST", "/api/query", content=b"{").status_code == 400


def test_a_broken_file_still_has_an_emulator(tmp_path: Path) -> None:
    """A person's file that is no ZIP is served as it is; only its counts are unknown."""
    (tmp_path / "broken.zip").write_bytes(b"no zip")
    with serve(state_dir=tmp_path, zip_file=tmp_path / "broken.zip") as server:
        assert call(server.url, "GET", "/_state").json() == {"tables": {}}
        path = f"/api/export/zip/{_complete(server)}"
        assert call(server.url, "GET", path).content == b"no zip"


def test_the_sample_is_the_same_every_time(tmp_path: Path) -> None:
    """Two samples are equal byte for byte and count what they say they count."""
    counts = write_sample(tmp_path / "a.zip", limit=50)
    write_sample(tmp_path / "b.zip", limit=50)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    assert read_counts(tmp_path / "a.zip") == counts
    assert counts["flights"] == 50
    assert counts["billing/drafts"] == 0


def test_the_sample_holds_what_importers_trip_over(tmp_path: Path) -> None:
    """Missing, nested, late and non-ASCII values, and integers beside floats, are all there."""
    weather = [row for row, _ in zip(documents("weather"), range(500), strict=False)]
    assert any("wind_gust" not in row for row in weather)
    assert {type(row["temp"]) for row in weather} == {float}
    assert {type(row["hour"]) for row in weather} == {int}
    flights = [row for row, _ in zip(documents("flights"), range(5001), strict=False)]
    assert [n for n, row in enumerate(flights) if "remark" in row] == [5000]
    assert not flights[5000]["remark"].isascii()
    assert sum("meta" in row for row in flights) == 500
    ids = [row["_id"] for row in flights]
    assert len(set(ids)) == len(ids)
    assert {len(key) for key in ids} == {32}
    write_sample(tmp_path / "sample.zip", limit=4)
    lines = zipfile.ZipFile(tmp_path / "sample.zip").read(
        "_components/billing/invoices/documents.jsonl"
    )
    first = json.loads(lines.splitlines()[1])
    assert first["number"] == 2**63 - 2
    assert set(first["amount"]) == {"$float"}


def test_its_page_names_every_fault_and_setting(server: Server) -> None:
    """What can be switched on is in the docs, and each path beside Convex's own too."""
    page = (Path(__file__).parents[3] / "docs" / "sandbox" / "convex.md").read_text()
    own = set(_FAULTS) | set(call(server.url, "GET", "/_settings").json())
    control = control_routes(source=ANY, syncs=ANY, settings=ANY, driver=ANY)
    assert {name for name in own if f"`{name}`" not in page} == set()
    assert {route.path for route in control if route.path not in page} == set()
