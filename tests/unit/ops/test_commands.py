from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import update

from adapters import known_slugs
from ops.__main__ import main
from ops.sql_user import user_sql
from shared.domain.warehouse_grants import grant_sql
from shared.errors import InvalidInputError
from shared.store.database import Database
from shared.store.tables import providers


@pytest.fixture(name="env")
def env_fixture(tmp_path: Path) -> dict[str, str]:
    return {"DATABASE_URL": f"sqlite:///{tmp_path / 'app.db'}"}


def test_a_new_database_is_migrated_seeded_and_found_ready(
    env: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Each step says what it did; `check` says what is missing until nothing is."""
    assert main(["check"], env=env) == 1
    assert "run python -m ops migrate" in capsys.readouterr().err
    assert main(["migrate"], env=env) == 0
    assert "from revision none to 0" in capsys.readouterr().out
    assert main(["migrate"], env=env) == 0
    assert "is up to date" in capsys.readouterr().out
    assert main(["check"], env=env) == 1
    assert "run python -m ops seed" in capsys.readouterr().err
    assert main(["seed"], env=env) == 0
    assert "hubspot" in capsys.readouterr().out
    assert main(["check"], env=env) == 0


def test_seeding_again_keeps_what_an_admin_switched_off(env: dict[str, str]) -> None:
    """The catalogue has each adapter once, active unless an admin said no."""
    main(["migrate"], env=env)
    main(["seed"], env=env)
    database = Database(env["DATABASE_URL"])
    with database.engine.begin() as connection:
        connection.execute(
            update(providers).where(providers.c.slug == "hubspot").values(is_active=False)
        )
    assert main(["seed"], env=env) == 0
    with database.open_uow(read_only=True) as uow:
        assert list(uow.providers.list_slugs()) == list(known_slugs())
        assert not uow.providers.get("hubspot").is_active
    database.dispose()


def test_a_missing_setting_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit status 1 and one line on stderr, no trace."""
    assert main(["migrate"], env={}) == 1
    assert capsys.readouterr().err.startswith("migrate: DATABASE_URL is not set.")


def test_what_the_database_says_is_passed_on_in_one_line(
    env: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """An operator sees the driver's words, not a trace nor a statement."""
    assert main(["seed"], env=env) == 1
    assert capsys.readouterr().err == "seed: the database refused: no such table: providers\n"


def test_the_script_for_sql_server_needs_no_database(capsys: pytest.CaptureFixture[str]) -> None:
    """A DBA can read it before anything is run."""
    assert main(["migrate", "--sql"], env={}) == 0
    script = capsys.readouterr().out
    assert "CREATE TABLE sync_jobs" in script
    assert "CREATE UNIQUE INDEX ux_sync_jobs_unfinished" in script


def test_an_unknown_command_is_a_wrong_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit status 2, and the commands there are."""
    with pytest.raises(SystemExit) as caught:
        main(["nonsense"], env={})
    assert caught.value.code == 2
    assert "migrate" in capsys.readouterr().err


def test_the_apps_user_reads_and_writes_rows_and_no_more(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """No role, no DDL, and the schema's version is not its to write."""
    assert main(["sql-user", "linkhub-app"], env={}) == 0
    sql = capsys.readouterr().out
    assert "CREATE USER [linkhub-app] FROM EXTERNAL PROVIDER;" in sql
    assert "GRANT SELECT, INSERT, UPDATE, DELETE ON SCHEMA::dbo TO [linkhub-app];" in sql
    assert "DENY INSERT, UPDATE, DELETE ON OBJECT::dbo.alembic_version" in sql
    assert "ROLE" not in sql


def test_a_warehouses_login_gets_a_schema_of_its_own(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The script is printed as the API answers it; a schema of everybody's is refused."""
    assert main(["warehouse-grants", "--login", "loader", "--schema", "linkhub"], env={}) == 0
    assert capsys.readouterr().out == grant_sql(schema="linkhub", login="loader") + "\n"
    assert main(["warehouse-grants", "--login", "loader", "--schema", "dbo"], env={}) == 1
    assert "cannot be a login's own" in capsys.readouterr().err


def test_a_name_cannot_break_out_of_its_brackets() -> None:
    """Names come from people and templates."""
    sql = user_sql("a]; DROP TABLE x --'")
    assert "CREATE USER [a]]; DROP TABLE x --'] FROM" in sql
    assert "name = N'a]; DROP TABLE x --'''" in sql
    for wrong in ("", "x" * 129):
        with pytest.raises(InvalidInputError):
            user_sql(wrong)


def test_a_client_id_becomes_the_sid() -> None:
    """The GUID's bytes in SQL Server's order: the first three groups are little-endian."""
    sql = user_sql("app", client_id="00112233-4455-6677-8899-aabbccddeeff")
    assert "WITH SID = 0x33221100554477668899AABBCCDDEEFF, TYPE = E" in sql
    with pytest.raises(InvalidInputError, match="GUID"):
        user_sql("app", client_id="nope")
