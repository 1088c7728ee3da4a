"""Names of streams: which table of which dataset of which workspace."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from shared.errors import PermanentError

MY_WORKSPACE = "me"
"""Stands for the signed-in person's own workspace, which has no id."""

_LONGEST = 128
"""UTF-16 code units of a stream's name that the product can keep."""
_FORM = re.compile(r"(me|[0-9A-Za-z-]{1,40})/([0-9A-Za-z-]{1,40})/(.+)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetRef:
    """A dataset as the API addresses it; `workspace` is an id or `me`."""

    workspace: str
    id: str

    @property
    def path(self) -> str:
        """The part of a URL all of its calls begin with."""
        group = "" if self.workspace == MY_WORKSPACE else f"/groups/{self.workspace}"
        return f"{group}/datasets/{self.id}"


def stream_name(dataset: DatasetRef, table: str) -> str:
    """Return `<workspace>/<dataset>/<table>`, always the same for one table.

    The name of a table that is too long, or ends with a space, is cut and gets a hash in place of
    its end; the table is found again among those of its dataset.
    """
    front = f"{dataset.workspace}/{dataset.id}/"
    room = _LONGEST - len(front)
    if _units(table) <= room and not table.endswith(" "):
        return front + table
    mark = "~" + hashlib.blake2b(table.encode(), digest_size=6).hexdigest()
    kept = table
    while _units(kept) > room - len(mark):
        kept = kept[:-1]
    return front + kept + mark


def is_stream(name: str) -> bool:
    """Return whether a name has the form of one."""
    return _FORM.fullmatch(name) is not None


def dataset_of(stream: str) -> DatasetRef:
    """Return the dataset a stream belongs to; raise PermanentError for what is no stream."""
    match = _FORM.fullmatch(stream)
    if match is None:
        raise PermanentError(
            f"Power BI has no stream {stream[:200]!r}; streams are <workspace>/<dataset>/<table>."
        )
    return DatasetRef(workspace=match[1], id=match[2])


def _units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2
