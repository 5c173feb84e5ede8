from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.cli.audit import verify_audit
from lab.safety.audit.chain import heads_path
from lab.safety.audit.log import AuditLog

NOON_S = 1_790_000_000.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return written(tmp_path / "safety" / "audit.jsonl")


def written(path: Path, count: int = 3) -> Path:
    with AuditLog(path, version="0", rules="r", now=lambda: NOON_S) as log:
        for _ in range(count):
            log.write("close", who="ada", durable=False)
    return path


def altered(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"ada", b"eve", 1))


def test_a_whole_log_is_told_in_a_line(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    verify_audit([path], data=None, as_json=False)
    head = json.loads(path.read_text().splitlines()[-1])["hash"]
    time = "2026-09-21T14:13:20.000000+00:00"
    assert capsys.readouterr().out == f"{path}: 3 records, {time} to {time}, whole; head {head}\n"


def test_an_altered_log_exits_with_the_faults(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    altered(path)
    with pytest.raises(SystemExit) as ended:
        verify_audit([path], data=None, as_json=False)
    said = capsys.readouterr()
    assert (ended.value.code, said.out) == (1, "")
    assert said.err == f"athanor: {path}: line 1: was altered, its hash does not fit what it says\n"


def test_json_holds_every_verdict_and_the_exit_code_is_the_same(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = written(tmp_path / "other" / "audit.jsonl", 1)
    altered(other)
    with pytest.raises(SystemExit) as ended:
        verify_audit([path, other], data=None, as_json=True)
    assert ended.value.code == 1
    verdicts = json.loads(capsys.readouterr().out)
    assert [(verdict["file"], verdict["records"], verdict["ok"]) for verdict in verdicts] == [
        (str(path), 3, True),
        (str(other), 1, False),
    ]


def test_logs_are_found_under_a_folder(path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written(tmp_path / "other" / "audit.jsonl", 1)
    verify_audit([], data=tmp_path, as_json=True)
    assert [verdict["records"] for verdict in json.loads(capsys.readouterr().out)] == [1, 3]


def test_without_a_folder_those_of_every_lab_of_this_user_are_checked(
    state_folder: Callable[[], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(state_folder() / "run" / "powder-1" / "safety" / "audit.jsonl", 2)
    verify_audit([], data=None, as_json=True)
    (verdict,) = json.loads(capsys.readouterr().out)
    assert (verdict["file"], verdict["records"]) == (str(path), 2)


def test_a_folder_without_a_log_is_bad_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        verify_audit([], data=tmp_path, as_json=False)
    assert ended.value.code == 2
    assert "there is no audit.jsonl in it" in capsys.readouterr().err


def test_a_file_that_is_not_there_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        verify_audit([tmp_path / "audit.jsonl"], data=None, as_json=False)
    assert ended.value.code == 1
    assert "cannot be read (No such file or directory)" in capsys.readouterr().err


def test_a_head_can_be_written_and_then_holds_the_end_of_the_log(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    verify_audit([path], data=None, as_json=False, write_head=True)
    assert heads_path(path).read_text().splitlines()[-1].startswith("2026-09-21 3 ")
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:2]))
    with pytest.raises(SystemExit):
        verify_audit([path], data=None, as_json=False)
    assert "names record 3, and the file ends at 2: records were cut off" in capsys.readouterr().err


def test_no_head_is_written_for_a_log_that_was_altered(path: Path) -> None:
    before = heads_path(path).read_text()
    altered(path)
    with pytest.raises(SystemExit):
        verify_audit([path], data=None, as_json=False, write_head=True)
    assert heads_path(path).read_text() == before


def test_a_copy_of_the_heads_from_elsewhere_can_be_used_for_one_log(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "copy"
    copy.write_text(f"2026-09-21 9 {'0' * 64}\n")
    with pytest.raises(SystemExit) as ended:
        verify_audit([path], data=None, as_json=False, heads=copy)
    assert ended.value.code == 1
    assert "copy, line 1 (2026-09-21): names record 9" in capsys.readouterr().err
    with pytest.raises(SystemExit) as ended:
        verify_audit([path, path], data=None, as_json=False, heads=copy)
    assert ended.value.code == 2


def test_a_half_written_last_line_is_told_and_is_no_fault(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with path.open("ab") as file:
        file.write(b'{"act')
    verify_audit([path], data=None, as_json=False)
    assert "its last line is half written" in capsys.readouterr().out
