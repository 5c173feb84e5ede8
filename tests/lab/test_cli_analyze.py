from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from lab.cli.app import app


@pytest.fixture(autouse=True)
def no_references(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calculating patterns takes seconds, and none is needed to refuse."""
    monkeypatch.setattr("lab.characterization.load_references", lambda source, elements: [])


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    path = tmp_path / "broken.xy"
    path.write_text("no numbers\n", encoding="utf-8")
    return path


def analyze(*words: str | Path) -> Result:
    return CliRunner().invoke(app, ["analyze", *map(str, words)])


def test_only_unreadable_patterns_give_their_sentences_and_no_empty_table(broken: Path, tmp_path: Path) -> None:
    result = analyze(broken, tmp_path / "none.xy")
    assert (result.exit_code, result.stdout) == (2, "")
    first, second = result.stderr.splitlines()
    assert first.startswith(f"athanor: {broken}")
    assert second == f"athanor: {tmp_path}/none.xy: there is no such file: give the path of a measured pattern"


def test_only_unreadable_patterns_give_an_empty_list_as_json(broken: Path) -> None:
    result = analyze(broken, "--json")
    assert (result.exit_code, json.loads(result.stdout)) == (2, [])


def test_a_file_in_place_of_the_folder_for_pictures_is_one_sentence(broken: Path) -> None:
    result = analyze(broken, "--pictures", broken)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"athanor: --pictures {broken}: cannot be made (File exists): give another folder\n"


def test_a_folder_of_references_that_does_not_exist_is_told_as_that(broken: Path, tmp_path: Path) -> None:
    result = analyze(broken, "--references", tmp_path / "none")
    assert result.exit_code == 2
    assert result.stderr == (
        f"athanor: --references {tmp_path}/none: does not exist: give a folder that holds CIF files\n"
    )
