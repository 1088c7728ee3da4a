from __future__ import annotations

import os
import shutil
import time
from collections import namedtuple
from hashlib import shake_128
from pathlib import Path

import httpx
import pytest

from adapters.convex import exports as exports_module
from adapters.convex import snapshot_source
from adapters.convex.exports import ExportApi, classify
from local.sandbox.convex.archive import write_export
from shared.errors import PermanentError, TransientError
from tests.convex_kit import Server, documents, read_all
from tests.http_kit import Answer, Script, Sleeps, make_client

BODY = bytes(range(256)) * 40
DOWNLOAD = "/api/export/zip"


def _download(target: Path, *answers: Answer) -> Script:
    """Download the export 7 from a server with these answers; return the server."""
    script = Script(*answers)
    target.parent.mkdir(exist_ok=True)
    sleep = Sleeps()
    api = ExportApi(make_client(transport=script, classify=classify, sleep=sleep), sleep=sleep)
    for _ in api.download("7", target):
        pass
    return script


def _part(start: int, end: int = len(BODY)) -> httpx.Response:
    extent = f"bytes {start}-{end - 1}/{len(BODY)}"
    return httpx.Response(206, headers={"Content-Range": extent}, content=BODY[start:end])


@pytest.mark.parametrize("cuts", [1, 4])
def test_a_cut_download_goes_on(server: Server, work_dir: Path, cuts: int) -> None:
    """A connection lost in the body costs only what was not received."""
    server.fault("truncated", path=DOWNLOAD, count=cuts, bytes=600)
    pages, _ = read_all(server.connect(work_dir))
    assert pages[-1].totals["cars"] == 7
    assert sorted(server.answered(DOWNLOAD)) == [200] + [206] * cuts


def test_a_download_that_is_always_cut_is_transient(server: Server, work_dir: Path) -> None:
    """Cuts without any progress end after a few attempts, each after a longer wait."""
    server.fault("truncated", path=DOWNLOAD, count=None)
    server.fault("no_ranges", count=None)
    with pytest.raises(TransientError):
        read_all(server.connect(work_dir))
    assert server.waits[-4:] == [1, 2, 4, 8]


def test_a_server_without_ranges_starts_again(server: Server, work_dir: Path) -> None:
    """Where a range is ignored, the file is written from its beginning."""
    server.fault("truncated", path=DOWNLOAD)
    server.fault("no_ranges", skip=1)
    pages, _ = read_all(server.connect(work_dir))
    assert pages[-1].totals["cars"] == 7
    assert server.answered(DOWNLOAD) == [200, 200]


@pytest.mark.parametrize("fault", ["corrupt", "wrong_length"])
def test_a_spoilt_download_is_named_and_not_kept(
    server: Server, work_dir: Path, fault: str
) -> None:
    """A file that is no whole ZIP is a PermanentError, and the next run fetches another one."""
    server.fault(fault)
    with pytest.raises(PermanentError):
        read_all(server.connect(work_dir))
    assert list(work_dir.iterdir()) == []
    pages, _ = read_all(server.connect(work_dir))
    assert pages[-1].totals["cars"] == 7


def test_a_finished_part_needs_no_second_download(tmp_path: Path) -> None:
    """A part that is complete is recognised by the server's 416 and kept."""
    target = tmp_path / "export.zip"
    target.with_suffix(".part").write_bytes(BODY)
    _download(
        target, httpx.Response(416, headers={"Content-Range": f"bytes */{len(BODY)}"}), _part(0)
    )
    assert target.read_bytes() == BODY


def test_a_part_of_another_file_is_thrown_away(tmp_path: Path) -> None:
    """A part longer than the export, or an answer for another place, starts the download anew."""
    target = tmp_path / "export.zip"
    target.with_suffix(".part").write_bytes(BODY + b"more")
    too_far = httpx.Response(416, headers={"Content-Range": f"bytes */{len(BODY)}"})
    _download(target, too_far, httpx.Response(200, content=BODY))
    assert target.read_bytes() == BODY

    other = tmp_path / "other.zip"
    other.with_suffix(".part").write_bytes(BODY[:100])
    script = _download(other, _part(50), httpx.Response(200, content=BODY))
    assert other.read_bytes() == BODY
    assert [request.headers.get("range") for request in script.requests] == ["bytes=100-", None]


def test_an_answer_without_a_length_replaces_what_was_there(tmp_path: Path) -> None:
    """A chunked answer that ignores the range leaves nothing of the old part behind."""
    target = tmp_path / "export.zip"
    target.with_suffix(".part").write_bytes(b"old" * len(BODY))
    _download(target, lambda _: httpx.Response(200, content=iter([BODY])))
    assert target.read_bytes() == BODY


def test_an_export_not_complete_is_transient(tmp_path: Path) -> None:
    """An export that is not ready yet is worth another try later."""
    early = httpx.Response(400, json={"code": "ExportNotComplete", "message": "Not complete."})
    with pytest.raises(TransientError, match="Not complete"):
        _download(tmp_path / "export.zip", early)


def test_a_full_disk_is_told_before_the_download(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the export cannot fit, the message says how much room it needs."""
    usage = namedtuple("usage", "free")  # noqa: PYI024 - stands for shutil's own
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(free=10))
    with pytest.raises(PermanentError, match="10,240 bytes of disk and only 10"):
        _download(tmp_path / "export.zip", httpx.Response(200, content=BODY))


def test_a_work_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """Trouble with the disk is an error a person can act on, not a crash."""
    target = tmp_path / "export.zip"
    target.with_suffix(".part").mkdir()
    with pytest.raises(PermanentError, match="work folder"):
        _download(target, _part(target.with_suffix(".part").stat().st_size))


def test_long_downloads_are_noted(
    server: Server, work_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every piece of a download is a page without changes, from which another run goes on."""
    noise = shake_128(b"").digest(1_000_000)
    write_export(tmp_path / "export.zip", {"cars": documents(1, blob=noise)})
    monkeypatch.setattr(exports_module, "PIECE", 50_000)
    pages, _ = read_all(server.connect(work_dir))
    notes = [page for page in pages if set(page.checkpoint.resume or {}) == {"export"}]
    assert len(notes) > 2
    assert all(page.changes == () for page in notes)


def test_forgotten_downloads_are_removed(server: Server, work_dir: Path) -> None:
    """What a run left a day ago goes; a fresh file, or anybody else's, stays."""
    connection = server.connect(work_dir)
    pages = connection.read("*", None)
    while "line" not in (next(pages).checkpoint.resume or {}):
        pass
    (mine,) = work_dir.iterdir()
    old = time.time() - snapshot_source._STALE - 60
    stale = mine.with_name(mine.name.replace(".zip", "0.part"))
    for path, at in ((stale, old), (work_dir / "other.zip", old)):
        path.write_bytes(b"x")
        os.utime(path, (at, at))
    next(server.connect(work_dir).read("*", None))
    read_all(server.connect(work_dir))
    assert {path.name for path in work_dir.iterdir()} == {mine.name, "other.zip"}
    pages.close()  # type: ignore[attr-defined]
