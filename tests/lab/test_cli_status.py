from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from drivers.clock import JumpClock
from lab.cli.app import app
from lab.cli.status import status_of
from lab.records.journal import Journal, JournalError
from lab.records.lock import hold_lab


@pytest.fixture
def folder(tmp_path: Path, state_folder: Callable[[], Path]) -> Path:
    """The journal of a run with three samples, one of them still in the furnace."""
    data = tmp_path / "run"
    data.mkdir()
    clock = JumpClock(1000.0)
    with Journal(data / "journal.jsonl", clock, "simulated") as journal:
        journal.write("opened", lab="powder-1")
        journal.write("campaign-started", campaign="barium titanate", samples=16)
        for i in (1, 2, 3):
            journal.write("suggested", sample=f"sample-00{i}", reason="to explore", trial_id=i)
        clock.sleep_until(4600.0)
        journal.write("task-started", sample="sample-001", task="dose", station="doser-1")
        journal.write("task-started", sample="sample-002", task="fire 1", station="furnace-1")
        objectives = {"target_fraction": [0.9, 0.02], "furnace_hours": [10.0, 0.05]}
        journal.write("observed", sample="sample-001", outcome="completed", objectives=objectives)
        clock.sleep_until(8200.0)
        journal.write("note", text="still there")
    return data


def add(folder: Path, kind: str, **fields: Any) -> None:
    with Journal(folder / "journal.jsonl", JumpClock(9000.0), "simulated") as journal:
        journal.write(kind, **fields)


def test_a_running_campaign_is_told_from_its_journal(folder: Path, state_folder: Callable[[], Path]) -> None:
    with hold_lab("powder-1", folder, shared=False):
        status = status_of(folder)
    assert status == {
        "data": str(folder),
        "campaign": "barium titanate",
        "world": "simulated",
        "budget": 16,
        "ended": False,
        "state": "running",
        "tripped": [],
        "virtual_s": 7200.0,
        "samples": [
            {
                "sample": "sample-001",
                "stage": "completed",
                "reason": "to explore",
                "objectives": {"target_fraction": [0.9, 0.02], "furnace_hours": [10.0, 0.05]},
            },
            {"sample": "sample-002", "stage": "fire 1 on furnace-1", "reason": "to explore", "objectives": {}},
            {"sample": "sample-003", "stage": "waiting", "reason": "to explore", "objectives": {}},
        ],
    }


@pytest.mark.parametrize("kind", ["campaign-ended", "campaign-failed", "abandoned"])
def test_a_run_has_ended_when_its_journal_says_so(folder: Path, state_folder: Callable[[], Path], kind: str) -> None:
    add(folder, kind)
    assert (status_of(folder)["ended"], status_of(folder)["state"]) == (True, "ended")
    with hold_lab("powder-1", folder, shared=False):
        assert status_of(folder)["state"] == "ended"


def test_a_run_that_nobody_holds_and_that_never_ended_has_died(
    folder: Path, state_folder: Callable[[], Path], tmp_path: Path
) -> None:
    with hold_lab("powder-1", tmp_path / "another", shared=False):
        assert (status_of(folder)["ended"], status_of(folder)["state"]) == (False, "died")


def test_following_a_run_that_died_ends(folder: Path, state_folder: Callable[[], Path]) -> None:
    result = CliRunner().invoke(app, ["status", "--data", str(folder), "--follow"], env={"COLUMNS": "160"})
    assert result.exit_code == 0
    assert "barium titanate (simulated, died)" in result.stdout


def test_following_without_a_folder_ends_well_when_the_runs_end(
    folder: Path, state_folder: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    with ExitStack() as run:
        run.enter_context(hold_lab("powder-1", folder, shared=False))
        monkeypatch.setattr("time.sleep", lambda seconds: run.close())
        result = CliRunner().invoke(app, ["status", "--follow", "--json"])
    assert (result.exit_code, result.stderr) == (0, "")
    assert [json.loads(line)[0]["state"] for line in result.stdout.splitlines()] == ["running", "died"]


def test_an_entry_without_what_its_kind_has_is_told_in_a_sentence(
    folder: Path, state_folder: Callable[[], Path]
) -> None:
    add(folder, "observed", sample="sample-009", outcome="completed", objectives={})
    result = CliRunner().invoke(app, ["status", "--data", str(folder)])
    assert result.exit_code == 1
    assert "entry 10: observed without 'sample-009': the file was changed" in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_folder_that_does_not_exist_is_bad_input(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["status", "--data", str(tmp_path / "none")])
    assert result.exit_code == 2
    assert result.stderr == (
        f"athanor: --data {tmp_path}/none: there is no such folder: is this the data folder of a run?\n"
    )


def test_a_run_that_has_only_just_begun_is_no_run_yet(tmp_path: Path, state_folder: Callable[[], Path]) -> None:
    with hold_lab("powder-1", tmp_path, shared=False):
        assert CliRunner().invoke(app, ["status"]).exit_code == 2


def test_a_trip_is_shown_until_it_is_reset(folder: Path) -> None:
    add(folder, "safety", tripped=["F1-OVER"], interlocked=[])
    assert status_of(folder)["tripped"] == ["F1-OVER"]
    add(folder, "reset", before=["F1-OVER"], after=["F1-OVER"], actor="ada")
    assert status_of(folder)["tripped"] == ["F1-OVER"]
    add(folder, "reset", before=["F1-OVER"], after=[], actor="ada")
    assert status_of(folder)["tripped"] == []


def test_a_torn_last_line_does_not_hinder(folder: Path) -> None:
    with (folder / "journal.jsonl").open("ab") as file:
        file.write(b'{"n":99,"t":')
    assert len(status_of(folder)["samples"]) == 3


def test_a_damaged_journal_is_told_with_the_line(folder: Path) -> None:
    lines = (folder / "journal.jsonl").read_bytes().split(b"\n")
    lines[2] = b"garbage"
    (folder / "journal.jsonl").write_bytes(b"\n".join(lines))
    with pytest.raises(JournalError, match="line 3"):
        status_of(folder)
    result = CliRunner().invoke(app, ["status", "--data", str(folder)])
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1


def test_people_see_campaign_samples_and_trips(folder: Path, state_folder: Callable[[], Path]) -> None:
    add(folder, "safety", tripped=["F1-OVER"], interlocked=[])
    with hold_lab("powder-1", folder, shared=False):
        result = CliRunner().invoke(app, ["status", "--data", str(folder)], env={"COLUMNS": "160"})
    assert result.exit_code == 0
    assert "barium titanate (simulated, running)" in result.stdout
    assert "tripped: F1-OVER" in result.stdout
    assert "fire 1 on furnace-1" in result.stdout
    assert "target_fraction 0.9 ± 0.02" in result.stdout


def test_json_is_a_list_of_runs(folder: Path) -> None:
    result = CliRunner().invoke(app, ["status", "--data", str(folder), "--json"])
    assert json.loads(result.stdout) == [status_of(folder)]
    assert result.stderr == ""


def test_following_ends_with_the_run(folder: Path) -> None:
    add(folder, "campaign-ended")
    assert CliRunner().invoke(app, ["status", "--data", str(folder), "--follow"]).exit_code == 0


def test_without_a_folder_every_held_lab_is_told(folder: Path, state_folder: Callable[[], Path]) -> None:
    with hold_lab("powder-1", folder, shared=False):
        result = CliRunner().invoke(app, ["status", "--json"])
    assert [status["data"] for status in json.loads(result.stdout)] == [str(folder)]


def test_without_a_folder_and_a_run_it_says_what_to_give(state_folder: Callable[[], Path]) -> None:
    result = CliRunner().invoke(app, ["status"])
    assert result.exit_code == 2
    assert result.stderr == "athanor: no run goes on now: give the data folder of one that has ended with --data\n"


def test_a_folder_without_a_journal_is_told(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["status", "--data", str(tmp_path)])
    assert result.exit_code == 2
    assert result.stderr == f"athanor: --data {tmp_path}: holds no journal: is this the data folder of a run?\n"


def test_a_sample_that_is_held_says_why_until_it_goes_on(folder: Path, state_folder: Callable[[], Path]) -> None:
    add(folder, "held", sample="sample-002", task="fire 1", reason="furnace-1 is driven by ana")
    assert status_of(folder)["samples"][1]["stage"] == "held: furnace-1 is driven by ana"
    add(folder, "restarting", sample="sample-002", task="fire 1", reason="")
    assert status_of(folder)["samples"][1]["stage"] == "fire 1"
