from __future__ import annotations

import pytest
from typer.testing import CliRunner

from drivers.gate import DriverError
from lab.cli.app import _NOT_YET, app
from lab.cli.errors import BAD_INPUT, FAILED, sentences
from lab.errors import LabError, UsageError
from lab.records.journal import JournalError
from planner.errors import PlannerError
from protocols.documents import DocumentError, Fault


@pytest.mark.parametrize("name", sorted(_NOT_YET))
@pytest.mark.parametrize("rest", [(), ("--json", "x.yaml", "-n", "5")])
def test_a_command_that_is_not_there_yet_says_so_and_does_nothing(name: str, rest: tuple[str, ...]) -> None:
    result = CliRunner().invoke(app, [name, *rest])
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr == f"athanor: `athanor {name}` is not in this version yet: CHANGELOG.md lists what is\n"


def test_help_lists_what_there_is_and_what_there_is_not_yet() -> None:
    result = CliRunner().invoke(app, ["--help"])
    assert result.exit_code == 0
    for name in ("init", "check", "run", "dry-run", "status", "analyze", *_NOT_YET):
        assert name in result.stdout
    assert "Not in this version yet" in result.stdout


@pytest.mark.parametrize(
    "arguments", [["no-such-command"], ["check"], ["run", "c.yaml", "--budget", "0"], ["run", "c.yaml", "--seed", "x"]]
)
def test_a_call_that_cannot_be_understood_is_bad_input(arguments: list[str]) -> None:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("lab.yaml: wrong"), BAD_INPUT),
        (DocumentError([Fault("lab.yaml", 3, "wrong")]), BAD_INPUT),
        (PlannerError("no route"), BAD_INPUT),
        (DriverError("furnace-1: silent"), BAD_INPUT),
        (LabError("the disk is full"), FAILED),
        (JournalError("the disk is full"), FAILED),
    ],
)
def test_an_error_becomes_its_sentence_and_an_exit_code(
    error: Exception, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught, sentences():
        raise error
    assert caught.value.code == code
    captured = capsys.readouterr()
    assert captured.err == f"athanor: {error}\n"
    assert captured.out == ""


def test_a_defect_keeps_its_trace() -> None:
    with pytest.raises(ZeroDivisionError), sentences():
        raise ZeroDivisionError


def test_what_goes_well_is_left_alone(capsys: pytest.CaptureFixture[str]) -> None:
    with sentences():
        pass
    assert capsys.readouterr().err == ""


def test_bad_input_and_a_failed_run_have_the_codes_of_the_interface() -> None:
    assert (BAD_INPUT, FAILED) == (2, 1)
