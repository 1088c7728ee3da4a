"""How rows travel to SQL Server as one parameter."""

from __future__ import annotations

import json

from sqlalchemy.dialects import mssql

from shared.store.rows import to_row
from shared.store.tables import record_links
from shared.store.upserts import insert_from_json, rows_as_json
from tests.store_kit import make_link

_BASE = {"name": 'a "quoted" \\ name\n', "amount": 1.5, "tags": [1, None]}


def test_json_travels_as_json() -> None:
    """Not as text in JSON: Babelfish would leave its escapes in, and the base would be void."""
    row = to_row(make_link("an-instance", "1", base=_BASE, external_base={}))
    dialect = mssql.dialect()  # type: ignore[no-untyped-call]
    (told,) = json.loads(rows_as_json(dialect, record_links, [row]))
    assert told["base"] == _BASE
    assert told["external_base"] == {}
    sql = str(insert_from_json(record_links, tuple(row), ("id",)))
    assert "[base] NVARCHAR(max) '$.base' AS JSON" in sql
    assert "'$.external_id' AS JSON" not in sql
