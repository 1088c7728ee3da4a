"""Every error has its answer: a problem document with a stable type, and nothing beyond it."""

from __future__ import annotations

import json
import logging
import uuid
from dataclasses import dataclass

import azure.functions as func
import pytest

from functions.http_support import MAX_BODY_BYTES, PROBLEM_TYPE, public_endpoint
from functions.schemas import Wire
from shared import errors
from shared.logs import set_up_logging
from shared.settings import Settings
from tests.functions.kit import Client, HttpWorld

SECRET = "pat-canary-91c2"
OUR_FAULT = "Something went wrong on our side; the request id finds it in our logs."
ANSWERS = [
    (errors.InvalidInputError("No."), 400, "invalid-input"),
    (errors.RequestError("No."), 400, "invalid-request"),
    (errors.UnauthenticatedError("No."), 401, "unauthenticated"),
    (errors.ForbiddenError("No."), 403, "forbidden"),
    (errors.NotFoundError("No."), 404, "not-found"),
    (errors.ConflictError("No."), 409, "conflict"),
    (errors.PreconditionError("No."), 412, "precondition-failed"),
    (errors.TooLargeError("No."), 413, "too-large"),
    (errors.TooManyRequestsError("No."), 429, "too-many-requests"),
    (errors.PreconditionError("No."), 412, "precondition-failed"),
    (errors.TransientError("No."), 503, "unavailable"),
]
FAULTS = [
    errors.PermanentError(f"The setting DATABASE_URL is missing: {SECRET}"),
    errors.AuthError(f"refused {SECRET}"),
    errors.LeaseLostError(SECRET),
    KeyError(SECRET),
    RecursionError(SECRET),
]


@dataclass(frozen=True, kw_only=True)
class Done(Wire):
    done: bool = True


def answer_of(error: Exception | None, **headers: str) -> func.HttpResponse:
    """Return what a handler that ends so answers."""

    @public_endpoint()
    def handler() -> Done:
        if error is not None:
            raise error
        return Done()

    return handler(func.HttpRequest("GET", "http://api.test/x", headers=headers, body=b""))


@pytest.mark.parametrize(("error", "status", "kind"), ANSWERS, ids=str)
def test_each_error_class_has_its_status_and_type(error: Exception, status: int, kind: str) -> None:
    """A caller can rely on status and `type`, and is told the error's own text."""
    response = answer_of(error)
    assert response.status_code == status
    assert response.mimetype == "application/problem+json"
    found = json.loads(response.get_body())
    assert found == {
        "type": PROBLEM_TYPE + kind,
        "title": found["title"],
        "status": status,
        "detail": "No.",
    }


def test_every_error_class_of_a_request_is_in_the_table() -> None:
    """A new RequestError needs a line above."""
    known = {type(error) for error, _, _ in ANSWERS}
    assert {errors.RequestError, *errors.RequestError.__subclasses__()} <= known


def test_invalid_input_lists_what_is_wrong_where() -> None:
    """Where the places are known, `errors` names each."""
    error = errors.InvalidInputError("No.", errors=[("name", "too long"), ("", "odd")])
    found = json.loads(answer_of(error).get_body())
    assert found["errors"] == [
        {"where": "name", "what": "too long"},
        {"where": "", "what": "odd"},
    ]


@pytest.mark.parametrize(
    ("asked", "told"), [(None, "5"), (0.2, "1"), (7.0, "7"), (61.4, "62")], ids=str
)
def test_unavailable_says_when_to_come_back(asked: float | None, told: str) -> None:
    """Retry-After is whole seconds, never earlier than the other side wished."""
    response = answer_of(errors.TransientError("Busy.", retry_after=asked))
    assert response.headers["Retry-After"] == told


@pytest.mark.parametrize("error", FAULTS, ids=lambda error: type(error).__name__)
def test_our_own_faults_tell_a_caller_nothing(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """A 500 holds neither text nor trace of the error; the log holds the error."""
    with caplog.at_level(logging.ERROR):
        response = answer_of(error)
    assert response.status_code == 500
    found = json.loads(response.get_body())
    assert (found["type"], found["detail"]) == (PROBLEM_TYPE + "internal", OUR_FAULT)
    assert SECRET.encode() not in response.get_body()
    assert SECRET in caplog.text


@pytest.mark.parametrize("error", [None, *[error for error, _, _ in ANSWERS], FAULTS[0]], ids=repr)
def test_every_answer_carries_the_request_id_and_is_not_cached(error: Exception | None) -> None:
    """The caller's request id comes back on success and failure alike."""
    response = answer_of(error, **{"X-Request-Id": "web-42.a_b"})
    assert response.headers["X-Request-Id"] == "web-42.a_b"
    assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("given", ["", "x" * 65, "a b", "a\r\nSet-Cookie: x=1", "<b>", "é"])
def test_an_odd_request_id_is_replaced(given: str) -> None:
    """Only a short plain id is echoed; for any other the answer has one of ours."""
    made = answer_of(None, **{"X-Request-Id": given}).headers["X-Request-Id"]
    assert made != given
    assert uuid.UUID(made)


def test_the_log_lines_of_a_request_carry_its_id(caplog: pytest.LogCaptureFixture) -> None:
    """The id in the answer finds the request in the log."""
    set_up_logging()
    with caplog.at_level(logging.INFO):
        answer_of(None, **{"X-Request-Id": "web-43"})
    assert "[request=web-43] GET handler 200" in caplog.text


def test_every_line_below_a_request_carries_its_id(
    world: HttpWorld, caplog: pytest.LogCaptureFixture
) -> None:
    """What services and backends say while they serve it too, not only the handler's own line."""
    set_up_logging()
    ada = world.ada
    path = f"instances/{world.connected(ada)}/jobs"
    world.queue.error = errors.TransientError("The queue is away.")
    caplog.clear()
    with caplog.at_level(logging.DEBUG):
        ada.call("POST", path, headers={"X-Request-Id": "web-44"})
    ours = [r for r in caplog.records if r.name.partition(".")[0] in {"functions", "shared"}]
    assert {"shared.services.jobs", "functions.http_support"} <= {record.name for record in ours}
    assert all(record.getMessage().startswith("[request=web-44] ") for record in ours)


@pytest.mark.parametrize("path", ["me", "instances/{}/connection", "instances/{}/jobs"])
def test_a_body_beyond_the_limit_is_refused(world: HttpWorld, path: str) -> None:
    """A body of more than a million bytes is not parsed, wherever it is sent."""
    method = "POST" if path.endswith("jobs") else "PUT"
    raw = b'{"name": "' + b"x" * MAX_BODY_BYTES + b'"}'
    answer = world.ada.call(method, path.format(world.connected(world.ada)), raw=raw)
    assert str(MAX_BODY_BYTES) in answer.problem(413, "too-large")["detail"]


def test_a_body_up_to_the_limit_is_read(world: HttpWorld) -> None:
    """White space up to the limit does no harm."""
    raw = b'{"provider": "fake"}'
    answer = world.ada.call("POST", "instances", raw=raw.ljust(MAX_BODY_BYTES))
    assert answer.status == 201


def test_an_unset_app_answers_500_and_names_no_setting(
    world: HttpWorld, caplog: pytest.LogCaptureFixture
) -> None:
    """Which setting is missing is for the log, not for callers."""
    token = world.ada.token
    del world.app.verifier  # made when it was first used
    world.app.settings = Settings.from_env({})
    answer = Client(token).get("me").problem(500, "internal")
    assert "OIDC" not in str(answer)
    assert "OIDC_ISSUER" in caplog.text
