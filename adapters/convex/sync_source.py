"""Reads a deployment by data syncs: everything once, then what has changed."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import closing
from typing import Any

from adapters.convex.data_sync import CursorLostError, DataSyncApi
from adapters.convex.pages import Selection, missing_table
from shared.domain.changes import Page
from shared.domain.checkpoints import Checkpoint
from shared.errors import PermanentError, TransientError

_log = logging.getLogger(__name__)

KEY = "sync"
"""What a checkpoint of this source has, in its `resume` and its `watermark`: the cursor."""


class SyncSource:
    """Each answer counts as one page, never less: a cursor that was asked again answers for a later
    moment, when what was written of the page before may have gone without a trace. A large one
    comes in parts that count together.
    """

    def __init__(self, api: DataSyncApi, *, wanted: Selection) -> None:
        self._api = api
        self._wanted = wanted

    def read(self, position: Mapping[str, Any]) -> Iterator[Page]:
        """Yield the pages after `position` until all is in; {} begins afresh.

        A cursor that is past its time begins afresh too: its Truncates void what came before.
        """
        try:
            yield from self._read(position)
        except CursorLostError as error:
            _log.warning("%s Everything is read again.", error)
        else:
            return
        try:
            yield from self._read({})
        except CursorLostError as error:
            raise TransientError(f"{error} The cursor is gone while it is read.") from None

    def _read(self, position: Mapping[str, Any]) -> Iterator[Page]:
        cursor: str | None = position.get(KEY)
        missing: AbstractSet[str] = frozenset(position.get("missing", ()))
        if cursor is None:
            missing = frozenset(self._wanted)
        while True:
            before = cursor
            with closing(self._api.page(before)) as parts:
                for part in parts:
                    missing -= set(part.begun)
                    if part.cursor:
                        break
                    yield Page(
                        changes=part.changes,
                        checkpoint=Checkpoint(resume=dict(position)),
                        problems=part.problems,
                        size=part.size,
                        is_part=True,
                    )
            cursor = part.cursor
            if part.is_last:
                yield Page(
                    changes=part.changes,
                    checkpoint=Checkpoint(watermark={KEY: cursor}),
                    problems=[*part.problems, *map(missing_table, sorted(missing))],
                    size=part.size,
                )
                return
            if cursor == before:
                raise PermanentError(
                    "Convex gives the same cursor again without being at the end: its data sync "
                    "cannot be read. Choose the source `snapshot` for this connection."
                )
            position = {KEY: cursor, **({"missing": sorted(missing)} if missing else {})}
            yield Page(
                changes=part.changes,
                checkpoint=Checkpoint(resume=dict(position)),
                problems=part.problems,
                size=part.size,
            )
