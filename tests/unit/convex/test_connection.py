from __future__ import annotations

import json
from pathlib import Path

import pytest

from adapters.convex import SPEC
from adapters.convex.deployment import Source
from shared.domain.changes import Delete, Truncate
from shared.domain.checkpoints import Checkpoint
from shared.errors import AuthError, PermanentError, TransientError
from tests.convex_kit import Server, call, read_all

COUNTS = {"cars": 7, "empty": 0, "wheels": 3, "shop/cars": 2, "shop/till/bills": 0}


def test_check_names_the_deployment_of_the_key(server: Server, work_dir: Path) -> None:
    """The account is the deployment's name; one call each asks for data syncs and for exports."""
    checked = server.connect(work_dir).check()
    assert checked.account == "sandbox-animal-123"
    assert server.answered("/api/") == [403, 200]


def test_a_wrong_key_is_an_auth_error(server: Server, work_dir: Path) -> None:
    """401 tells to connect with a valid key and does not repeat the one that was sent."""
    connection = server.connect(work_dir, key="prod:sandbox-animal-123|wrong-secret")
    with pytest.raises(AuthError, match="deploy key that is still valid") as caught:
        connection.check()
    assert "wrong-secret" not in caught.value.message


def test_a_key_without_rights_is_told_which(server: Server, work_dir: Path) -> None:
    """403 names the rights the key must have."""
    server.fault("forbidden", path="/api/query")
    with pytest.raises(AuthError, match="deployment:backups:view"):
        server.connect(work_dir).check()


def test_read_brings_the_whole_export(server: Server, work_dir: Path) -> None:
    """A full read asks, waits, downloads, yields every table and removes the file."""
    pages, changes = read_all(server.connect(work_dir))
    assert pages[-1].totals == COUNTS
    assert sum(not isinstance(change, Truncate) for change in changes) == 12
    assert not any(isinstance(change, Delete) for change in changes)
    assert server.answered("request/zip") == [200]
    assert list(work_dir.iterdir()) == []


def test_waiting_is_noted_page_by_page(server: Server, work_dir: Path) -> None:
    """While an export is made, pages without changes let a run stop and another go on."""
    server.fault("export_slow", polls=9)
    connection = server.connect(work_dir)
    pages = connection.read("*", None)
    first = next(pages)
    assert first.changes == ()
    resume = json.loads(json.dumps(first.checkpoint.resume))
    rest, _ = read_all(server.connect(work_dir), Checkpoint(resume=resume))
    assert rest[-1].totals == COUNTS
    assert server.answered("request/zip") == [200]
    assert server.waits == sorted(server.waits[:1]) + server.waits[1:]
    assert max(server.waits) <= 15


def test_resuming_from_any_page_gives_the_rest(server: Server, work_dir: Path) -> None:
    """Going on from any checkpoint, through JSON, gives the changes after it, no more, no less."""
    pages, _ = read_all(server.connect(work_dir))
    for done, page in enumerate(pages[:-1], 1):
        resume = json.loads(json.dumps(page.checkpoint.resume))
        rest, changes = read_all(server.connect(work_dir), Checkpoint(resume=resume))
        assert changes == [change for page in pages[done:] for change in page.changes]
        assert rest[-1].totals == COUNTS


def test_an_export_under_way_is_taken_over(server: Server, work_dir: Path) -> None:
    """A run that finds the export of a crashed one waits for it instead of failing."""
    next(server.connect(work_dir).read("*", None))
    pages, _ = read_all(server.connect(work_dir))
    assert pages[-1].totals == COUNTS
    assert sorted(server.answered("request/zip")) == [200, 400]


def test_a_backup_in_the_way_is_waited_for(server: Server, work_dir: Path) -> None:
    """While a backup that is no export runs, the request is repeated until it is taken."""
    server.fault("export_in_progress", count=3)
    pages, _ = read_all(server.connect(work_dir))
    assert pages[-1].totals == COUNTS
    assert sorted(server.answered("request/zip")) == [200, 400, 400, 400]


def _ask_for_shop_only(server: Server) -> None:
    """Do what `npx convex export --component shop` begins with."""
    query = {"includeStorage": "false", "component": "shop"}
    call(server.url, "POST", "/api/export/request/zip", params=query).raise_for_status()


def test_an_export_of_one_component_is_not_taken_over(server: Server, work_dir: Path) -> None:
    """It is waited for, as any backup that is in the way, and then everything is asked for."""
    server.fault("export_slow", polls=4)
    _ask_for_shop_only(server)
    pages, _ = read_all(server.connect(work_dir))
    assert pages[-1].totals == COUNTS
    assert server.answered("request/zip").count(200) == 2


def test_an_export_of_one_component_that_came_in_between_is_passed_over(
    server: Server, work_dir: Path
) -> None:
    """Somebody made it while no run watched: it holds less than everything."""
    waiting = Checkpoint(resume={"after": "", "waited": 1.0})
    _ask_for_shop_only(server)
    pages, _ = read_all(server.connect(work_dir), waiting)
    assert pages[-1].totals == COUNTS
    assert server.answered("request/zip").count(200) == 2


def test_a_failed_export_is_asked_for_again(server: Server, work_dir: Path) -> None:
    """A failure of Convex's own is transient, and the next run, resumed, asks anew."""
    server.fault("export_failed")
    connection = server.connect(work_dir)
    noted = [next(reading := connection.read("*", None))]
    with pytest.raises(TransientError, match="could not make the export"):
        noted.extend(reading)
    pages, _ = read_all(connection, noted[-1].checkpoint)
    assert pages[-1].totals == COUNTS


def test_a_canceled_export_is_a_persons_act(server: Server, work_dir: Path) -> None:
    """An export somebody cancelled is not fought for."""
    server.fault("export_canceled")
    with pytest.raises(PermanentError, match="canceled"):
        read_all(server.connect(work_dir))


def test_an_export_that_never_ends_is_told(server: Server, work_dir: Path) -> None:
    """After a day of waiting, over any number of runs, the person is sent to the dashboard."""
    server.fault("export_slow", polls=100_000)
    waiting = next(server.connect(work_dir).read("*", None)).checkpoint.resume
    with pytest.raises(PermanentError, match="dashboard"):
        read_all(
            server.connect(work_dir), Checkpoint(resume={**waiting, "waited": 24 * 3600 - 1.0})
        )


def test_an_expired_export_is_read_anew(server: Server, work_dir: Path) -> None:
    """Where the export is gone on resuming, a new one is read from its first Truncate."""
    pages, _ = read_all(server.connect(work_dir))
    middle = next(page for page in pages if "line" in (page.checkpoint.resume or {}))
    server.fault("expired")
    again, changes = read_all(server.connect(work_dir), middle.checkpoint)
    assert changes == [change for page in pages for change in page.changes]
    assert again[-1].totals == COUNTS


def test_an_export_gone_twice_is_transient(server: Server, work_dir: Path) -> None:
    """An export that vanishes before it is read ends the run, to be tried later."""
    server.fault("expired", count=2)
    with pytest.raises(TransientError, match="gone"):
        read_all(server.connect(work_dir))


def test_a_wrong_selection_is_no_reason_to_stop(server: Server, work_dir: Path) -> None:
    """A chosen table that is gone is a problem in the log beside the tables that are there."""
    pages, _ = read_all(server.connect(work_dir, selection={"cars": (), "lost": ()}))
    assert pages[-1].totals == {"cars": 7}
    assert [problem.stream for problem in pages[-1].problems] == ["lost"]


def test_what_convex_cannot_do_is_refused(server: Server, work_dir: Path) -> None:
    """Single records, pushes and other scopes are permanent errors."""
    connection = server.connect(work_dir)
    with pytest.raises(PermanentError, match="export comes whole"):
        connection.get("cars", ["a"])
    with pytest.raises(PermanentError, match="import only"):
        connection.push("cars", [])
    with pytest.raises(PermanentError, match="one scope"):
        next(connection.read("cars", None))


def test_the_egress_guard_stands(server: Server, work_dir: Path) -> None:
    """A deployment URL inside our own network is refused unless that is allowed."""
    with pytest.raises(PermanentError):
        server.connect(work_dir, allow_private_hosts=False).check()


def test_the_catalogue_entry_says_what_it_is() -> None:
    """One cursor over all tables, changes where there are data syncs, several deployments."""
    assert (SPEC.single_scope, SPEC.incremental, SPEC.several_instances) == (True, True, True)
    assert next(option for option in SPEC.options if option.name == "source").choices == tuple(
        Source
    )
