from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from threading import Thread

import pytest

from shared.backends.file_lock import exclusive
from shared.backends.local_vault import LocalVault
from shared.errors import NotFoundError, PermanentError, TransientError
from tests.vault_kit import files_of

_posix = sys.platform != "win32"
_WRITER = """
import sys
from pathlib import Path
from shared.backends.local_vault import LocalVault

vault = LocalVault(Path(sys.argv[1]))
sys.stdin.readline()
for number in range(int(sys.argv[3])):
    vault.put(f"{sys.argv[2]}-{number}", {"writer": sys.argv[2]})
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "vault.bin"


def test_several_processes_lose_nothing(path: Path) -> None:
    """Four processes that start a new vault at the same moment all find their secrets in it."""
    each = 8
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(path), f"writer{number}", str(each)],
            stdin=subprocess.PIPE,
            cwd=Path(__file__).parents[3],
        )
        for number in range(4)
    ]
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write(b"go\n")
        writer.stdin.flush()
    for writer in writers:
        writer.communicate(timeout=300)
        assert writer.returncode == 0
    vault = LocalVault(path)
    for number in range(4):
        for secret in range(each):
            assert vault.get(f"writer{number}-{secret}") == {"writer": f"writer{number}"}


def test_several_threads_lose_nothing(path: Path) -> None:
    """Threads that share one vault object take turns too."""
    vault = LocalVault(path)
    threads = [
        Thread(target=vault.put, args=(f"thread-{number}", {"k": str(number)}))
        for number in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [vault.get(f"thread-{number}") for number in range(6)] == [
        {"k": str(number)} for number in range(6)
    ]


def test_secrets_outlive_the_object(path: Path) -> None:
    """Another process, here another object, reads what was put."""
    LocalVault(path).put("kept", {"k": "v"})
    assert LocalVault(path).get("kept") == {"k": "v"}


def test_nothing_is_readable_on_disk(path: Path) -> None:
    """Neither a value nor a name stands in any file in clear."""
    LocalVault(path).put("visible-name", {"api_key": "canary-value"})
    for data in files_of(path.parent).values():
        assert b"canary-value" not in data
        assert b"visible-name" not in data


@pytest.mark.parametrize("suffix", ["", ".key"] if _posix else [])
def test_files_are_private(path: Path, suffix: str) -> None:
    """Only the owner may read the vault and its key."""
    LocalVault(path).put("a", {"k": "v"})
    assert path.with_name(path.name + suffix).stat().st_mode & 0o777 == 0o600


def test_key_open_to_others_is_refused(path: Path) -> None:
    """A key that others can read is reported with the command that closes it."""
    vault = LocalVault(path)
    vault.put("a", {"k": "v"})
    key = path.with_name("vault.bin.key")
    key.chmod(0o640)
    with pytest.raises(PermanentError, match="chmod 600"):
        vault.get("a")
    key.chmod(0o600)
    assert vault.get("a") == {"k": "v"}


def test_wrong_key_loses_nothing(path: Path, tmp_path: Path) -> None:
    """With another vault's key nothing is read or written over; with the right one all is there."""
    vault, key = LocalVault(path), path.with_name("vault.bin.key")
    vault.put("a", {"k": "v"})
    other = tmp_path / "other" / "vault.bin"
    LocalVault(other).put("b", {"k": "w"})
    right = key.read_bytes()
    key.write_bytes(other.with_name("vault.bin.key").read_bytes())
    before = path.read_bytes()
    for call in (lambda: vault.get("a"), lambda: vault.put("c", {}), vault.ping):
        with pytest.raises(PermanentError, match="another key"):
            call()
    assert path.read_bytes() == before
    key.write_bytes(right)
    assert vault.get("a") == {"k": "v"}


def test_missing_key_is_not_made_anew(path: Path) -> None:
    """A vault whose key is gone says so; a new key would make the loss final."""
    vault = LocalVault(path)
    vault.put("a", {"k": "v"})
    path.with_name("vault.bin.key").unlink()
    for call in (lambda: vault.get("a"), lambda: vault.put("b", {})):
        with pytest.raises(PermanentError, match="is missing"):
            call()
    assert not path.with_name("vault.bin.key").exists()


@pytest.mark.parametrize("text", [b"", b"AAAA\n", b"no base64!\n"])
def test_broken_key_file_is_named(path: Path, text: bytes) -> None:
    """A key file that holds no key is reported as that, not as a damaged vault."""
    vault = LocalVault(path)
    vault.put("a", {"k": "v"})
    path.with_name("vault.bin.key").write_bytes(text)
    with pytest.raises(PermanentError, match="does not hold a key"):
        vault.get("a")


@pytest.mark.parametrize("position", [0, 20, 30, -1])
def test_changed_byte_is_noticed(path: Path, position: int) -> None:
    """A file changed anywhere is refused whole, and a put does not write over it."""
    vault = LocalVault(path)
    vault.put("a", {"k": "v"})
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)
    for call in (lambda: vault.get("a"), lambda: vault.put("b", {})):
        with pytest.raises(PermanentError, match=r"damaged|another key"):
            call()
    assert path.read_bytes() == data


@pytest.mark.parametrize("length", [0, 10, 30])
def test_truncated_file_is_noticed(path: Path, length: int) -> None:
    """A file cut short is damaged, not an empty vault."""
    vault = LocalVault(path)
    vault.put("a", {"k": "v"})
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(PermanentError, match="damaged"):
        vault.put("b", {"k": "w"})


def test_drafts_of_a_dead_process_do_not_matter(path: Path) -> None:
    """What a killed writer left behind is neither read nor in the way."""
    for name in ("vault.bin.tmp", "vault.bin.key.tmp"):
        path.with_name(name).write_bytes(b"half a")
    vault = LocalVault(path)
    vault.put("a", {"k": "v"})
    assert vault.get("a") == {"k": "v"}
    assert sorted(files_of(path.parent)) == ["vault.bin", "vault.bin.key", "vault.bin.lock"]


def test_reading_makes_no_vault(path: Path) -> None:
    """Asking an empty vault writes neither a key nor a vault."""
    with pytest.raises(NotFoundError):
        LocalVault(path).get("a")
    assert sorted(files_of(path.parent)) == ["vault.bin.lock"]


def test_path_that_cannot_be_used_is_transient(tmp_path: Path) -> None:
    """A disk that refuses is reported with the file's name."""
    blocker = tmp_path / "file"
    blocker.write_text("")
    with pytest.raises(TransientError, match=r"vault\.bin"):
        LocalVault(blocker / "vault.bin").ping()


def test_lock_of_another_holder_ends_the_wait(tmp_path: Path) -> None:
    """A lock that stays taken is a transient error after the time-out, and is free afterwards."""
    lock = tmp_path / "lock"
    with (
        exclusive(lock),
        pytest.raises(TransientError, match="keeps lock locked"),
        exclusive(lock, timeout=0.03),
    ):
        raise AssertionError
    with exclusive(lock, timeout=0):
        pass
