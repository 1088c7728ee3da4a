"""What a source tells: changes, in pages.

Named tuples rather than dataclasses: a first load makes one per record, and these cost a third.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from shared.domain.checkpoints import Checkpoint


class Upsert(NamedTuple):
    """The record `key` of `stream` exists and looks like this now."""

    stream: str
    key: str
    record: Mapping[str, Any]


class Delete(NamedTuple):
    """The record `key` of `stream` is gone: a tombstone or an archived list said so."""

    stream: str
    key: str


class Truncate(NamedTuple):
    """Every record of `stream` seen so far is void; what follows is the whole of it.

    `repeats`: the stream changes while it is read, and the source says so by sending a record
    again, or its Delete: the last word on a key counts. Else every key comes once.
    """

    stream: str
    repeats: bool = False


Change = Upsert | Delete | Truncate


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordProblem:
    """Why one record, or one field of it, was not synced as it stands.

    `severity` "error": the record was not written. "warning": it was, but not exactly as sent.
    "info": nothing is wrong with any record; `key` is '', and `message` tells what became of the
    stream, say a column that was added. Only errors and warnings about records are counted.
    """

    stream: str
    key: str
    field: str = ""
    message: str
    severity: str = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Some changes in order, and the checkpoint that is true once they are written.

    `totals`: how many records of a stream the source counted, given once a full enumeration of that
    stream is complete; a sink checks its own count against it. `problems`: records the source
    could not hand over, already counted out of `changes`. `size`: about how many bytes its records
    have as JSON, 0 where the source need not say because its records are small.

    A page without changes says only how far the source is, while it waits for something: a run may
    stop there and another one go on.

    `is_part`: what the source answered at once goes on in the next page and cannot be asked for
    again as it is, so nothing of it may count before the first page that is no part; `checkpoint`
    is where it began.
    """

    changes: Sequence[Change]
    checkpoint: Checkpoint
    totals: Mapping[str, int] = field(default_factory=dict)
    problems: Sequence[RecordProblem] = ()
    size: int = 0
    is_part: bool = False
