"""``athanor reset``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.cli.reset import reset
from tests.lab.guarded import Guard, scanning


@pytest.fixture
def guard(tmp_path: Path) -> Iterator[Guard]:
    guard = Guard(tmp_path)
    guard.scan(2)
    yield guard
    guard.close()


class Shell:
    """A person at a terminal, with the requests that were made."""

    def __init__(self, guard: Guard, says: str = "y") -> None:
        self.guard, self.says = guard, says
        self.asked: list[str] = []
        self.did: list[str] = []

    def request(self, message: dict[str, Any]) -> dict[str, Any]:
        self.did.append(message["do"])
        return self.guard.ask(**message)

    def question(self, text: str) -> str:
        self.asked.append(text)
        return self.says


def test_what_tripped_first_is_shown_with_what_to_do(guard: Guard, capsys: pytest.CaptureFixture[str]) -> None:
    guard.ready()
    guard.hardware["safety-1"].analogue[0] = 12000
    guard.scan()
    guard.stopper.stop("ada")
    guard.hardware["safety-1"].analogue[0] = 250
    guard.scan()
    shell = Shell(guard)
    reset(shell.request, actor="ada", ask_person=shell.question)
    first, second, *_ = capsys.readouterr().out.splitlines()
    assert first.startswith("first: F1-OVER (f1.heater): check thermocouple and contactor")
    assert second.startswith("then:  STOP by ada")
    assert shell.asked == ["reset? [y/N] "]
    assert guard.causes() == []


@pytest.mark.parametrize("says", ["", "n", "no", "maybe"])
def test_without_a_yes_nothing_is_reset(guard: Guard, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    shell = Shell(guard, says)
    reset(shell.request, actor="ada", ask_person=shell.question)
    assert guard.causes() == ["start-up"]
    assert shell.did == ["state"]
    assert "nothing was reset" in capsys.readouterr().out


def test_yes_on_the_command_line_asks_nothing(guard: Guard) -> None:
    shell = Shell(guard)
    reset(shell.request, actor="ada", yes=True, ask_person=shell.question)
    assert shell.asked == []
    assert guard.causes() == []


def test_what_stays_tripped_is_told_with_its_reason_and_an_exit_code(
    guard: Guard, capsys: pytest.CaptureFixture[str]
) -> None:
    guard.hardware["safety-1"].analogue[0] = 12000
    guard.scan()
    shell = Shell(guard)
    with pytest.raises(SystemExit) as ended:
        reset(shell.request, actor="ada", yes=True)
    assert ended.value.code == 1
    assert "stays tripped: F1-OVER" in capsys.readouterr().err
    assert guard.causes() == ["F1-OVER"]


def test_an_expired_watchdog_is_announced_and_re_armed_with_the_reset(
    guard: Guard, capsys: pytest.CaptureFixture[str]
) -> None:
    guard.ready()
    guard.hardware["safety-2"].expire()
    guard.scan()
    shell = Shell(guard)
    with scanning(guard):
        reset(shell.request, actor="ada", ask_person=shell.question)
    assert "the watchdog of safety-2 has expired and is armed again by the reset" in capsys.readouterr().out
    assert shell.did == ["state", "rearm", "reset"]
    assert guard.causes() == []


def test_nothing_tripped_is_nothing_to_do(guard: Guard, capsys: pytest.CaptureFixture[str]) -> None:
    guard.ready()
    shell = Shell(guard)
    reset(shell.request, actor="ada", ask_person=shell.question)
    assert shell.did == ["state"]
    assert capsys.readouterr().out == "nothing has tripped\n"


def test_a_program_gets_one_document(guard: Guard, capsys: pytest.CaptureFixture[str]) -> None:
    reset(Shell(guard).request, actor="ada", as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert found == {"tripped": ["start-up"], "rearmed": [], "reset": True, "reasons": []}
