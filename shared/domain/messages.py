"""What travels on the queues: the id of a job and nothing else."""

from __future__ import annotations

import json
import re
from typing import Final

from shared.errors import PermanentError

MANUAL_QUEUE: Final = "sync-manual"
SCHEDULED_QUEUE: Final = "sync-scheduled"
QUEUES: Final = (MANUAL_QUEUE, SCHEDULED_QUEUE)
POISON_SUFFIX: Final = "-poison"
"""The Functions host's own ending; it moves a message there after `maxDequeueCount` failures."""

_VERSION: Final = 1
_JOB_ID: Final = re.compile(r"[0-9A-Za-z-]{1,36}")


def job_message(job_id: str) -> str:
    """Return the message that asks for a run of `job_id`; PermanentError if that is no id."""
    if not _JOB_ID.fullmatch(job_id):
        raise PermanentError("A job id is 1 to 36 letters, digits and dashes; this one is not.")
    return json.dumps({"v": _VERSION, "jobId": job_id}, separators=(",", ":"))


def parse_message(body: bytes) -> str:
    """Return the job id of a queue message.

    Raise PermanentError saying what is wrong with a message that nobody here wrote; its content is
    not repeated, as it may be anything. Keys beyond the known ones are ignored.
    """
    try:
        message = json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError):
        raise PermanentError("The queue message is not JSON in UTF-8.") from None
    if not isinstance(message, dict):
        raise PermanentError("The queue message is not a JSON object.")
    version = message.get("v")
    if type(version) is not int or version != _VERSION:
        raise PermanentError(f"The queue message is not of version {_VERSION} (its key 'v').")
    job_id = message.get("jobId")
    if not isinstance(job_id, str) or not _JOB_ID.fullmatch(job_id):
        raise PermanentError("The queue message names no job (its key 'jobId').")
    return job_id
