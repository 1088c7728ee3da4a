"""How SQL Server is reached, with a driver that only notes what it is asked."""

from __future__ import annotations

import struct
from contextlib import ExitStack

import pytest
from sqlalchemy.exc import DBAPIError

from local.host.config import DEFAULT_THREADS
from shared.domain.jobs import JobStatus
from shared.errors import LeaseLostError, NotFoundError, PermanentError, TransientError
from shared.store.database import Database
from shared.store.faults import translated
from shared.store.sqlserver import choose_driver, without_sign_in
from tests.factories import NOW, make_instance
from tests.odbc_kit import MICROSOFT, FakeOdbc, odbc_error
from tests.store_kit import make_link

URL = "mssql+pyodbc://server.test/app"


def opened(odbc: FakeOdbc, url: str = URL) -> Database:
    database = Database(url, driver_module=odbc)
    with database.open_uow():
        pass
    return database


def test_microsofts_newest_driver_is_chosen_at_run_time() -> None:
    """The image decides which there is; FreeTDS only where there is no other."""
    both = ["FreeTDS", "ODBC Driver 9 for SQL Server", "ODBC Driver 17 for SQL Server", MICROSOFT]
    assert choose_driver(both) == MICROSOFT
    assert choose_driver(["FreeTDS", "SQLite3"]) == "FreeTDS"
    with pytest.raises(PermanentError, match=r"msodbcsql18.*SQLite3"):
        choose_driver(["SQLite3"])


def test_the_url_may_name_the_driver() -> None:
    """What an operator wrote is used, installed or not."""
    odbc = FakeOdbc(drivers=[])
    opened(odbc, f"{URL}?driver=ODBC+Driver+17+for+SQL+Server")
    assert odbc.connects[0][0].startswith("DRIVER={ODBC Driver 17 for SQL Server};")


def test_a_connection_hides_row_counts_and_the_drivers_pool_is_off() -> None:
    """Otherwise an error of a later statement is invisible, and dead connections come back."""
    odbc = FakeOdbc()
    opened(odbc)
    assert "SET NOCOUNT ON" in odbc.statements
    assert odbc.pooling is False


def test_threads_keep_their_connections() -> None:
    """As many as work at once get one each, and none is opened for the next who ask."""
    odbc = FakeOdbc()
    database = opened(odbc)
    for _ in range(2):
        with ExitStack() as units:
            for _ in range(DEFAULT_THREADS):
                units.enter_context(database.open_uow())
    assert len(odbc.connects) == DEFAULT_THREADS


def test_runs_and_their_heartbeats_find_connections() -> None:
    """A heartbeat never waits for the connection of a run."""
    database = opened(FakeOdbc())
    with ExitStack() as units:
        for _ in range(2 * DEFAULT_THREADS):
            units.enter_context(database.open_uow())


def test_no_statement_waits_for_a_lock_for_ever() -> None:
    """A transaction that somebody forgot costs a run one attempt, not its heartbeat."""
    odbc = FakeOdbc()
    opened(odbc)
    assert "SET LOCK_TIMEOUT 30000" in odbc.statements
    timed_out = translated(DBAPIError("UPDATE t", {}, odbc_error("HYT00", 1222)))
    assert isinstance(timed_out, TransientError)


def test_a_token_replaces_every_other_way_to_sign_in() -> None:
    """Each new connection gets a fresh token, in the driver's form, and no password."""
    odbc = FakeOdbc()
    tokens = iter(["token-1", "token-2"])
    url = "mssql+pyodbc://sa:secret@server.test/app?Authentication=ActiveDirectoryMsi"
    database = Database(url, driver_module=odbc, access_token=lambda: next(tokens))
    with database.open_uow():
        pass
    database.dispose()
    with database.open_uow():
        pass
    for (text, values), token in zip(odbc.connects, ("token-1", "token-2"), strict=True):
        assert text == f"DRIVER={{{MICROSOFT}}};Server=server.test;Database=app"
        raw = token.encode("utf-16-le")
        assert values["attrs_before"] == {1256: struct.pack("<I", len(raw)) + raw}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Server=s;Database=d;Trusted_Connection=Yes", "Server=s;Database=d"),
        ("UID=me;PWD={a;}}b};Server=s", "Server=s"),
        ("Server=s;uid=me;Pwd=x;Encrypt=yes", "Server=s;Encrypt=yes"),
    ],
)
def test_a_sign_in_is_taken_out_whole(before: str, after: str) -> None:
    """Quoted passwords with semicolons too."""
    assert without_sign_in(before) == after


def test_free_tds_is_told_the_port_by_a_word_of_its_own() -> None:
    """It takes `server,port` for a server's name; what the URL says of the rest stands."""
    odbc = FakeOdbc(drivers=["FreeTDS"])
    opened(odbc, "mssql+pyodbc://server.test:1444/app?TDS_Version=8.0")
    parts = odbc.connects[0][0].split(";")
    assert {"Server=server.test", "port=1444", "TDS_Version=8.0"} <= set(parts)
    assert "ClientCharset=UTF-8" in parts


def test_free_tds_with_fast_executemany_is_refused() -> None:
    """It would crash the process."""
    database = Database(f"{URL}?driver=FreeTDS&fast_executemany=true", driver_module=FakeOdbc())
    with pytest.raises(PermanentError, match="fast_executemany"), database.open_uow():
        pass


def test_free_tds_gets_no_input_sizes_and_microsoft_does() -> None:
    """FreeTDS fails on them; Microsoft's driver needs them to bind ids as VARCHAR."""
    for driver, bound in (("FreeTDS", False), (MICROSOFT, True)):
        odbc = FakeOdbc(drivers=[driver])
        with opened(odbc).open_uow() as uow:
            uow.jobs.find_open("an-id")
        assert bool(odbc.sizes) is bound


def test_ids_are_bound_as_varchar_and_external_ids_as_nvarchar() -> None:
    """An NVARCHAR parameter would make SQL Server convert the VARCHAR column and scan."""
    odbc = FakeOdbc()
    with opened(odbc).open_uow() as uow:
        uow.links.get_many("an-id", "deals", ["1", "2"])
    assert [[size[0] for size in sizes] for sizes in odbc.sizes] == [[12, -9, -9, -9]]


def test_many_rows_share_a_statement_within_the_servers_limit() -> None:
    """An UPDATE, then an INSERT of what is missing, of at most 2,100 parameters each."""
    odbc = FakeOdbc()
    with opened(odbc).open_uow() as uow:
        uow.links.save_many([make_link("an-id", str(n)) for n in range(500)])
    written = [sql for sql in odbc.statements if "record_links" in sql]
    assert [sql.split()[0] for sql in written] == ["UPDATE", "INSERT"] * (len(written) // 2)
    assert len(written) <= 12
    assert all(500 < sql.count("?") <= 2_100 for sql in written[:-2])


def test_null_is_said_in_words() -> None:
    """As a parameter it has no type, and the driver would ask the server for one."""
    odbc = FakeOdbc()
    instance = make_instance(deleted_at=None)
    with opened(odbc).open_uow() as uow:
        with pytest.raises(NotFoundError):
            uow.instances.save(instance, expected_version=1)
        uow.instances.add(instance)
    update, insert = (
        next(sql for sql in odbc.statements if sql.startswith(f"{verb} integration_instances"))
        for verb in ("UPDATE", "INSERT INTO")
    )
    assert "deleted_at=NULL" in update
    assert "NULL" in insert


def test_no_row_counts_are_promised_to_alembic() -> None:
    """It checks that each revision changed one row, which the driver cannot say."""
    assert Database(URL, driver_module=FakeOdbc()).engine.dialect.supports_sane_rowcount is False


def test_a_lost_lease_is_seen_without_row_counts() -> None:
    """With NOCOUNT the driver counts -1 rows: what was changed is asked back instead."""
    odbc = FakeOdbc()
    with opened(odbc).open_uow() as uow, pytest.raises(LeaseLostError):
        uow.jobs.finish("an-id", "run-1", status=JobStatus.SUCCESS, now=NOW)
    assert "OUTPUT inserted.id" in " ".join(odbc.statements)


def test_a_state_that_will_be_changed_is_locked_when_read() -> None:
    """Two machines that read, change and save it must not undo each other."""
    odbc = FakeOdbc()
    database = opened(odbc)
    for read_only in (True, False):
        odbc.statements.clear()
        with database.open_uow(read_only=read_only) as uow, pytest.raises(Exception, match="such"):
            uow.instances.get_state("an-id")
        assert any("UPDLOCK" in sql for sql in odbc.statements) is not read_only


def test_opening_waits_for_a_database_that_wakes_up() -> None:
    """A paused serverless database refuses the first connects; each attempt is a fresh one."""
    odbc, slept = FakeOdbc(), list[float]()
    odbc.refusals = [odbc_error("HY000", 40613), odbc_error("08001", 0)]
    database = Database(URL, driver_module=odbc, open_delays=(1, 2, 4), sleep=slept.append)
    with database.open_uow():
        pass
    assert slept == [1, 2]
    assert len(odbc.connects) == 3


def test_opening_gives_up_after_its_attempts() -> None:
    """The caller learns that it is transient; a ping does not wait at all."""
    odbc, slept = FakeOdbc(), list[float]()
    odbc.refusals = [odbc_error("HY000", 40613) for _ in range(9)]
    database = Database(URL, driver_module=odbc, open_delays=(1, 2), sleep=slept.append)
    with pytest.raises(TransientError, match="40613"), database.open_uow():
        pass
    assert slept == [1, 2]
    with pytest.raises(TransientError):
        database.ping()
    assert slept == [1, 2]


def test_a_refused_sign_in_is_not_tried_again() -> None:
    """Trying again cannot help; the message says what to check and hides the password."""
    odbc, slept = FakeOdbc(), list[float]()
    odbc.refusals = [odbc_error("28000", 18456, "Login failed for user 'sa'")]
    database = Database(URL, driver_module=odbc, sleep=slept.append)
    with pytest.raises(PermanentError, match="sql-user"), database.open_uow():
        pass
    assert slept == []
