from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from lab.cli.app import app
from tests.lab.conftest import LabFolder


@pytest.fixture(autouse=True)
def nothing_starts(monkeypatch: pytest.MonkeyPatch, state_folder: Callable[[], Path]) -> None:
    """Every call of these tests is refused before a lab is opened."""
    monkeypatch.setattr("lab.campaign.session.Session.run", lambda session, on_change: pytest.fail("it was started"))


def run(folder: LabFolder, *options: str | Path, lab: str = "lab.yaml") -> Result:
    files = ["run", folder.path("campaign.yaml"), "--lab", folder.path(lab)]
    return CliRunner().invoke(app, [str(word) for word in (*files, *options)])


def assert_one_sentence(result: Result, sentence: str) -> None:
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"athanor: {sentence}\n"


@pytest.mark.parametrize("name", ["campaign", "recipe", "interlocks", "inventory"])
def test_another_file_in_place_of_the_lab_is_named_for_what_it_is(lab_folder: LabFolder, name: str) -> None:
    result = run(lab_folder, lab=f"{name}.yaml")
    assert_one_sentence(result, f"--lab {lab_folder.path(name)}.yaml: is a {name} file: give a lab file")


def test_a_lab_file_in_place_of_the_campaign_is_named_for_what_it_is(lab_folder: LabFolder) -> None:
    lab = str(lab_folder.path("lab.yaml"))
    result = CliRunner().invoke(app, ["run", lab, "--lab", lab])
    assert_one_sentence(result, f"{lab}: is a lab file: give a campaign file (one recipe alone: athanor dry-run)")


@pytest.mark.parametrize("name", ["journal.jsonl", "thesis.tex", "raw/old.xrdml", ".hidden"])
def test_a_data_folder_that_holds_files_is_refused_and_left_alone(
    lab_folder: LabFolder, tmp_path: Path, name: str
) -> None:
    kept = tmp_path / "data" / name
    kept.parent.mkdir(parents=True)
    kept.write_text("years of work", encoding="utf-8")
    result = run(lab_folder, "--data", tmp_path / "data")
    assert_one_sentence(result, f"--data {tmp_path}/data: holds files already: give a new or empty folder")
    assert [path for path in (tmp_path / "data").rglob("*") if path.is_file()] == [kept]


def test_a_file_in_place_of_the_data_folder_is_one_sentence(lab_folder: LabFolder, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file", encoding="utf-8")
    result = run(lab_folder, "--data", tmp_path / "data")
    assert_one_sentence(result, f"--data {tmp_path}/data: cannot be written (Not a directory): give another folder")


@pytest.mark.parametrize("held", [(), ("truth.json",), ("library.json",)])
def test_a_folder_without_a_truth_is_told_before_anything_starts(
    lab_folder: LabFolder, tmp_path: Path, held: tuple[str, ...]
) -> None:
    (tmp_path / "lab1").mkdir()
    for name in held:
        (tmp_path / "lab1" / name).touch()
    missing = " and ".join(name for name in ("truth.json", "library.json") if name not in held)
    result = run(lab_folder, "--truth", tmp_path / "lab1", "--data", tmp_path / "data")
    assert_one_sentence(
        result, f"--truth {tmp_path}/lab1: holds no truth, {missing} is missing: give the folder of a truth"
    )
    assert not (tmp_path / "data").exists()


def test_a_truth_that_is_no_folder_is_told(lab_folder: LabFolder, tmp_path: Path) -> None:
    result = run(lab_folder, "--truth", tmp_path / "none")
    assert_one_sentence(result, f"--truth {tmp_path}/none: is no folder: give the folder of a truth")
