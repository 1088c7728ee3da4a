"""Reads a deployment by data syncs: everything once, then what has changed."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import closing
from typing import Any, Protocol

from adapters.convex.data_sync import CursorLostError, DataSyncApi
from adapters.convex.pages import missing_table
from shared.domain.changes import Page
from shared.domain.checkpoints import Checkpoint
from shared.errors import PermanentError, TransientError

_log = logging.getLogger(__name__)

KEY = "sync"
"""What a checkpoint of this source has, in its `resume` and its `watermark`: the cursor, '' where
every table is read whole each time.
"""
_WHOLE = "whole"
"""In a `resume`: the cursor of the tables that are read whole each time, None before the first
page; the others are all in by then.
"""
_MISSING = "missing"


class _Ways(Protocol):
    """Where one data sync stands in a checkpoint: at a cursor, and at its end."""

    def resume(self, cursor: str | None) -> dict[str, Any]: ...

    def end(self, cursor: str) -> Checkpoint: ...


class SyncSource:
    """Each answer counts as one page, never less: a cursor that was asked again answers for a later
    moment, when what was written of the page before may have gone without a trace. A large one
    comes in parts that count together.

    `changing` are the tables of which changes are followed, `whole` those that are begun again by
    every read, with a data sync of their own; None where there are none.
    """

    def __init__(self, changing: DataSyncApi | None, whole: DataSyncApi | None) -> None:
        self._changing = changing
        self._whole = whole

    def read(self, position: Mapping[str, Any]) -> Iterator[Page]:
        """Yield the pages after `position` until all is in; {} begins afresh.

        A cursor that is past its time begins afresh too: its Truncates void what came before.
        """
        followed: str = position.get(KEY) or ""
        if self._changing is not None and _WHOLE not in position:
            followed = yield from _bring(
                self._changing, position, followed or None, _Followed(self._whole is not None)
            )
        if self._whole is not None:
            yield from _bring(self._whole, position, position.get(_WHOLE), _Begun(followed))


class _Followed:
    """The data sync whose cursor is kept."""

    def __init__(self, others_follow: bool) -> None:  # noqa: FBT001  the only thing it says
        self._others_follow = others_follow

    def resume(self, cursor: str | None) -> dict[str, Any]:
        return {} if cursor is None else {KEY: cursor}

    def end(self, cursor: str) -> Checkpoint:
        if self._others_follow:
            return Checkpoint(resume={KEY: cursor, _WHOLE: None})
        return Checkpoint(watermark={KEY: cursor})


class _Begun:
    """The data sync that begins anew each time; the cursor of the other one is `followed`."""

    def __init__(self, followed: str) -> None:
        self._followed = followed

    def resume(self, cursor: str | None) -> dict[str, Any]:
        return {KEY: self._followed, _WHOLE: cursor}

    def end(self, _cursor: str) -> Checkpoint:
        return Checkpoint(watermark={KEY: self._followed} if self._followed else None)


def _bring(
    api: DataSyncApi, position: Mapping[str, Any], cursor: str | None, ways: _Ways
) -> Generator[Page, None, str]:
    """Yield the pages of one data sync, from its start where the cursor is lost; return the last
    cursor.
    """
    missing = frozenset(position.get(_MISSING, ())) if cursor else frozenset(api.wanted)
    try:
        return (yield from _follow(api, cursor, missing, ways))
    except CursorLostError as error:
        _log.warning("%s Everything is read again.", error)
    try:
        return (yield from _follow(api, None, frozenset(api.wanted), ways))
    except CursorLostError as error:
        raise TransientError(f"{error} The cursor is gone while it is read.") from None


def _follow(
    api: DataSyncApi, cursor: str | None, missing: AbstractSet[str], ways: _Ways
) -> Generator[Page, None, str]:
    held = _noted(ways.resume(cursor), missing if cursor else ())
    while True:
        before = cursor
        with closing(api.page(before)) as parts:
            for part in parts:
                missing -= set(part.begun)
                if part.cursor:
                    break
                yield Page(
                    changes=part.changes,
                    checkpoint=Checkpoint(resume=dict(held)),
                    problems=part.problems,
                    size=part.size,
                    is_part=True,
                )
        cursor = part.cursor
        if part.is_last:
            yield Page(
                changes=part.changes,
                checkpoint=ways.end(cursor),
                problems=[*part.problems, *map(missing_table, sorted(missing))],
                size=part.size,
            )
            return cursor
        if cursor == before:
            raise PermanentError(
                "Convex gives the same cursor again without being at the end: its data sync "
                "cannot be read. Choose the source `snapshot` for this connection."
            )
        held = _noted(ways.resume(cursor), missing)
        yield Page(
            changes=part.changes,
            checkpoint=Checkpoint(resume=dict(held)),
            problems=part.problems,
            size=part.size,
        )


def _noted(resume: dict[str, Any], missing: AbstractSet[str] | tuple[()]) -> dict[str, Any]:
    return {**resume, _MISSING: sorted(missing)} if missing else resume
