from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from shared.errors import NotFoundError, PermanentError, TransientError
from shared.store.database import Database
from tests.factories import NOW, make_profile
from tests.store_kit import LATER, make_database, make_spec, seed_job


def test_leaving_without_commit_rolls_back(database: Database) -> None:
    """Nothing of a unit of work is there unless all of it was wanted."""
    profile = make_profile()
    with database.open_uow() as uow:
        uow.profiles.add(profile)
    with pytest.raises(NotFoundError), database.open_uow() as uow:
        uow.profiles.get(profile.id)


def test_what_was_committed_is_there(database: Database) -> None:
    """For every later unit of work."""
    profile = make_profile()
    with database.open_uow() as uow:
        uow.profiles.add(profile)
        uow.commit()
    with database.open_uow(read_only=True) as uow:
        assert uow.profiles.get(profile.id) == profile


def test_an_error_takes_the_whole_unit_of_work_with_it(database: Database) -> None:
    """After a failed statement nothing can be committed any more."""
    with database.open_uow() as uow:
        profile = make_profile()
        uow.profiles.add(profile)
        with pytest.raises(Exception, match="issuer"):
            uow.profiles.add(make_profile())
        with pytest.raises(RuntimeError, match="redo"):
            uow.commit()


def test_a_read_only_unit_of_work_cannot_write(database: Database) -> None:
    """It took no lock, so it may change nothing."""
    with database.open_uow(read_only=True) as uow:
        with pytest.raises(RuntimeError, match="read-only"):
            uow.providers.upsert(make_spec(), now=NOW)
        with pytest.raises(RuntimeError, match="read-only"):
            uow.jobs.claim("a", run_id="r", now=NOW, lease_until=LATER)


def test_readers_do_not_wait_for_a_writer(tmp_path: Path) -> None:
    """On a file, a long write shows readers the state before it."""
    database = make_database("file", tmp_path)
    job = seed_job(database)
    with database.open_uow() as writer:
        writer.jobs.request_cancel(job.id, now=NOW)
        with database.open_uow(read_only=True) as reader:
            assert reader.jobs.get(job.id) == job
    database.dispose()


def test_writers_take_turns(tmp_path: Path) -> None:
    """The write lock is taken at the start: two that read, then write, never collide."""
    database = make_database("file", tmp_path)
    job = seed_job(database)

    def fail_once_more() -> None:
        for _ in range(10):
            with database.open_uow() as uow:
                uow.jobs.get(job.id)
                uow.jobs.redrive(job.id, not_before=LATER, now=NOW)
                uow.commit()

    threads = [threading.Thread(target=fail_once_more) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.open_uow(read_only=True) as uow:
        assert uow.jobs.get(job.id).redrives == 30
    database.dispose()


def test_a_busy_file_is_transient(tmp_path: Path) -> None:
    """Who cannot get the lock in time may try again."""
    database = make_database("file", tmp_path)
    impatient = Database(f"sqlite:///{tmp_path / 'app.db'}")
    with impatient.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA busy_timeout = 0")
        connection.rollback()
    with database.open_uow(), pytest.raises(TransientError, match="BUSY"), impatient.open_uow():
        pass
    database.dispose()
    impatient.dispose()


def test_ping_tells_whether_the_database_answers(tmp_path: Path) -> None:
    """A file that is no database is found out."""
    good = Database("sqlite://")
    good.ping()
    good.dispose()
    (tmp_path / "app.db").write_text("this is no database, but long enough to look at" * 50)
    bad = Database(f"sqlite:///{tmp_path / 'app.db'}")
    with pytest.raises(Exception, match="not a database"):
        bad.ping()
    bad.dispose()


def test_a_folder_is_made_for_the_file(tmp_path: Path) -> None:
    """A fresh machine needs no preparation."""
    database = Database(f"sqlite:///{tmp_path / 'new' / 'folder' / 'app.db'}")
    database.ping()
    database.dispose()


@pytest.mark.parametrize("url", ["", "not a url", "postgresql://x/y", "mssql+pymssql://x/y"])
def test_an_unusable_url_is_named(url: str) -> None:
    """The message names the setting and what it should look like."""
    with pytest.raises(PermanentError, match="DATABASE_URL"):
        Database(url).ping()


def test_nothing_heavy_is_loaded_before_the_first_use() -> None:
    """Cold start: importing the database costs no SQLAlchemy."""
    code = (
        "import sys; import shared.store.database as d; d.Database('sqlite://');"
        "sys.exit('sqlalchemy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
