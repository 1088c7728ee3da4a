"""What a warehouse's login is given."""

from __future__ import annotations

import pytest
import sqlglot
from sqlglot import exp
from sqlglot.tokenizer_core import TokenType

from shared.domain.warehouse_grants import grant_sql
from shared.errors import InvalidInputError

ODD = ["linkhub", "a b", "a]b", "a'b", "]; DROP TABLE x --", "'; EXEC x --", "naïve", "🚀" * 64]


def tokens(sql: str) -> list[tuple[TokenType, str]]:
    found = sqlglot.tokenize(sql, read="tsql")
    return [(token.token_type, token.text) for token in found]


def texts(sql: str) -> list[str]:
    kinds = {TokenType.STRING, TokenType.NATIONAL_STRING}
    return [text for kind, text in tokens(sql) if kind in kinds]


def names(sql: str) -> set[str]:
    return {text for kind, text in tokens(sql) if kind is TokenType.IDENTIFIER}


def test_it_parses() -> None:
    """Every statement is T-SQL, that which makes the schema too."""
    sql = grant_sql(schema="linkhub", login="loader")
    assert all(sqlglot.parse(sql, read="tsql"))
    (made,) = [text for text in texts(sql) if text.startswith("CREATE SCHEMA")]
    assert made == "CREATE SCHEMA [linkhub] AUTHORIZATION [loader]"
    assert sqlglot.parse_one("CREATE SCHEMA [linkhub]", read="tsql").find(exp.Create)


def test_it_gives_what_loading_takes_and_no_more() -> None:
    """A schema of its own, and tables and views in it: no role, no other schema, no password."""
    sql = grant_sql(schema="linkhub", login="loader")
    granted = [line for line in sql.splitlines() if line.startswith("GRANT")]
    assert granted == ["GRANT CREATE TABLE, CREATE VIEW TO [loader];"]
    assert "ROLE" not in sql
    assert "CONTROL" not in sql
    assert "dbo" not in sql
    outside_comments = [line for line in sql.splitlines() if not line.startswith("--")]
    assert not any("PASSWORD" in line for line in outside_comments)


def test_a_schema_of_somebody_else_ends_it() -> None:
    """Before anything is granted: what is there stays its owner's."""
    sql = grant_sql(schema="linkhub", login="loader")
    assert sql.index("THROW") < sql.index("ALTER USER") < sql.index("GRANT")


@pytest.mark.parametrize("login", ODD)
@pytest.mark.parametrize("schema", ODD)
def test_no_name_breaks_out(schema: str, login: str) -> None:
    """Whatever a name holds, it stays inside its brackets or quotes, in the inner statement too."""
    sql = grant_sql(schema=schema, login=login)
    assert names(sql) == {schema, login}
    found = texts(sql)
    (made,) = [text for text in found if text.startswith("CREATE SCHEMA")]
    assert names(made) == {schema, login}
    kinds = [kind for kind, _ in tokens(sql)]
    assert kinds == [kind for kind, _ in tokens(grant_sql(schema="s", login="l"))]
    assert {schema, login} <= set(found)


@pytest.mark.parametrize("name", ["", "x" * 129, "🚀" * 65, "a\nb", "a\0b"])
def test_what_cannot_be_a_name_is_refused(name: str) -> None:
    """A line break would end the comment in which the login's name stands."""
    for values in ({"schema": name, "login": "l"}, {"schema": "s", "login": name}):
        with pytest.raises(InvalidInputError):
            grant_sql(**values)


@pytest.mark.parametrize("schema", ["dbo", "DBO", "sys", "guest", "INFORMATION_SCHEMA", "db_owner"])
def test_what_is_everybodys_is_nobodys_own(schema: str) -> None:
    """The script would take it away from the others."""
    with pytest.raises(InvalidInputError, match="own schema"):
        grant_sql(schema=schema, login="loader")
