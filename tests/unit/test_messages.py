from __future__ import annotations

import json

import pytest

from shared.domain.ids import new_id
from shared.domain.messages import job_message, parse_message
from shared.errors import PermanentError


def test_message_is_read_back() -> None:
    """The id of a message is the id it was made of."""
    job_id = new_id()
    assert parse_message(job_message(job_id).encode()) == job_id


def test_wire_form_is_fixed() -> None:
    """Messages in flight during a deployment are read by the other version, so the form stands."""
    assert job_message("job-1") == '{"v":1,"jobId":"job-1"}'


def test_unknown_keys_are_ignored() -> None:
    """A later version may add keys without breaking this one."""
    assert parse_message(b'{"v":1,"jobId":"job-1","trace":"x"}') == "job-1"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"hello", "not JSON"),
        (b"[" * 60_000, "not JSON"),
        (b"[1]", "not a JSON object"),
        (b'{"jobId":"job-1"}', "version 1"),
        (b'{"v":2,"jobId":"job-1"}', "version 1"),
        (b'{"v":true,"jobId":"job-1"}', "version 1"),
        (b'{"v":1}', "names no job"),
        (b'{"v":1,"jobId":""}', "names no job"),
        (b'{"v":1,"jobId":7}', "names no job"),
        (b'{"v":1,"jobId":"x; DROP TABLE"}', "names no job"),
        (json.dumps({"v": 1, "jobId": "x" * 37}).encode(), "names no job"),
    ],
)
def test_other_messages_are_refused(body: bytes, reason: str) -> None:
    """What nobody here wrote is refused for good, with the reason."""
    with pytest.raises(PermanentError, match=reason):
        parse_message(body)


def test_bad_message_is_not_repeated() -> None:
    """The error of an unreadable message holds nothing of it."""
    with pytest.raises(PermanentError) as caught:
        parse_message(b'{"v":1,"jobId":"canary 77"}')
    assert "canary" not in str(caught.value)


def test_job_id_must_be_one() -> None:
    """A message is made only of a thing that can be read back as an id."""
    with pytest.raises(PermanentError, match="job id"):
        job_message("not an id")
