"""What a source tells: changes, in pages.

Named tuples rather than dataclasses: a first load makes one per record, and these cost a third.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, repeat
from typing import Any, NamedTuple, overload

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


class _Lazy(Sequence[Change]):
    """Changes that are made when somebody looks at them."""

    __slots__ = ()

    @abstractmethod
    def __iter__(self) -> Iterator[Change]: ...

    @overload
    def __getitem__(self, at: int) -> Change: ...
    @overload
    def __getitem__(self, at: slice) -> list[Change]: ...
    def __getitem__(self, at: int | slice) -> Change | list[Change]:
        return list(self)[at]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]


class Rows(_Lazy):
    """Upserts of one stream, kept by field: a sink that wants columns need not take them apart.

    `values` has a sequence for each of `fields`, as long as `keys`; None where a record has no
    value. The fields of a record are these and `_id`, its key. `types` says of a field that all of
    its values are of this type, and its integers of 64 bits; None where somebody must look.
    """

    __slots__ = ("fields", "keys", "stream", "types", "values")

    def __init__(
        self,
        *,
        stream: str,
        keys: Sequence[str],
        fields: Sequence[str],
        values: Sequence[Sequence[Any]],
        types: Sequence[type | None] = (),
    ) -> None:
        self.stream = stream
        self.keys = keys
        self.fields = fields
        self.values = values
        self.types = types or (None,) * len(fields)

    def __len__(self) -> int:
        return len(self.keys)

    def __iter__(self) -> Iterator[Change]:
        return map(Upsert, repeat(self.stream), self.keys, self.records())

    def records(self) -> Iterator[dict[str, Any]]:
        """Return the records, without the fields they have no value for."""
        names = ("_id", *self.fields)
        for row in zip(self.keys, *self.values, strict=True):
            pairs = zip(names, row, strict=True)
            yield {name: value for name, value in pairs if value is not None}


class Joined(_Lazy):
    """Changes one after the other in parts, some of which are Rows."""

    __slots__ = ("parts",)

    def __init__(self, parts: Iterable[Sequence[Change]]) -> None:
        self.parts = [part for part in parts if part]

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    def __iter__(self) -> Iterator[Change]:
        return chain.from_iterable(self.parts)


def joined(some: Sequence[Sequence[Change]]) -> Sequence[Change]:
    """Return changes one after the other, Rows as they are."""
    parts = list(chain.from_iterable(map(parts_of, some)))
    if any(isinstance(part, Rows) for part in parts):
        return Joined(parts)
    return [change for part in parts for change in part]


def parts_of(changes: Sequence[Change]) -> Sequence[Sequence[Change]]:
    """Return the parts of some changes, each Rows or without any."""
    return changes.parts if isinstance(changes, Joined) else [changes]


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
    is where it began. `is_at_hand`: what comes next is on this machine, nothing is gained by
    fetching it meanwhile.
    """

    changes: Sequence[Change]
    checkpoint: Checkpoint
    totals: Mapping[str, int] = field(default_factory=dict)
    problems: Sequence[RecordProblem] = ()
    size: int = 0
    is_part: bool = False
    is_at_hand: bool = False
