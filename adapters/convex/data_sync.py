"""The data sync API: one page of what a deployment holds, or of what has changed since a cursor.

Facts are from Convex's API document (`POST /api/v1/data/sync`) and the open source back end
(`crates/streaming_export`): a page's truncates come before its values; a document may come several
times, in a page and over pages, each later one newer; cursors cannot be read and do not last.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapters.convex.answers import AnswerApi, Part
from adapters.convex.pages import Selection
from adapters.convex.values import decode_document
from shared.domain.changes import Change, Delete, RecordProblem, Truncate, Upsert
from shared.errors import AuthError, PermanentError, SyncError

if TYPE_CHECKING:
    from shared.http.client import HttpClient
    from shared.http.errors import Failure

RIGHT = "deployment:data:view"
_PATH = "/api/v1/data/sync"
_TEST_PATH = "/api/test_streaming_export_connection"


class NotOfferedError(PermanentError):
    """This deployment has no data sync: its plan, or its age."""


class NotAllowedError(AuthError):
    """The key may not read the deployment's data."""


class CursorLostError(PermanentError):
    """The cursor is worth nothing any more: begin without one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncPart:
    """A page, or some of one, as the engine wants it: truncates first. `size` in bytes of JSON.

    The last part of a page has the `cursor` after it; the others '', and nothing may be kept of
    them without the last one. `is_last`: everything up to a moment just past is in with it.
    """

    changes: Sequence[Change]
    problems: Sequence[RecordProblem]
    begun: Sequence[str]
    cursor: str
    is_last: bool
    size: int


class DataSyncApi:
    """Calls one deployment. `wanted` is asked for, and whatever else comes is passed over: some
    versions of the older streaming calls sent the rows of all tables.
    """

    def __init__(
        self,
        client: HttpClient,
        *,
        wanted: Selection,
        work_dir: Path,
        sleep: Callable[[float], None],
    ) -> None:
        self._client = client
        self._answers = AnswerApi(client, work_dir=work_dir, sleep=sleep)
        self.wanted = wanted
        self._selection = selection_of(wanted)
        self._keep = {
            stream: dict.fromkeys(("_id", *fields)) for stream, fields in wanted.items() if fields
        }
        self._streams: dict[tuple[str, str], str | None] = {}

    def test(self) -> None:
        """Prove that the deployment offers data syncs to this key; raise NotOfferedError or
        NotAllowedError.
        """
        self._client.get_json(_TEST_PATH)

    def page(self, cursor: str | None) -> Generator[SyncPart]:
        """Yield the page after `cursor`, None for the first one, in parts: a small one is one.

        Raise NotOfferedError, NotAllowedError, and CursorLostError for a cursor past its time, all
        before the first part.
        """
        asked: dict[str, Any] = {} if cursor is None else {"cursor": cursor}
        if self._selection is not None:
            asked["selection"] = self._selection
        with closing(self._answers.post(_PATH, json=asked)) as parts:
            status = None
            for part in parts:
                try:
                    status = part.said.get("status", status)
                    yield self._read(part, status)
                except (LookupError, TypeError, AttributeError) as error:
                    raise PermanentError(
                        "Convex answered a data sync in a form that is not known "
                        f"({type(error).__name__}: {str(error)[:80]!a}): choose the source "
                        "`snapshot` for this connection."
                    ) from None

    def _read(self, part: Part, status: Any) -> SyncPart:
        said = part.said
        begun = [
            self._stream(told["component"], told["table"]) for told in said.get("truncates", ())
        ]
        truncates = [Truncate(stream, repeats=True) for stream in begun if stream is not None]
        changes: list[Change] = [*truncates]
        problems: list[RecordProblem] = []
        for told in said["values"]:
            stream = self._stream(told["component"], told["table"])
            if stream is None:
                continue
            document: dict[str, Any] = told["value"]
            key: str = document["_id"]
            if told["deleted"]:
                changes.append(Delete(stream, key))
                continue
            keep = self._keep.get(stream)
            if keep is not None:
                document = {name: document[name] for name in keep if name in document}
            if part.is_marked:
                try:
                    decode_document(document)
                except ValueError as error:
                    problems.append(_unreadable(stream, key, error))
                    continue
            changes.append(Upsert(stream, key, document))
        return SyncPart(
            changes=changes,
            problems=problems,
            begun=[truncate.stream for truncate in truncates],
            cursor=_text(said["pagination"]["nextCursor"]) if part.is_end else "",
            is_last=part.is_end and status["type"] == "upToDate",
            size=part.size,
        )

    def _stream(self, component: str, table: str) -> str | None:
        """Return the stream of a table, None for one that is not wanted or is Convex's own."""
        place = (component, table)
        if place not in self._streams:
            stream = f"{component}/{table}" if component else table
            is_wanted = stream in self.wanted if self.wanted else not table.startswith("_")
            self._streams[place] = stream if is_wanted else None
        return self._streams[place]


def selection_of(wanted: Selection) -> dict[str, Any] | None:
    """Return the selection that asks for these streams and fields, None for everything."""
    if not wanted:
        return None
    selection: dict[str, Any] = {"_other": "excluded"}
    for stream, fields in wanted.items():
        component, _, table = stream.rpartition("/")
        tables = selection.setdefault(component, {"_other": "excluded"})
        listed = dict.fromkeys(("_id", *fields), "included") if fields else {}
        tables[table] = {"_other": "excluded" if fields else "included", **listed}
    return selection


def classify(failure: Failure, text: str) -> SyncError | None:
    """Return this API's own errors for an answer, None for those of others."""
    if failure.code in {"DataSyncCursorExpired", "InvalidDataSyncCursor"}:
        return CursorLostError(text)
    if failure.code == "StreamingExportNotEnabled":
        return NotOfferedError(
            f"{text} Data syncs need a Convex Pro plan: choose the source `auto` or `snapshot`."
        )
    if failure.path not in {_PATH, _TEST_PATH}:
        return None
    if failure.status == HTTPStatus.NOT_FOUND:
        return NotOfferedError(f"{text} This back end has no data sync: choose `snapshot`.")
    if failure.status == HTTPStatus.FORBIDDEN:
        return NotAllowedError(
            f"{text} Connect again with a deploy key that has the right {RIGHT}."
        )
    return None


def _unreadable(stream: str, key: str, error: ValueError) -> RecordProblem:
    message = f"The document cannot be decoded: {error}."
    return RecordProblem(stream=stream, key=key, message=message)


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError("no cursor")
    return value
