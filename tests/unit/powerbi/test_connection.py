from __future__ import annotations

import json
import logging
import time
from typing import Any

import httpx
import pytest

from adapters.powerbi import PROVIDER, connection
from adapters.powerbi.failures import CutOffError, RightsError, require_complete
from shared.domain.changes import Delete, Upsert
from shared.domain.fields import FieldType
from shared.domain.mapping import FieldMapping
from shared.domain.suggestions import suggest_mappings
from shared.errors import AuthError, PermanentError, TransientError
from shared.ports.provider import Credentials
from tests import powerbi_kit as kit
from tests.http_kit import Script, Sleeps, answer
from tests.powerbi_kit import FakePowerBI, changes_of, connect, keys_of, read, stream


@pytest.fixture
def server() -> FakePowerBI:
    return FakePowerBI()


def test_visible_tables_of_all_datasets_are_offered(server: FakePowerBI) -> None:
    """Hidden tables and Power BI's own are not, nor those of datasets that may not be queried."""
    found = {stream.label: stream for stream in connect(server).discover()}
    assert list(found) == [
        "airlines (New York flights 2013, Aviation)",
        "airports (New York flights 2013, Aviation)",
        "planes (New York flights 2013, Aviation)",
        "weather (New York flights 2013, Aviation)",
        "Orders (Sales model, Sales)",
        "Targets (Sales model, Sales)",
        "Customer's list (Sales model, Sales)",
        "Remarks (Sales model, Sales)",
        "Orders (Live orders, Sales)",
        "Readings (Sensor feed, Sales)",
    ]
    orders = found["Orders (Sales model, Sales)"]
    assert orders.name == kit.ORDERS
    assert [(field.name, field.type, field.unique) for field in orders.fields] == [
        ("Order ID", FieldType.INTEGER, True),
        ("Order date", FieldType.DATETIME, False),
        ("Amount (€)", FieldType.DECIMAL, False),
        ("Margin %", FieldType.FLOAT, False),
        ("Is paid?", FieldType.BOOLEAN, False),
        ("Customer's note", FieldType.STRING, False),
        ("Tag [internal]", FieldType.STRING, False),
    ]


def test_what_was_left_out_is_logged(server: FakePowerBI, caplog: pytest.LogCaptureFixture) -> None:
    """Whoever misses a dataset finds the reason, and never a secret."""
    caplog.set_level(logging.INFO)
    connect(server).discover()
    assert "Build permission" in caplog.text
    assert kit.TOKEN not in caplog.text


def test_names_narrow_what_is_offered(server: FakePowerBI) -> None:
    """Workspaces and datasets are chosen by name in any case, or by id."""
    options = {"workspaces": "sales; nowhere", "datasets": f"LIVE ORDERS;{kit.SENSORS}"}
    labels = [one.label for one in connect(server, options=options).discover()]
    assert labels == ["Orders (Live orders, Sales)", "Readings (Sensor feed, Sales)"]


def test_too_many_datasets_are_refused_with_the_remedy(
    server: FakePowerBI, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Discovery never goes on for minutes, and never leaves some out in silence."""
    monkeypatch.setattr(connection, "MOST_DATASETS", 3)
    with pytest.raises(PermanentError, match="6 datasets, and at most 3"):
        connect(server).discover()
    assert not server.queries
    monkeypatch.setattr(connection, "MOST_WORKSPACES", 2)
    with pytest.raises(PermanentError, match="3 workspaces, and at most 2"):
        connect(server).discover()


def test_a_push_dataset_tells_its_tables(server: FakePowerBI) -> None:
    """Its tables are read although its model does not describe itself."""
    readings = stream("Readings", dataset=kit.SENSORS)
    assert (
        len(changes_of(read(server, readings, options={"key_columns": "Readings[sensor]"}))) == 20
    )


def test_a_model_that_does_not_describe_itself_is_probed(server: FakePowerBI) -> None:
    """Tables a person names are asked for one row each, and those there are get offered."""
    ideas = stream("Ideas", dataset=kit.SCRATCH, workspace="me")
    with pytest.raises(PermanentError, match="name its tables"):
        read(server, ideas)
    options = {"datasets": "Scratch", "key_columns": "Ideas[Id]; Nonsense"}
    (found,) = connect(server, options=options).discover()
    assert (found.name, found.label) == (ideas, "Ideas (Scratch, My workspace)")
    assert [(field.name, field.type) for field in found.fields] == [
        ("Id", FieldType.INTEGER),
        ("Title", FieldType.STRING),
    ]
    assert keys_of(read(server, ideas, options=options)) == ["1", "2", "3", "4", "5"]


def test_a_relationship_proves_a_key(server: FakePowerBI) -> None:
    """The column on its "one" side names the rows where the model marks none."""
    airports = stream("airports", dataset=kit.FLIGHTS, workspace=kit.AVIATION)
    first = changes_of(read(server, airports))[0]
    assert isinstance(first, Upsert)
    assert first.key == first.record["faa"] == "04G"


def test_single_rows_are_found_by_their_keys(server: FakePowerBI) -> None:
    """Blank equals 0 for `=` in DAX: a key of 0 finds nothing, and no row without a key."""
    asked = ["10007", "0", "10001", "1e4", ""]
    found = connect(server).get(kit.ORDERS, asked)
    assert [type(change) for change in found] == [Upsert, Delete, Upsert, Delete, Delete]
    many = [str(10_001 + n) for n in range(120)]
    rows = connect(server).get(kit.ORDERS, many)
    assert [change.key for change in rows if isinstance(change, Upsert)] == many


def test_suggestions_come_from_the_columns(server: FakePowerBI) -> None:
    """Names and types alone lead from a table of targets to LinkHub's values."""
    streams = connect(server, options={"datasets": "Sales model"}).discover()
    found = {
        (one.external_field, one.field)
        for one in suggest_mappings(streams)
        if one.stream == stream("Targets") and one.entity == "values"
    }
    assert {("Indicator", "indicator"), ("Value", "value")} <= found


def test_mappings_must_name_tables() -> None:
    """A stream that cannot be a table is said before anything runs."""
    rules = [
        FieldMapping(stream=name, external_field="a", entity="values", field="value")
        for name in (kit.ORDERS, "deals")
    ]
    assert PROVIDER.validate_mapping(rules) == [("a", "'deals' is no table of a Power BI dataset.")]


@pytest.mark.parametrize(
    ("fault", "options", "expected", "text"),
    [
        ("empty_refusal", {"status": 403, "reason": "Odd"}, RightsError, "reason given is Odd"),
        ("empty_refusal", {"status": 401, "reason": "X"}, AuthError, "Connect the instance again"),
        ("empty_refusal", {"reason": '<b> "x"'}, RightsError, "Read and Build"),
        ("token_expired", {}, AuthError, "TokenExpired"),
        ("hidden", {}, PermanentError, "does not exist or is not shared"),
        ("query_failed", {}, PermanentError, "The sandbox was told to fail"),
    ],
)
def test_refusals_say_what_power_bi_says(
    server: FakePowerBI, fault: str, options: dict[str, Any], expected: type[Exception], text: str
) -> None:
    """Headers and details of error answers reach the person; markup does not."""
    server.fault(fault, **options)
    with pytest.raises(expected, match=text) as caught:
        read(server)
    assert "<b>" not in str(caught.value)


def test_an_expired_token_is_renewed_once(server: FakePowerBI) -> None:
    """Power BI answers 403 where others answer 401; the source of tokens is asked for a new one."""

    class Tokens:
        asked = 0

        def token(self) -> str:
            return "old"

        def refreshed(self, *, after_401_of: str) -> str | None:
            assert after_401_of == "old"
            self.asked += 1
            return kit.TOKEN

    def expire(request: httpx.Request) -> httpx.Response:
        if request.headers["authorization"] == "Bearer old":
            return httpx.Response(403, headers={"x-powerbi-error-info": "TokenExpired"})
        return server.handle_request(request)

    tokens = Tokens()
    opened = connect(httpx.MockTransport(expire), tokens=lambda _: tokens)
    assert opened.check().label == "Power BI"
    assert tokens.asked == 1


def test_queries_keep_within_120_a_minute() -> None:
    """The next query waits by itself rather than being answered with 429."""
    sleeps = Sleeps()
    server = FakePowerBI(clock=lambda: time.monotonic() + sum(sleeps.waits))
    opened = connect(server, sleep=sleeps, options={"page_rows": "10"})
    assert len(changes_of(list(opened.read(kit.ORDERS, None)))) == 1200
    assert len(server.queries) > 120
    assert {answer.status_code for answer in server.answers} == {200}
    assert sleeps.waits
    assert all(0 < wait <= 60 for wait in sleeps.waits)


def test_429_carries_its_delay() -> None:
    """Another program of the same person may have used the minute up."""
    limited = answer(429, headers={"Retry-After": "75"}, error={"code": "TooManyRequests"})
    with pytest.raises(TransientError) as caught:
        connect(Script(limited)).check()
    assert caught.value.retry_after == 75


@pytest.mark.parametrize("options", [{"page_rows": "0"}, {"page_rows": "x"}, {"key_columns": "["}])
def test_options_that_cannot_be_read_are_refused(options: dict[str, str]) -> None:
    """At once, before anything is sent."""
    with pytest.raises(PermanentError, match="option"):
        connect(FakePowerBI(), options=options)


def test_credentials_are_needed() -> None:
    """Without a token a person is asked to connect."""
    with pytest.raises(AuthError):
        connect(FakePowerBI(), credentials=Credentials(values={}))


@pytest.mark.parametrize(
    "body",
    [
        {"results": [{"tables": [{"rows": [{}]}]}], "error": {"code": "Top"}},
        {"results": [{"tables": [{"rows": [{}]}], "error": {"message": "Result"}}]},
        {"results": [{"tables": [{"rows": [{}], "error": {"code": "A", "message": "B"}}]}]},
        {"results": [{"tables": [{"rows": [{}]}, {"rows": [], "error": "plain"}]}]},
        {"results": [{"error": {"code": "NoTables"}}]},
        {"error": {"pbi.error": {"details": [{"detail": {"value": "deep"}}]}}},
    ],
)
def test_errors_inside_an_answer_are_found_wherever_they_stand(body: dict[str, Any]) -> None:
    """At the top, at the result, at any table; with whatever words they have."""
    words = "Top|Result|A: B|plain|NoTables|deep"
    with pytest.raises(CutOffError, match=words):
        require_complete(json.loads(json.dumps(body)))


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {},
        {"results": {}},
        {"results": []},
        {"results": [{"tables": []}]},
        {"results": [7]},
    ],
)
def test_what_is_no_answer_is_refused(body: Any) -> None:
    """Another server's JSON is not an empty table."""
    with pytest.raises(PermanentError, match="Check the base URL"):
        require_complete(body)
