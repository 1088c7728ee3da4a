"""What a HubSpot connection does beside reading."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from adapters.hubspot import PROVIDER
from shared.domain.changes import Delete, Upsert
from shared.domain.field_mappings import FieldMapping
from shared.domain.fields import Field, FieldType, Option
from shared.domain.linkhub import ENTITIES
from shared.errors import AuthError, PermanentError, SyncError, TransientError
from shared.ports.provider import Credentials
from tests.http_kit import Script, Sleeps, answer
from tests.hubspot_kit import TOKEN, FakeDeal, FakeHubSpot, connect, make_deals


def test_check_names_the_account() -> None:
    """A working token gives the account's id, signed with that token."""
    server = FakeHubSpot()
    result = connect(server).check()
    assert (result.account, result.label) == ("4711", "HubSpot account 4711")
    assert server.requests[0].headers["Authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize(
    "second", [answer(403), answer(404), answer(200), answer(200, portalId=None)]
)
def test_check_needs_no_right_to_the_account(second: httpx.Response) -> None:
    """Where the account may not be asked for, the credentials still count as good."""
    server = Script(answer(200, results=[]), second)
    assert connect(server).check().label.startswith("HubSpot")


def described(**data: Any) -> Field:
    server = FakeHubSpot()
    server.properties = [{"name": "p", "label": "P", "type": "string", **data}]
    deals = connect(server).discover()[0]
    return next(field for field in deals.fields if field.name == "p")


@pytest.mark.parametrize(
    ("hubspots", "ours"),
    [
        ("string", FieldType.STRING),
        ("number", FieldType.DECIMAL),
        ("date", FieldType.DATE),
        ("datetime", FieldType.DATETIME),
        ("bool", FieldType.BOOLEAN),
        ("enumeration", FieldType.ENUMERATION),
        ("object_coordinates", FieldType.STRING),
        (None, FieldType.STRING),
    ],
)
def test_property_types_are_mapped(hubspots: str | None, ours: FieldType) -> None:
    """Every type HubSpot has, or will have, becomes one of ours."""
    assert described(type=hubspots).type is ours


def test_options_of_an_enumeration_are_kept() -> None:
    """Values and labels come along, hidden ones do not."""
    options = [{"value": "a", "label": "A"}, {"value": "b", "label": "B", "hidden": True}]
    field = described(type="enumeration", fieldType="select", options=options)
    assert field.options == (Option(value="a", label="A"),)


def test_a_list_of_choices_is_text() -> None:
    """A multiple-checkbox value such as "a;b" is none of its options."""
    field = described(type="enumeration", fieldType="checkbox", options=[{"value": "a"}])
    assert (field.type, field.options) == (FieldType.STRING, ())


@pytest.mark.parametrize(
    "data", [{"calculated": True}, {"modificationMetadata": {"readOnlyValue": True}}]
)
def test_what_hubspot_computes_is_read_only(data: dict[str, Any]) -> None:
    """Calculated and protected properties cannot be written."""
    assert described(**data).read_only


def test_archived_properties_are_hidden() -> None:
    """A property in HubSpot's bin is no field."""
    server = FakeHubSpot()
    server.properties = [{"name": "old", "type": "string", "archived": True}]
    assert "old" not in [field.name for field in connect(server).discover()[0].fields]


def test_stages_come_from_the_pipelines_where_the_property_has_none() -> None:
    """`dealstage` gets the stage ids of every pipeline, labelled with both names."""
    stages = [{"id": "s1", "label": "First"}, {"id": "s2", "label": "Second"}]
    server = FakeHubSpot()
    server.properties = [{"name": "dealstage", "type": "enumeration", "options": []}]
    server.pipelines = [{"id": "default", "label": "Sales", "stages": stages}]
    fields = {field.name: field for field in connect(server).discover()[0].fields}
    assert [(option.value, option.label) for option in fields["dealstage"].options] == [
        ("s1", "First (Sales)"),
        ("s2", "Second (Sales)"),
    ]
    labels = fields["dealstage.label"]
    assert [option.value for option in labels.options] == ["First", "Second"]
    assert labels.read_only


def test_get_tells_for_each_key_whether_it_exists() -> None:
    """A 207 is not a failure: found deals are upserts, the others deletes, in the order asked."""
    server = FakeHubSpot(*make_deals(150), FakeDeal(id=900, modified=1, archived=2))
    keys = ["900", "not-a-number", *(str(n) for n in range(1, 151)), "77777"]
    changes = connect(server, selection={"deals": ["dealname"]}).get("deals", keys)
    assert [c.key for c in changes if isinstance(c, Delete)] == ["900", "not-a-number", "77777"]
    assert sum(isinstance(change, Upsert) for change in changes) == 150


def test_get_does_not_take_an_unreadable_deal_for_a_deleted_one() -> None:
    """An error of another kind inside a 207 means trying again later."""
    server = FakeHubSpot(*make_deals(2))
    server.unreadable = {"1": "INTERNAL_ERROR"}
    with pytest.raises(TransientError, match="could not read"):
        connect(server, selection={"deals": []}).get("deals", ["1", "2"])


@pytest.mark.parametrize("body", [[], {"results": None}])
def test_an_answer_of_another_form_is_no_bug_of_ours(body: object) -> None:
    """What is not HubSpot's own form fails for good, with where to look."""
    script = Script(answer(200, results=[]), httpx.Response(200, json=body))
    with pytest.raises(PermanentError, match="base URL"):
        connect(script, selection={"deals": []}).get("deals", ["1"])


@pytest.mark.parametrize("stream", ["owners", "pipelines"])
def test_people_and_stages_are_never_written(stream: str) -> None:
    """They are set up in HubSpot; the message says what can be written."""
    server = FakeHubSpot()
    with pytest.raises(PermanentError, match="deals, companies, contacts"):
        connect(server).push(stream, [Delete(stream, "1")])
    assert server.requests == []


@pytest.mark.parametrize(
    ("response", "expected", "text"),
    [
        (answer(401, category="EXPIRED_AUTHENTICATION", message="expired"), AuthError, "expired"),
        (
            answer(403, errors=[{"context": {"requiredGranularScopes": ["a.b"]}}]),
            AuthError,
            r"reconnect: a\.b\.",
        ),
        (answer(403, context={"requiredScopes": ["c"]}, errors=[7]), AuthError, r"reconnect: c\."),
        (answer(403, errors="none"), AuthError, "may do this"),
        (answer(400, message="bad", correlationId="c-9"), PermanentError, "correlation id c-9"),
    ],
)
def test_refusals_end_in_their_class(
    response: httpx.Response, expected: type[SyncError], text: str
) -> None:
    """HubSpot's error bodies are read, with every part of them optional."""
    with pytest.raises(expected, match=text):
        connect(Script(response)).check()


@pytest.mark.parametrize(
    ("response", "wait"),
    [
        (answer(429, policyName="DAILY"), 3600),
        (answer(429, policyName="DAILY", headers={"Retry-After": "7200"}), 7200),
        (answer(477), 3600),
        (answer(429, policyName="SECONDLY", headers={"Retry-After": "61"}), 61),
    ],
)
def test_long_waits_are_left_to_the_job(response: httpx.Response, wait: float) -> None:
    """A spent daily quota or a moving account is not waited for inside a call."""
    sleep = Sleeps()
    with pytest.raises(TransientError) as caught:
        connect(Script(response), sleep=sleep).check()
    assert (caught.value.retry_after, sleep.waits) == (wait, [])


def test_a_spent_window_is_waited_for() -> None:
    """A rolling 429 without `Retry-After` waits HubSpot's own interval before the next attempt."""
    headers = {
        "X-HubSpot-RateLimit-Remaining": "0",
        "X-HubSpot-RateLimit-Interval-Milliseconds": "10000",
    }
    limited = answer(429, policyName="TEN_SECONDLY_ROLLING", headers=headers)
    sleep = Sleeps()
    connect(Script(limited, answer(200, results=[])), sleep=sleep).check()
    assert 10 in sleep.waits


@pytest.mark.parametrize("values", [{}, {"api_key": ""}, {"api_key": "line\nbreak"}])
def test_unusable_credentials_are_an_auth_error(values: dict[str, str]) -> None:
    """Nothing is sent without a token that can stand in a header."""
    server = FakeHubSpot()
    with pytest.raises(AuthError, match="onnect"):
        connect(server, credentials=Credentials(values=values)).check()
    assert server.requests == []


@pytest.mark.parametrize(
    "options", [{"api_version": "../v9"}, {"overlap_seconds": "-1"}, {"overlap_seconds": "1e9"}]
)
def test_options_are_checked(options: dict[str, str]) -> None:
    """A version or an overlap that cannot be is refused before anything is sent."""
    with pytest.raises(PermanentError):
        connect(FakeHubSpot(), options=options)


def test_another_stream_is_refused() -> None:
    """The message names the streams there are."""
    with pytest.raises(PermanentError, match="deals, companies"):
        next(connect(FakeHubSpot()).read("tickets", None))
    wrong = FieldMapping(stream="tickets", external_field="x", entity="initiatives", field="name")
    assert [name for name, _ in PROVIDER.validate_mapping([wrong])] == ["x"]


def test_the_default_mapping_fits_linkhub() -> None:
    """Every default goes to a field initiatives have, and all required ones are filled."""
    initiatives = ENTITIES["initiatives"]
    filled = {mapping.field for mapping in PROVIDER.default_mappings}
    assert filled <= {field.name for field in initiatives.fields}
    assert {field.name for field in initiatives.fields if field.required} <= filled
