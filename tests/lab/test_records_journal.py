from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import BaseModel

from drivers.clock import JumpClock
from lab.errors import LabError
from lab.records.journal import Journal, JournalError, read_journal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.jsonl"


def fill(path: Path, count: int = 3) -> None:
    with Journal(path, JumpClock(100.0), "simulated") as journal:
        for i in range(count):
            journal.write("note", text=f"entry {i}")


def entries(path: Path) -> list[dict[str, Any]]:
    return list(read_journal(path))


def test_entries_carry_number_lab_time_world_kind_and_actor(path: Path) -> None:
    clock = JumpClock(100.0)
    with Journal(path, clock, "simulated") as journal:
        journal.write("opened", lab="powder-1")
        clock.sleep_until(160.5)
        journal.write("reset", durable=True, actor="ada")
    assert entries(path) == [
        {"n": 1, "t": 100.0, "world": "simulated", "kind": "opened", "lab": "powder-1", "actor": "auto"},
        {"n": 2, "t": 160.5, "world": "simulated", "kind": "reset", "actor": "ada"},
    ]


def test_a_real_lab_writes_real(path: Path) -> None:
    with Journal(path, JumpClock(), "real") as journal:
        journal.write("note")
    assert entries(path)[0]["world"] == "real"


def test_an_entry_can_be_read_as_soon_as_it_is_written(path: Path) -> None:
    with Journal(path, JumpClock(), "simulated") as journal:
        journal.write("note", text="first")
        assert [entry["text"] for entry in read_journal(path)] == ["first"]


def test_text_with_line_ends_stays_on_one_line(path: Path) -> None:
    with Journal(path, JumpClock(), "simulated") as journal:
        journal.write("note", text="two\nlines °C")
    assert path.read_bytes().count(b"\n") == 1
    assert entries(path)[0]["text"] == "two\nlines °C"


def test_models_arrays_and_paths_are_written_as_plain_json(path: Path) -> None:
    class Point(BaseModel):
        x: float

    with Journal(path, JumpClock(), "simulated") as journal:
        journal.write("note", model=Point(x=1.5), array=np.arange(2), number=np.float64(0.5), path=Path("a/b"))
    entry = entries(path)[0]
    assert (entry["model"], entry["array"], entry["number"], entry["path"]) == ({"x": 1.5}, [0, 1], 0.5, "a/b")


@pytest.mark.parametrize("torn", [b'{"n":4,"t":1', b"x", b'{"n":4}', b"\xff\xfe"])
def test_a_torn_last_line_is_left_out_when_reading(path: Path, torn: bytes) -> None:
    fill(path)
    path.write_bytes(path.read_bytes() + torn)
    assert [entry["n"] for entry in entries(path)] == [1, 2, 3]


def test_a_torn_last_line_is_cut_off_before_writing_goes_on(path: Path) -> None:
    fill(path)
    path.write_bytes(path.read_bytes() + b'{"n":4,"t":1')
    fill(path, 2)
    assert [entry["n"] for entry in entries(path)] == [1, 2, 3, 4, 5]
    assert all(json.loads(line) for line in path.read_text().splitlines())


def test_numbers_go_on_after_a_restart(path: Path) -> None:
    fill(path, 2)
    fill(path, 1)
    assert [entry["n"] for entry in entries(path)] == [1, 2, 3]


def test_a_journal_that_holds_only_a_torn_line_starts_anew(path: Path) -> None:
    path.write_bytes(b'{"n":1,')
    fill(path, 1)
    assert [entry["n"] for entry in entries(path)] == [1]


@pytest.mark.parametrize("damage", [b"{broken", b"", b"\x00\x00", b"\xff{}", b"3", b"null"])
def test_a_damaged_line_in_the_middle_is_an_error_with_its_number(path: Path, damage: bytes) -> None:
    fill(path)
    lines = path.read_bytes().split(b"\n")
    lines[1] = damage
    path.write_bytes(b"\n".join(lines))
    reading = read_journal(path)
    assert next(reading)["n"] == 1
    with pytest.raises(JournalError, match=r"journal\.jsonl, line 2: is no journal entry") as caught:
        next(reading)
    assert isinstance(caught.value, LabError)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("line", "lacking"),
    [
        ('{"t":1,"world":"simulated","kind":"note"}', "n"),
        ('{"n":2,"world":"simulated","kind":"note"}', "t"),
        ('{"n":2,"t":"noon","world":"simulated","kind":"note"}', "t"),
        ('{"n":2,"t":1,"kind":"note"}', "world"),
        ('{"n":2,"t":1,"world":"simulated","kind":null}', "kind"),
        ("{}", "n, t, world, kind"),
    ],
)
def test_an_entry_that_lacks_what_every_entry_has_is_told_with_its_line(path: Path, line: str, lacking: str) -> None:
    fill(path, 1)
    path.write_text(path.read_text(encoding="utf-8") + line + "\n", encoding="utf-8")
    with pytest.raises(JournalError, match=rf"line 2: has no readable {lacking}, which every entry has: "):
        entries(path)


def test_a_missing_journal_asks_whether_this_is_a_data_folder(path: Path) -> None:
    with pytest.raises(JournalError, match="is this the data folder of a run"):
        entries(path)


def test_an_empty_journal_has_no_entries(path: Path) -> None:
    path.touch()
    assert entries(path) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full disk to write to")
def test_a_full_disk_is_told_in_a_sentence(path: Path) -> None:
    fill(path, 1)
    journal = Journal(path, JumpClock(), "simulated")
    journal._file.close()
    with Path("/dev/full").open("ab", buffering=0) as full:
        journal._file = full  # type: ignore[assignment]
        with pytest.raises(JournalError, match=r"entry 2 was not written \(No space left on device\): make room"):
            journal.write("note")


def test_closing_twice_is_harmless(path: Path) -> None:
    journal = Journal(path, JumpClock(), "simulated")
    journal.close()
    journal.close()
    assert journal.path == path
