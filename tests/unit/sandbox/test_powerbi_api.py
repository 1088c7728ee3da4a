from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests import powerbi_kit as kit
from tests.powerbi_kit import FakePowerBI

MODEL = f"/groups/{kit.SALES}/datasets/{kit.SALES_MODEL}"
PAY = f"/groups/{kit.SALES}/datasets/{kit.PAYROLL}"


@pytest.fixture
def server() -> FakePowerBI:
    return FakePowerBI()


def ask(
    server: FakePowerBI, path: str, method: str = "GET", *, token: str = kit.TOKEN, **options: Any
) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return server.ask(method, f"/v1.0/myorg{path}", headers=headers, **options)


def run(
    server: FakePowerBI, query: str, *, at: str = MODEL, nulls: bool | None = True
) -> httpx.Response:
    settings = {} if nulls is None else {"serializerSettings": {"includeNulls": nulls}}
    body = {"queries": [{"query": query}], **settings}
    return ask(server, f"{at}/executeQueries", "POST", json=body)


def rows_of(answer: httpx.Response) -> list[dict[str, Any]]:
    answer.raise_for_status()
    rows: list[dict[str, Any]] = answer.json()["results"][0]["tables"][0]["rows"]
    return rows


def test_people_see_their_workspaces(server: FakePowerBI) -> None:
    """Paged by $top and $skip; a person's own workspace is none of them."""
    listed = ask(server, "/groups").json()["value"]
    assert [one["name"] for one in listed] == ["Aviation", "Sales"]
    second = ask(server, "/groups", params={"$top": 1, "$skip": 1}).json()["value"]
    assert [one["id"] for one in second] == [kit.SALES]
    own = ask(server, "/datasets").json()["value"]
    assert [one["name"] for one in own] == ["Scratch"]
    assert ask(server, "/groups", params={"$top": "x"}).status_code == 400


@pytest.mark.parametrize(
    "path",
    [
        f"/groups/{kit.BOARD}/datasets",
        f"/groups/{kit.BOARD}/datasets/{kit.BUDGET}",
        f"/groups/{kit.AVIATION}/datasets/{kit.SALES_MODEL}",
        f"/datasets/{kit.SALES_MODEL}",
        f"{MODEL}/tables",
    ],
)
def test_what_may_not_be_seen_does_not_exist(server: FakePowerBI, path: str) -> None:
    """The answer is the same for both, and for the tables of what is no push dataset."""
    answer = ask(server, path)
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "PowerBIEntityNotFound"


def test_listed_does_not_mean_queried(server: FakePowerBI) -> None:
    """Without Build permission there is no body, and the reason is in a header."""
    assert ask(server, PAY).json()["name"] == "Payroll"
    refused = run(server, "EVALUATE Pay", at=PAY)
    assert (refused.status_code, refused.content) == (403, b"")
    assert refused.headers["x-powerbi-error-info"] == "Forbidden"


def test_blanks_are_left_out_unless_asked_for(server: FakePowerBI) -> None:
    """Nor is that the default. Column names are qualified unless the query named them."""
    query = "EVALUATE TOPN(1, 'Customer''s list', [Name [legal]]], ASC)"
    full = {
        "Customer's list[Name [legal]]": None,
        "Customer's list[Country]": "YY",
        "Customer's list[Active]": None,
        "Customer's list[Logo]": None,
    }
    assert rows_of(run(server, query)) == [full]
    for nulls in (False, None):
        assert rows_of(run(server, query, nulls=nulls)) == [{"Customer's list[Country]": "YY"}]


def test_types_lose_themselves_in_json(server: FakePowerBI) -> None:
    """Dates have no zone, exact decimals become doubles."""
    (row,) = rows_of(run(server, "EVALUATE TOPN(1, Targets, [Value], ASC)"))
    assert row == {
        "Targets[Indicator]": "Orders",
        "Targets[Month]": "2026-01-01T00:00:00",
        "Targets[Value]": 101.2525,
    }


def test_errors_of_a_query_stand_in_its_details(server: FakePowerBI) -> None:
    """There is no message anywhere else."""
    answer = run(server, "EVALUATE Nothing")
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (400, "DatasetExecuteQueriesError")
    assert "message" not in error
    details = {one["code"]: one["detail"]["value"] for one in error["pbi.error"]["details"]}
    assert "Cannot find table 'Nothing'" in details["DetailsMessage"]
    assert details["AnalysisServicesErrorCode"].isdigit()


@pytest.mark.parametrize(
    "body", [{}, {"queries": []}, {"queries": [{"query": "EVALUATE Orders"}] * 2}, {"queries": [7]}]
)
def test_one_query_a_call(server: FakePowerBI, body: dict[str, Any]) -> None:
    """None, two or something else is refused."""
    answer = ask(server, f"{MODEL}/executeQueries", "POST", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "BadRequest")


@pytest.mark.parametrize("limit", [{"rows": 100}, {"values": 799}])
def test_too_much_is_cut_and_said(server: FakePowerBI, limit: dict[str, int]) -> None:
    """Rows or values beyond the limit: 200, with what fits and an error."""
    server.control("/_limits", "PUT", **limit)
    answer = run(server, "EVALUATE Orders")
    most = limit.get("rows", 799 // 7)
    assert len(rows_of(answer)) == most
    error = answer.json()["results"][0]["tables"][0]["error"]
    assert error["message"] == f"More than {most} rows in a query result."


def test_a_second_table_is_left_out_and_said(server: FakePowerBI) -> None:
    """The first one is given."""
    answer = run(server, "EVALUATE Targets EVALUATE Remarks")
    assert len(rows_of(answer)) == 30
    assert "More than one result table" in answer.json()["results"][0]["error"]["message"]


def test_beyond_the_bytes_rows_just_stop(server: FakePowerBI) -> None:
    """The row that crosses the limit is complete, and nothing tells that others are missing."""
    server.control("/_limits", "PUT", bytes=1000)
    answer = run(server, "EVALUATE Remarks")
    assert 0 < len(rows_of(answer)) < 40
    assert "error" not in answer.text


def test_120_queries_a_minute() -> None:
    """Over all datasets of a person, and only queries count; Retry-After is when one may go on."""
    now = [1000.0]
    server = FakePowerBI(clock=lambda: now[0])
    server.control("/_limits", "PUT", per_minute=3)
    for at, table in ((MODEL, "Remarks"), (MODEL, "Orders"), (MODEL, "Nothing")):
        run(server, f"EVALUATE {table}", at=at)
        now[0] += 10
    limited = run(server, "EVALUATE Readings", at=f"/groups/{kit.SALES}/datasets/{kit.SENSORS}")
    assert (limited.status_code, limited.headers["retry-after"]) == (429, "30")
    assert ask(server, MODEL).status_code == 200
    now[0] += 30
    assert run(server, "EVALUATE Remarks").status_code == 200


def test_imported_rows_change_with_a_refresh(server: FakePowerBI) -> None:
    """An edit waits for the next completed refresh; a failed one, or one under way, brings none."""
    count = 'EVALUATE ROW("n", COUNTROWS(Targets))'
    changes: dict[str, Any] = {
        "insert": [{"Indicator": "New", "Month": "2026-11-01T00:00:00", "Value": "1.5"}],
        "update": [{"where": {"Indicator": "Orders"}, "set": {"Value": None}}],
        "delete": [{"Indicator": "Revenue"}],
    }
    answer = server.control("/_rows", dataset="Sales model", table="Targets", **changes)
    assert answer == {"inserted": 1, "updated": 10, "deleted": 10}
    before = ask(server, f"{MODEL}/refreshes").json()["value"]
    for status in ("Failed", "Unknown"):
        server.control("/_refresh", dataset=kit.SALES_MODEL, status=status)
        assert rows_of(run(server, count)) == [{"[n]": 30}]
    server.control("/_refresh", dataset=kit.SALES_MODEL)
    assert rows_of(run(server, count)) == [{"[n]": 21}]
    history = ask(server, f"{MODEL}/refreshes").json()["value"]
    assert [entry["status"] for entry in history] == ["Completed", "Failed", "Completed"]
    assert history[-1:] == before
    newest = ask(server, f"{MODEL}/refreshes", params={"$top": 1}).json()["value"]
    assert newest == history[:1]
    assert "serviceExceptionJson" in history[1]


def test_live_rows_change_at_once(server: FakePowerBI) -> None:
    """A DirectQuery model has no refreshes."""
    server.control("/_rows", dataset="Live orders", table="Orders", delete=[{"Order ID": 10_001}])
    at = f"/groups/{kit.SALES}/datasets/{kit.LIVE_ORDERS}"
    assert rows_of(run(server, 'EVALUATE ROW("n", COUNTROWS(Orders))', at=at)) == [{"[n]": 59}]
    assert ask(server, f"{at}/refreshes").json() == {"value": []}
    refused = server.ask("POST", "/_refresh", json={"dataset": "Live orders"})
    assert refused.status_code == 400


@pytest.mark.parametrize(
    "body",
    [
        {"dataset": "No such", "table": "T"},
        {"dataset": "Sales model", "table": "No such"},
        {"dataset": "Sales model", "table": "Orders", "insert": [{"No such": 1}]},
        {"dataset": "Sales model", "table": "Orders", "insert": [{"Order ID": "x"}]},
        {"dataset": "Sales model", "table": "Orders", "insert": [{"Is paid?": 1}]},
        {"table": "Orders"},
    ],
)
def test_unclear_edits_are_refused(server: FakePowerBI, body: dict[str, Any]) -> None:
    """400 with what is wrong, and nothing is changed."""
    assert server.ask("POST", "/_rows", json=body).status_code == 400
    assert (
        server.ask("GET", "/_state").json()["datasets"][f"{kit.SALES}/{kit.SALES_MODEL}"]["tables"][
            "Orders"
        ]
        == 1200
    )


@pytest.mark.parametrize(
    ("kind", "options", "status", "reason"),
    [
        ("empty_refusal", {}, 403, "Forbidden"),
        ("empty_refusal", {"status": 401, "reason": "Because"}, 401, "Because"),
        ("token_expired", {}, 403, "TokenExpired"),
        ("hidden", {}, 404, None),
        ("query_failed", {}, 400, None),
    ],
)
def test_faults_refuse_queries(
    server: FakePowerBI, kind: str, options: dict[str, Any], status: int, reason: str | None
) -> None:
    """Each in the form Power BI has for it, as often as it is told to."""
    server.fault(kind, count=1, **options)
    answer = run(server, "EVALUATE Remarks")
    assert (answer.status_code, answer.headers.get("x-powerbi-error-info")) == (status, reason)
    assert len(rows_of(run(server, "EVALUATE Remarks"))) == 40


def test_faults_spoil_answers(server: FakePowerBI) -> None:
    """Half of the rows with or without a word, a wrong count, blanks that are left out."""
    for place, path in {
        "top": [],
        "result": ["results", 0],
        "table": ["results", 0, "tables", 0],
    }.items():
        server.fault("said_cut", count=1, place=place)
        answer = run(server, "EVALUATE Remarks")
        part = answer.json()
        for step in path:
            part = part[step]
        assert "More than 20 rows" in part["error"]["message"]
        assert len(rows_of(answer)) == 20
    server.fault("silent_cut", count=1)
    assert len(rows_of(run(server, "EVALUATE Remarks"))) == 20
    server.fault("wrong_count", count=1)
    assert rows_of(run(server, 'EVALUATE ROW("n", COUNTROWS(Remarks))')) == [{"[n]": 41}]
    server.fault("nulls_left_out", count=1)
    assert "null" not in run(server, "EVALUATE Orders").text
    server.fault("no_info_view", count=1)
    assert run(server, "EVALUATE INFO.VIEW.TABLES()").status_code == 400
    server.fault("no_refresh_history", count=1)
    assert ask(server, f"{MODEL}/refreshes").status_code == 403
