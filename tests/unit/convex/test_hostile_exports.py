"""What a broken or malicious ZIP must lead to: a PermanentError that names what is wrong."""

from __future__ import annotations

import random
import warnings
import zipfile
from collections.abc import Callable, Iterable, Iterator
from itertools import repeat
from pathlib import Path

import pytest

from adapters.convex import snapshot as snapshot_module
from adapters.convex.pages import read_pages
from adapters.convex.snapshot import MAX_LINE, Snapshot
from local.sandbox.convex.archive import write_export
from shared.errors import PermanentError
from tests.convex_kit import documents, write_zip

ENTRY = "cars/documents.jsonl"
GOOD = b'{"_id":"a"}\n'


def _read(path: Path) -> None:
    snapshot = Snapshot.open(path)
    try:
        for _ in read_pages(snapshot, resume={"export": "1"}, wanted={}):
            pass
    finally:
        snapshot.close()


def _refusal(path: Path) -> str:
    with pytest.raises(PermanentError) as caught:
        _read(path)
    assert len(caught.value.message) < 400
    return caught.value.message


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("x]; DROP TABLE y--/documents.jsonl", "x]; DROP TABLE y--"),
        ("../../etc/cron.d/documents.jsonl", "unsafe path"),
        ("/etc/documents.jsonl", "unsafe path"),
        ("..\\..\\windows\\documents.jsonl", "unsafe path"),
        ("a/../../b.txt", "unsafe path"),
        ("cars/../wheels/documents.jsonl", "unsafe path"),
        ("1cars/documents.jsonl", "1cars"),
        ("c" * 65 + "/documents.jsonl", "c" * 65),
        ("übel/documents.jsonl", "\\xfcbel"),
        ("_components/a b/cars/documents.jsonl", "a b"),
        ("_components/a/documents.jsonl", "not where an export keeps its tables"),
        ("snapshot_1/cars/documents.jsonl", "not where an export keeps its tables"),
        ("cars\n/documents.jsonl", "cars\\n"),
    ],
)
def test_names_that_no_export_has_are_refused(tmp_path: Path, name: str, told: str) -> None:
    """A path or a name Convex cannot have written is named and nothing is read."""
    path = write_zip(tmp_path / "export.zip", {"_tables/documents.jsonl": b"", name: GOOD})
    assert told in _refusal(path)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (GOOD + b'{"_id":"b", nope}\n', "Line 2 of cars/documents.jsonl is not JSON"),
        (GOOD + b"[1]\n", "Line 2 of cars/documents.jsonl is not a JSON object"),
        (GOOD * 2 + b'{"name":"x"}\n', "Line 3 of cars/documents.jsonl has no _id"),
        (b'{"_id":7}\n', "Line 1 of cars/documents.jsonl has no _id"),
        (GOOD + b'{"_id":"\xff"}\n', "Line 2 of cars/documents.jsonl is not UTF-8"),
        ('{"_id":"a"}\n'.encode("utf-16"), "Line 1 of cars/documents.jsonl is not UTF-8"),
        ('{"_id":"é"}\n'.encode("latin-1"), "Line 1 of cars/documents.jsonl is not UTF-8"),
        (GOOD + b"\n" + GOOD, "Line 2 of cars/documents.jsonl is not JSON"),
        (b'{"_id":"a","p":{"$bytes":"?"}}\n', "Line 1 of cars/documents.jsonl cannot be decoded"),
        (b'{"_id":"a","p":' + b"[" * 5000, "Line 1 of cars/documents.jsonl is not JSON"),
    ],
)
def test_lines_that_are_no_documents_are_named(tmp_path: Path, text: bytes, told: str) -> None:
    """The entry and the line at fault stand in the message."""
    assert told in _refusal(write_zip(tmp_path / "export.zip", {ENTRY: text}))


def test_a_fifty_megabyte_line_is_refused_early(tmp_path: Path) -> None:
    """A line beyond 16 MiB ends the reading, and its number is told."""
    pieces = [GOOD, b'{"_id":"b","t":"', *repeat(b"x" * 1_000_000, 50), b'"}\n']
    told = _refusal(write_zip(tmp_path / "export.zip", {ENTRY: pieces}))
    assert told.startswith(f"Line 2 of {ENTRY} is longer than")


def test_the_longest_line_is_exact(tmp_path: Path) -> None:
    """A line of exactly the limit is read; one byte more is not."""
    front, back = b'{"_id":"b","t":"', b'"}'
    line = front + b"x" * (MAX_LINE - len(front) - len(back)) + back
    _read(write_zip(tmp_path / "fits.zip", {ENTRY: line + b"\n"}))
    longer = front + b"x" + line[len(front) :]
    assert "longer" in _refusal(write_zip(tmp_path / "not.zip", {ENTRY: longer + b"\n"}))


def test_a_bomb_is_refused_before_it_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An entry that would unpack to far more than it takes is refused by its directory alone."""

    def never(*_: object) -> Iterator[bytes]:
        raise AssertionError("the bomb was opened")

    monkeypatch.setattr(Snapshot, "_blocks", never)
    bomb: dict[str, bytes | Iterable[bytes]] = {
        "_tables/documents.jsonl": b"",
        ENTRY: repeat(GOOD * 90_000, 80),
    }
    assert "ZIP bomb" in _refusal(write_zip(tmp_path / "export.zip", bomb))


def test_a_bomb_that_lies_about_its_size_is_stopped(tmp_path: Path) -> None:
    """A directory that declares less than there is does not get more read than declared."""
    path = write_zip(tmp_path / "export.zip", {ENTRY: repeat(GOOD * 90_000, 80)})
    real = (len(GOOD) * 90_000 * 80).to_bytes(4, "little")
    data = path.read_bytes()
    directory = data.rindex(b"PK\x01\x02")
    assert data[directory + 24 : directory + 28] == real
    path.write_bytes(
        data[: directory + 24] + (1_000_000).to_bytes(4, "little") + data[directory + 28 :]
    )
    assert "is damaged" in _refusal(path)


def test_an_entry_shorter_than_its_directory_says_is_refused(tmp_path: Path) -> None:
    """Its checksum is right and its lines are whole: only the size tells that some are missing."""
    path = write_zip(tmp_path / "export.zip", {ENTRY: GOOD * 3})
    data = path.read_bytes()
    at = data.rindex(b"PK\x01\x02") + 24
    declared = (len(GOOD) * 9).to_bytes(4, "little")
    path.write_bytes(data[:at] + declared + data[at + 4 :])
    assert f"holds {len(GOOD) * 3} bytes instead of {len(GOOD) * 9}" in _refusal(path)


def test_overlapping_entries_are_refused(tmp_path: Path) -> None:
    """Entries that together are larger than the file share bytes, as only a bomb's do."""
    path = tmp_path / "export.zip"
    write_export(path, {"cars": documents(1000)})
    data = path.read_bytes()
    directory = data.index(b"PK\x01\x02")
    huge = (2_000_000_000).to_bytes(4, "little")
    path.write_bytes(data[: directory + 20] + huge + data[directory + 24 :])
    assert "overlap" in _refusal(path)


def _cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def _flip_middle(data: bytes) -> bytes:
    at = len(data) // 2
    return data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]


def _wrong_checksum(data: bytes) -> bytes:
    at = data.rindex(b"PK\x01\x02", 0, data.rindex(ENTRY.encode())) + 16
    return data[:at] + b"\0\0\0\0" + data[at + 4 :]


@pytest.mark.parametrize(
    "damage", [_cut, _flip_middle, _wrong_checksum, lambda _: b"", lambda _: b"no"]
)
def test_damaged_files_are_refused(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    """A ZIP that is cut, altered or none at all is a PermanentError, whatever was read before."""
    path = tmp_path / "export.zip"
    write_export(path, {"cars": documents(5000)})
    path.write_bytes(damage(path.read_bytes()))
    assert _refusal(path)


def test_an_entry_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    """Two entries of one name leave open which one counts."""
    path = write_zip(tmp_path / "export.zip", {ENTRY: GOOD})
    with warnings.catch_warnings(), zipfile.ZipFile(path, "a") as archive:
        warnings.simplefilter("ignore")
        archive.writestr(ENTRY, GOOD)
    assert "twice" in _refusal(path)


def test_an_encrypted_entry_is_refused(tmp_path: Path) -> None:
    """An entry with the encryption flag is named."""
    path = write_zip(tmp_path / "export.zip", {ENTRY: GOOD})
    data = path.read_bytes()
    at = data.rindex(b"PK\x01\x02") + 8
    path.write_bytes(data[:at] + bytes([data[at] | 1]) + data[at + 1 :])
    assert _refusal(path).startswith(f"{ENTRY} is encrypted")


def test_other_compressions_are_refused(tmp_path: Path) -> None:
    """LZMA may ask for gigabytes of memory, and Convex never uses it."""
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr(ENTRY, GOOD)
    assert "packed in a way" in _refusal(path)


def test_a_huge_directory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory beyond the limit is not loaded into memory."""
    monkeypatch.setattr(snapshot_module, "MAX_DIRECTORY", 40)
    assert "directory" in _refusal(write_zip(tmp_path / "export.zip", {ENTRY: GOOD}))


def test_any_other_zip_is_no_export(tmp_path: Path) -> None:
    """A ZIP without tables says what is missing."""
    path = write_zip(tmp_path / "export.zip", {"holiday.txt": b"x"})
    assert "not a Convex export" in _refusal(path)


def test_more_read_before_than_there_is(tmp_path: Path) -> None:
    """A checkpoint beyond the end of its entry is an error, not an empty rest."""
    path = write_zip(tmp_path / "export.zip", {ENTRY: GOOD})
    snapshot = Snapshot.open(path)
    with pytest.raises(PermanentError, match="9 were read before"):
        list(snapshot.lines(snapshot.tables[0], after=9))
    snapshot.close()


def test_any_damage_is_told_or_harmless(tmp_path: Path) -> None:
    """Whichever bytes are altered, the export is read or refused: nothing else is raised."""
    path = tmp_path / "export.zip"
    write_export(path, {"cars": documents(20), "empty": []}, components={"shop": {"cars": []}})
    data = path.read_bytes()
    rng = random.Random(7)  # noqa: S311 - the same damage every time
    refused = 0
    for _ in range(400):
        spoilt = bytearray(data)
        for _ in range(rng.choice((1, 1, 4))):
            spoilt[rng.randrange(len(data))] = rng.choice((0, 0xFF, rng.randrange(256)))
        path.write_bytes(spoilt)
        try:
            _read(path)
        except PermanentError as error:
            assert error.message.isprintable()  # noqa: PT017 - which of the two it is, is open
            refused += 1
    assert refused > 100
