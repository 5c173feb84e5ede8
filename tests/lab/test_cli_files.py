from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from lab.cli.app import app
from lab.cli.files import kind_of
from protocols.documents import DocumentError
from tests.lab.conftest import FILES, LabFolder


def athanor(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def check_json(*files: Path) -> tuple[int, dict[str, Any]]:
    result = athanor("check", "--json", *files)
    assert result.stderr == ""
    return result.exit_code, json.loads(result.stdout)


def test_init_writes_files_that_check_takes(tmp_path: Path) -> None:
    result = athanor("init", tmp_path / "new" / "lab")
    assert result.exit_code == 0
    assert "next: athanor check" in result.stdout
    written = [tmp_path / "new" / "lab" / name for name in FILES]
    assert all("#" in path.read_text(encoding="utf-8") for path in written)
    checked = athanor("check", *written)
    assert (checked.exit_code, checked.stdout) == (0, "5 files without a fault\n")


def test_init_refuses_to_overwrite_and_writes_nothing(tmp_path: Path) -> None:
    (tmp_path / "lab.yaml").write_text("mine", encoding="utf-8")
    result = athanor("init", tmp_path)
    assert result.exit_code == 2
    assert result.stderr == f"athanor: {tmp_path}: lab.yaml would be overwritten: give an empty folder\n"
    assert result.stdout == ""
    assert [path.name for path in tmp_path.iterdir()] == ["lab.yaml"]
    assert (tmp_path / "lab.yaml").read_text(encoding="utf-8") == "mine"


def test_init_tells_of_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = athanor("init", tmp_path / "file")
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert "give another folder" in result.stderr


def test_init_json_is_the_list_of_files_and_nothing_else(tmp_path: Path) -> None:
    result = athanor("init", tmp_path, "--json")
    assert json.loads(result.stdout) == {"files": [str(tmp_path / name) for name in FILES]}


def test_check_json_of_good_files(lab_folder: LabFolder) -> None:
    files = [lab_folder.path(name) for name in FILES]
    assert check_json(*files) == (0, {"files": [str(f) for f in files], "errors": [], "remarks": [], "ok": True})


def test_check_json_of_a_bad_file_has_file_line_and_message(lab_folder: LabFolder) -> None:
    path = lab_folder.change("recipe.yaml", "mass_tolerance", "mass_tolerence")
    code, found = check_json(path)
    assert code == 2
    assert found == {
        "files": [str(path)],
        "errors": [
            {"file": str(path), "line": 4, "message": "unknown key 'mass_tolerence': did you mean 'mass_tolerance'?"}
        ],
        "remarks": [],
        "ok": False,
    }


def test_check_tells_faults_of_all_files_at_once_on_the_error_output(lab_folder: LabFolder) -> None:
    recipe = lab_folder.change("recipe.yaml", "592 mg", "592")
    campaign = lab_folder.change("campaign.yaml", "samples: 16", "samples: 0")
    interlocks = lab_folder.change("interlocks.yaml", '"f1.over < 60 degC and not f1.heater"', '"f1.over < 60"')
    result = athanor("check", recipe, campaign, interlocks)
    assert result.exit_code == 2
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert len(lines) == 3
    assert lines[0].startswith(f"athanor: {recipe}, line 3: precursors.BaCO3: 592 is no quantity")
    assert lines[1].startswith(f"athanor: {campaign}, line ")
    assert lines[2].startswith(f"athanor: {interlocks}, line ")


def test_a_truncated_file_is_one_sentence_and_exit_code_2(lab_folder: LabFolder) -> None:
    text = lab_folder.path("lab.yaml").read_text(encoding="utf-8")
    cut = lab_folder.write("lab.yaml", text[: text.index("setpoint") + 12])
    result = athanor("check", cut)
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert f"athanor: {cut}, line " in result.stderr
    assert "is it cut short?" in result.stderr


def test_a_recipe_is_checked_against_the_lab_file_among_the_files(lab_folder: LabFolder) -> None:
    recipe = lab_folder.change("recipe.yaml", "to: 950 degC", "to: 1050 degC")
    assert athanor("check", recipe).exit_code == 0
    text = lab_folder.path("lab.yaml").read_text(encoding="utf-8").replace("1100 degC", "1000 degC")
    lab = lab_folder.write("lab.yaml", text)
    result = athanor("check", recipe, lab)
    assert result.exit_code == 2
    assert "1050 degC requested, limit 1000 degC" in result.stderr


def test_each_of_several_lab_files_is_checked(lab_folder: LabFolder) -> None:
    second = lab_folder.write("second.yaml", lab_folder.path("lab.yaml").read_text(encoding="utf-8"))
    lab_folder.change("second.yaml", "{mass: 2 g}", "{mass: 2}")
    code, found = check_json(lab_folder.path("lab.yaml"), second)
    assert code == 2
    assert [error["file"] for error in found["errors"]] == [str(second)]


def test_a_labs_interlock_file_is_checked_with_it(lab_folder: LabFolder) -> None:
    lab_folder.change("interlocks.yaml", '"f1.over < 60 degC and not f1.heater"', '"f1.over < 60"')
    code, found = check_json(lab_folder.path("lab.yaml"), lab_folder.path("interlocks.yaml"))
    assert (code, len(found["errors"])) == (2, 1)
    lab_folder.path("interlocks.yaml").unlink()
    code, found = check_json(lab_folder.path("lab.yaml"))
    assert (code, found["errors"][0]["file"]) == (2, str(lab_folder.path("interlocks.yaml")))


def test_a_lab_file_with_a_fault_is_told_once(lab_folder: LabFolder) -> None:
    lab = lab_folder.change("lab.yaml", "{mass: 2 g}", "{mass: 2}")
    code, found = check_json(lab, lab_folder.path("recipe.yaml"))
    assert (code, len(found["errors"])) == (2, 1)


@pytest.mark.parametrize("text", ["", "colour: red\n", "- a\n", "words\n"])
def test_a_file_of_no_known_kind_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text, encoding="utf-8")
    result = athanor("check", path)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"athanor: {path}: is ")
    assert result.stderr.count("\n") == 1


def test_a_missing_file_is_told_once(tmp_path: Path) -> None:
    result = athanor("check", tmp_path / "none.yaml")
    assert result.exit_code == 2
    assert result.stderr == (
        f"athanor: {tmp_path}/none.yaml: cannot be read (No such file or directory): "
        "give the path of a file that exists\n"
    )


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_known_by_its_keys(lab_folder: LabFolder, name: str) -> None:
    assert kind_of(lab_folder.path(name)) == name.removesuffix(".yaml")


def test_a_file_that_cannot_be_read_has_no_kind(tmp_path: Path) -> None:
    with pytest.raises(DocumentError):
        kind_of(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("socket://sim:7111", "modbus-tcp://sim:7111/1", "mill-2: 'modbus-tcp://sim:7111/1' is no serial port"),
        ("modbus-rtu:sim/furnace-3/3", "modbus-rtu:sim/furnace-3/300", "unit 300 is outside 1 to 247"),
        ("socket://sim:7101", "socket://sim:99999", "port 99999 is outside 1 to 65535"),
        ("dir:sim/xrd-2", "socket://sim:7799", "'socket://sim:7799' is no folder: write dir:PATH"),
    ],
)
def test_what_a_driver_would_not_take_is_a_fault_of_the_file_at_its_line(
    tmp_path: Path, old: str, new: str, says: str
) -> None:
    lab = tmp_path / "lab.yaml"
    examples = Path(__file__).resolve().parents[2] / "examples"
    text = (examples / "instruments" / "lab.yaml").read_text(encoding="utf-8").replace("../", f"{examples}/")
    assert f'"{old}"' in text
    lab.write_text(text.replace(f'"{old}"', f'"{new}"'), encoding="utf-8")
    code, told = check_json(lab)
    assert code == 2
    (fault,) = told["errors"]
    assert says in fault["message"]
    assert f'"{new}"' in lab.read_text(encoding="utf-8").splitlines()[fault["line"] - 1]


def test_a_furnace_that_nobody_watches_is_remarked_on_and_no_fault(lab_folder: LabFolder) -> None:
    lab_folder.change("lab.yaml", "    watched_by: safety-2\n", "")
    lab_folder.change("lab.yaml", "heat: [furnace-1, furnace-2]", "heat: [furnace-1]")
    lab = lab_folder.path("lab.yaml")
    result = athanor("check", lab)
    line = lab_folder.line_of("lab.yaml", "  furnace-2:")
    said = f"athanor: note: {lab}, line {line}: devices.furnace-2: no safety module watches this furnace, so nothing"
    assert (result.exit_code, result.stdout) == (0, "1 file without a fault\n")
    assert result.stderr.startswith(said)
    code, told = check_json(lab)
    assert (code, told["ok"], [remark["line"] for remark in told["remarks"]]) == (0, True, [line])
