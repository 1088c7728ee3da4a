"""Identifiers that are safe in every database and never clash.

Whatever a source calls its tables and fields, a name is only ever used quoted. On top of that a
table's name is plain ASCII, because catalogues compare names under collations that fold case and
ignore some characters. A name that had to be changed carries a hash of the original, so two that
look alike afterwards stay apart and the same one always comes out the same.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Container
from typing import Final

MAX_LENGTH: Final = 128
"""SQL Server's limit for an identifier, in characters."""
PREVIOUS_SUFFIX: Final = "__prev"
"""Ends the name of the generation before the live one."""
VIEW_SUFFIX: Final = "_view"
"""Ends the name of a table's view."""
STAGING_PREFIX: Final = "_stg_"
"""Begins the name of a table that is being loaded."""

_TABLE_LENGTH = 100
_PREFIX_LENGTH = 40
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_UNSAFE = re.compile(r"[^A-Za-z0-9_]+")
_COLUMN = re.compile(r"(?![ $])[ -~]{1,128}(?<! )")
_MARKERS = re.compile(r"[?{}]")
_RESERVED_TABLES = ("_linkhub_", STAGING_PREFIX, "sqlite_")
_RESERVED_COLUMNS = ("_linkhub_",)
_PLAIN_KEY = re.compile(r"(?!sha256:)[!-~](?:[ -~]{0,98}[!-~])?")


def digest(text: str) -> str:
    """Return ten hexadecimal digits that stand for `text`, whatever it holds."""
    return _sha256(text)[:10]


def bounded_key(text: str) -> str:
    """Return `text`, or its hash where it is long or odd: at most 128 ASCII characters, unique."""
    return text if _PLAIN_KEY.fullmatch(text) else f"sha256:{_sha256(text)}"


def plain_prefix(text: str) -> str:
    """Return what table names begin with for any text a person chose, '' for none.

    `sales` and `sales_` give `sales_`, `my-app` gives `my_app_`. Two texts may give the same
    prefix: who owns a table is never told by its name.
    """
    if not text:
        return ""
    cleaned = _UNSAFE.sub("_", text).strip("_")
    if not cleaned or len(cleaned) > _PREFIX_LENGTH:
        cleaned = f"{cleaned[: _PREFIX_LENGTH - 11]}_{digest(text)}"
    return f"{cleaned}_"


def table_name(stream: str, *, prefix: str, taken: Container[str]) -> str:
    """Return the live table's name for a stream; `taken` holds lower-case names of other streams.

    A component's table `chat/messages` becomes `chat__messages`.
    """
    plain = stream.replace("/", "__")
    name = prefix + plain
    if (
        _PLAIN.fullmatch(name)
        and len(name) <= _TABLE_LENGTH
        and not name.lower().startswith(_RESERVED_TABLES)
        and not name.lower().endswith((PREVIOUS_SUFFIX, VIEW_SUFFIX))
        and name.lower() not in taken
    ):
        return name
    cleaned = _UNSAFE.sub("_", plain).strip("_") or "table"
    start = f"{prefix}{cleaned}"
    if not _PLAIN.fullmatch(start) or start.lower().startswith(_RESERVED_TABLES):
        start = f"t_{start}"
    return _with_hash(start[: _TABLE_LENGTH - 11], stream, taken)


def staging_name(live: str, owner: str) -> str:
    """Return the staging table's name for a live table of one instance."""
    return f"{STAGING_PREFIX}{digest(f'{owner} {live}')}_{live}"[:MAX_LENGTH]


def previous_name(live: str) -> str:
    """Return the name of the generation before the live one."""
    return f"{live}{PREVIOUS_SUFFIX}"


def view_names(live: str) -> tuple[str, str]:
    """Return the name of a live table's view, and the one it gets where that is taken."""
    return f"{live}{VIEW_SUFFIX}", f"{live}{VIEW_SUFFIX}_{digest(live)}"


def index_name(live: str, owner: str, generation: int) -> str:
    """Return the name of a generation's key index, where a database needs one."""
    return f"_ix_{digest(f'{owner} {live}')}_{generation}"


def column_name(field: str, *, taken: Container[str]) -> str:
    """Return a column's name; `taken` holds lower-case names of the table's other columns.

    Printable ASCII stays as it is, but for blanks at its ends (SQL Server ignores them when it
    compares) and for what an ODBC driver may take for a parameter or an escape.
    """
    if (
        _COLUMN.fullmatch(field)
        and not _MARKERS.search(field)
        and not field.lower().startswith(_RESERVED_COLUMNS)
        and field.lower() not in taken
    ):
        return field
    cleaned = _UNSAFE.sub("_", field).strip("_") or "field"
    if cleaned.lower().startswith("linkhub_"):
        cleaned = f"f_{cleaned}"
    return _with_hash(cleaned[: MAX_LENGTH - 11], field, taken)


def _with_hash(start: str, original: str, taken: Container[str]) -> str:
    name = f"{start}_{digest(original)}"
    attempt = 1
    while name.lower() in taken:
        attempt += 1
        name = f"{start}_{digest(f'{original} {attempt}')}"
    return name


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
