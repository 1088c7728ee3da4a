"""What a call through the client ends in."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from shared.errors import AuthError, PermanentError, SyncError, TransientError
from shared.http.auth import BearerAuth, HeaderKeyAuth, StaticToken
from tests.http_kit import Answer, Script, Sleeps, answer, make_client

SECRET = "pat-na1-very-secret"


def test_a_get_is_retried_until_it_succeeds() -> None:
    """Two 503 answers cost two waits, and the third answer is returned."""
    sleep = Sleeps()
    client = make_client(answer(503), answer(503), answer(200, x=1), sleep=sleep)
    assert client.get_json("/things") == {"x": 1}
    assert len(sleep.waits) == 2


@pytest.mark.parametrize("status", [408, 423, 425, 429, 500, 502, 503, 504, 520, 524, 529])
def test_these_statuses_are_worth_another_attempt(status: int) -> None:
    """A GET that got one of them is sent again."""
    assert make_client(answer(status), answer(200)).request("GET", "/x").status_code == 200


@pytest.mark.parametrize(
    "lost",
    [
        httpx.ReadTimeout("t"),
        httpx.ConnectError("c"),
        httpx.ReadError("r"),
        httpx.RemoteProtocolError("cut"),
        httpx.DecodingError("gzip"),
    ],
)
def test_a_lost_connection_is_worth_another_attempt(lost: Exception) -> None:
    """Time-outs, refused and cut connections and garbled bodies are retried."""
    assert make_client(lost, answer(200)).request("GET", "/x").status_code == 200


def test_half_a_json_body_is_worth_another_attempt() -> None:
    """An answer that is not JSON to its end is asked for again."""
    cut = httpx.Response(200, content=b'{"results": [1, 2')
    assert make_client(cut, answer(200, results=[])).get_json("/x") == {"results": []}


@pytest.mark.parametrize("first", [answer(500), httpx.ReadTimeout("t")])
def test_a_post_that_may_have_been_processed_is_not_repeated(first: Answer) -> None:
    """A POST not marked repeatable is sent once, and the error says that it may work later."""
    script = Script(first, answer(200))
    client = make_client(transport=script)
    with pytest.raises(TransientError):
        client.request("POST", "/x", json={})
    assert len(script.requests) == 1


@pytest.mark.parametrize("first", [answer(429), httpx.ConnectError("c")])
def test_a_post_that_did_nothing_is_repeated(first: Answer) -> None:
    """After a 429 or a connection that was never made, any method is sent again."""
    assert make_client(first, answer(200)).request("POST", "/x").status_code == 200


def test_a_repeatable_post_is_sent_again_with_its_body() -> None:
    """The second attempt of a POST carries the same body as the first."""
    script = Script(answer(502), answer(200))
    make_client(transport=script).request("POST", "/x", json={"a": 1}, repeatable=True)
    assert [r.content for r in script.requests] == [b'{"a":1}'] * 2


def test_the_last_failure_is_raised_with_the_servers_wish() -> None:
    """Where no attempt succeeds, the error carries the last `Retry-After`."""
    sleep = Sleeps()
    client = make_client(answer(503, headers={"Retry-After": "3"}), sleep=sleep)
    with pytest.raises(TransientError) as caught:
        client.get_json("/x")
    assert (caught.value.retry_after, sleep.waits) == (3, [3, 3, 3, 3, 3])


def test_a_long_retry_after_is_not_waited() -> None:
    """A wish beyond a minute is handed to the job at once."""
    sleep = Sleeps()
    client = make_client(answer(429, headers={"Retry-After": "3600"}), sleep=sleep)
    with pytest.raises(TransientError) as caught:
        client.get_json("/x")
    assert (caught.value.retry_after, sleep.waits) == (3600, [])


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (401, AuthError),
        (403, AuthError),
        (302, PermanentError),
        (400, PermanentError),
        (404, PermanentError),
        (414, PermanentError),
        (501, PermanentError),
    ],
)
def test_other_statuses_are_final(status: int, expected: type[SyncError]) -> None:
    """They are raised by class without another attempt."""
    script = Script(answer(status))
    with pytest.raises(expected):
        make_client(transport=script).get_json("/x")
    assert len(script.requests) == 1


def test_a_status_asked_for_is_an_answer() -> None:
    """A status in `ok` is returned, whatever it means."""
    assert make_client(answer(404)).request("GET", "/x", ok=(200, 404)).status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        {"message": "Bad thing", "correlationId": "c-1"},
        {"error": {"code": "E1", "message": "Bad thing"}},
        {"error": "invalid_grant", "error_description": "Bad thing"},
        {"title": "Bad", "detail": "Bad thing"},
        {"code": "Bad thing"},
    ],
)
def test_the_message_holds_what_the_vendor_said(body: dict[str, Any]) -> None:
    """Every common form of error body is understood."""
    with pytest.raises(PermanentError, match=r"Acme answered 400 .* /base/x: Bad thing"):
        make_client(answer(400, **body)).get_json("/x", params={"q": "1"})


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b'"x"', b"{}", b"\xff\xfe", b"[" * 9999])
def test_an_error_body_may_be_anything(body: bytes) -> None:
    """An error answer without a usable body still ends in the class of its status."""
    with pytest.raises(PermanentError, match="Acme answered 400 Bad Request"):
        make_client(httpx.Response(400, content=body)).get_json("/x")


def test_no_secret_reaches_a_message_or_a_log(caplog: pytest.LogCaptureFixture) -> None:
    """A vendor that repeats the key, and a query that holds it, leave no trace of it."""
    caplog.set_level(logging.DEBUG, logger="shared")
    client = make_client(
        answer(500, message=f"key {SECRET} is odd"),
        auth=BearerAuth(StaticToken(SECRET)),
        secrets=[SECRET],
    )
    with pytest.raises(TransientError) as caught:
        client.get_json("/x", params={"token": SECRET})
    assert SECRET not in caught.value.message + caplog.text
    assert "[secret]" in caught.value.message


def test_a_link_to_another_origin_is_refused() -> None:
    """Credentials never follow a server's link to somewhere else."""
    script = Script(answer(200))
    with pytest.raises(PermanentError, match=r"evil\.test"):
        make_client(transport=script).get_json("https://evil.test/base/next")
    assert script.requests == []


def test_a_link_of_the_same_origin_is_followed_as_it_is() -> None:
    """A whole URL below the same host keeps its query to the letter."""
    script = Script(answer(200))
    link = "https://api.acme.test/base/x?$skiptoken=a%2Fb&z=1"
    make_client(transport=script).get_json(link)
    assert str(script.requests[0].url) == link


@pytest.mark.parametrize(
    ("path", "params", "sent"),
    [
        ("/x", {"a": "b c,d", "n": 5, "is": True}, "/base/x?a=b+c%2Cd&n=5&is=true"),
        ("/x?old=1", {"new": 2}, "/base/x?new=2"),
        ("/x?kept=1", {}, "/base/x?kept=1"),
        ("x", {"a": "1"}, "/base/x?a=1"),
        ("//evil.test/x", None, "/base//evil.test/x"),
        ("/ö/%2F", None, "/base/%C3%B6/%2F"),
    ],
)
def test_a_path_is_below_the_base_url(
    path: str, params: dict[str, str | int | bool] | None, sent: str
) -> None:
    """Parameters take the place of a query, and nothing in a path leads to another host."""
    script = Script(answer(200))
    make_client(transport=script).get_json(path, params=params or {})
    assert str(script.requests[0].url) == f"https://api.acme.test{sent}"


def test_an_answer_beyond_the_limit_is_refused() -> None:
    """A body larger than allowed ends the call before it fills the memory."""
    client = make_client(httpx.Response(200, content=b"x" * 101), max_body=100)
    with pytest.raises(PermanentError, match="more than 100 bytes"):
        client.get_json("/x")


def test_a_body_that_drips_for_ever_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes that keep coming reset no clock: the whole body has a time limit."""
    monkeypatch.setattr("shared.http.client.MAX_SECONDS", -1)
    with pytest.raises(TransientError, match="in time"):
        make_client(answer(200, x=1)).get_json("/x")


def test_time_outs_count_as_waiting_where_somebody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """After an attempt that hung for ten seconds, an interactive call makes no other."""
    clock = iter([0.0, 10.0])
    # The client's clock alone: other threads of this process need theirs.
    ours = SimpleNamespace(monotonic=lambda: next(clock))
    monkeypatch.setattr("shared.http.client.time", ours)
    script = Script(httpx.ReadTimeout("t"))
    with pytest.raises(TransientError):
        make_client(transport=script, interactive=True).get_json("/x")
    assert len(script.requests) == 1


def test_the_servers_clock_is_known_after_an_answer() -> None:
    """`server_time` is the `Date` of the last answer, None before it and without one."""
    client = make_client(answer(200, headers={"Date": "Sat, 21 Nov 2026 12:00:00 GMT"}))
    assert client.server_time is None
    client.get_json("/x")
    assert client.server_time == datetime(2026, 11, 21, 12, tzinfo=UTC)


def test_a_connection_lost_while_streaming_is_transient() -> None:
    """An httpx error inside the block comes out as ours."""
    client = make_client(answer(200))
    with pytest.raises(TransientError), client.stream("GET", "/x"):
        raise httpx.ReadError("gone")


class Refreshing:
    """A token source with one newer token."""

    def token(self) -> str:
        return "old"

    def refreshed(self, *, after_401_of: str) -> str | None:
        return "new" if after_401_of == "old" else None


def test_a_401_is_answered_once_with_a_newer_token() -> None:
    """The same request goes out again, signed anew; the call never sees the 401."""
    script = Script(answer(401), answer(200))
    make_client(transport=script, auth=BearerAuth(Refreshing())).get_json("/x")
    signed = [request.headers["Authorization"] for request in script.requests]
    assert signed == ["Bearer old", "Bearer new"]


def test_a_401_to_a_fixed_key_is_final() -> None:
    """A key nobody can renew is not tried twice."""
    script = Script(answer(401))
    with pytest.raises(AuthError):
        make_client(transport=script, auth=BearerAuth(StaticToken("k"))).get_json("/x")
    assert len(script.requests) == 1


@pytest.mark.parametrize("key", ["", "a\nb", " a", "schlüssel"])
def test_a_key_that_cannot_stand_in_a_header_is_an_auth_error(key: str) -> None:
    """It is refused before anything is sent, without being repeated."""
    with pytest.raises(AuthError, match="Copy it again"):
        make_client(answer(200), auth=HeaderKeyAuth(key, header="X-Key")).get_json("/x")
