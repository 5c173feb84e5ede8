from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from lab.cli.device import change_service
from lab.cli.hold import hold, resume
from lab.cli.manual import Alive, drive, live
from lab.console.client import ServiceGoneError, ServiceRefusedError


class Service:
    """A lab service that does what it is told and remembers it."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []
        self.denied: list[str] = []
        self.phase = "done"
        self.error: str | None = None
        self.done = True
        self.notes: list[str] = []
        self.release_notes: list[str] = []
        self.refuses: Exception | None = None
        self.renewed = threading.Event()

    def __call__(self) -> Any:
        return self

    def state(self) -> dict[str, Any]:
        readings = {
            "comm_ok": {"value": 1, "unit": ""},
            "reading_degc": {"value": 851.04, "unit": "degC"},
            "output_percent": {"value": 65.0, "unit": "%"},
            "peak_degc": {"value": None, "unit": "degC"},
            "program_status": {"value": "hold", "unit": ""},
        }
        return {"devices": {"furnace-1": {"readings": readings}}}

    def take(self, device: str) -> dict[str, Any]:
        self.told.append(("take", device))
        if self.refuses is not None:
            raise self.refuses
        return {"id": "ana#2", "verbs": ["set-setpoint 400 degC", "reset-program"], "notes": self.notes}

    def renew(self, lease: str) -> dict[str, Any]:
        self.renewed.set()
        if self.refuses is not None:
            raise self.refuses
        return {}

    def release(self, lease: str) -> dict[str, Any]:
        self.told.append(("release", lease))
        return {"released": lease, "notes": self.release_notes}

    def arm(self, lease: str, device: str, verb: str, value: str | None = None) -> dict[str, Any]:
        self.told.append(("arm", lease, device, verb, value))
        if verb == "explode":
            raise ServiceRefusedError("furnace-1 cannot be told to 'explode' by hand", 409)
        return {
            "token": "t1",
            "device": device,
            "command": f"{verb} {value}",
            "hazard": "medium",
            "denied": self.denied,
            "conditions": [
                {"rule": "F1-READY", "holds": True, "bypassed": False, "seen": ["f1.door on"], "guidance": ""},
                {"rule": "F1-DRY", "holds": False, "bypassed": True, "seen": ["f1.dry off"], "guidance": ""},
                {"rule": "F1-OVER", "holds": None, "bypassed": False, "seen": ["f1.over unknown"], "guidance": ""},
            ],
        }

    def execute(self, token: str) -> dict[str, Any]:
        self.told.append(("execute", token))
        return {"command": "c1"}

    def finished(self, command_id: str, *, within_s: float) -> dict[str, Any]:
        assert command_id == "c1"
        return {"phase": self.phase, "error": self.error, "result": {"done": self.done, "notes": self.notes}}

    def hold(self, what: str, reason: str) -> dict[str, Any]:
        self.told.append(("hold", what, reason))
        return {"held": what}

    def resume(self, what: str) -> dict[str, Any]:
        self.told.append(("resume", what))
        return {"resumed": what}

    def lock_out(self, device: str, reason: str) -> dict[str, Any]:
        self.told.append(("lock_out", device, reason))
        return {"device": device}

    def remove_lock_out(self, device: str, of: str | None = None) -> dict[str, Any]:
        self.told.append(("remove_lock_out", device, of))
        return {"removed": device, "left": ["furnace-1 is locked out by bob"]}


@pytest.fixture
def service() -> Service:
    return Service()


def answers(*lines: str) -> Callable[[str], str]:
    """Somebody who types these lines, and closes the terminal after them."""
    left: Iterator[str] = iter(lines)

    def ask(prompt: str) -> str:
        try:
            return next(left)
        except StopIteration:
            raise EOFError from None

    return ask


SET = ("set-setpoint", "400", "degC")


def test_a_command_is_taken_armed_shown_asked_executed_and_given_back(
    service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    drive("furnace-1", SET, release=True, connect=service, ask=answers("y"))
    assert service.told == [
        ("take", "furnace-1"),
        ("arm", "ana#2", "furnace-1", "set-setpoint", "400 degC"),
        ("execute", "t1"),
        ("release", "ana#2"),
    ]
    lines = capsys.readouterr().out.splitlines()
    assert lines[:4] == [
        "furnace-1: set-setpoint 400 degC (hazard: medium)",
        "  met      F1-READY: f1.door on",
        "  BYPASSED F1-DRY: f1.dry off",
        "  UNKNOWN  F1-OVER: f1.over unknown",
    ]
    assert lines[4] == "set-setpoint 400 degC: done"
    assert "athanor resume furnace-1" in lines[-1]


@pytest.mark.parametrize("answer", ["n", "", "maybe"])
def test_without_a_yes_nothing_is_done(service: Service, answer: str, capsys: pytest.CaptureFixture[str]) -> None:
    drive("furnace-1", SET, connect=service, ask=answers(answer))
    assert ("execute", "t1") not in service.told
    assert service.told[-1] == ("release", "ana#2")
    assert "nothing was done" in capsys.readouterr().out


def test_with_yes_nobody_is_asked(service: Service) -> None:
    drive("furnace-1", SET, yes=True, release=True, connect=service, ask=answers())
    assert ("execute", "t1") in service.told


def test_what_is_denied_is_told_and_fails_and_the_device_is_given_back(
    service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    service.denied = ["F1-READY: f1.door is off, and must be on: close the door"]
    with pytest.raises(SystemExit) as ended:
        drive("furnace-1", SET, yes=True, connect=service)
    assert ended.value.code == 1
    assert ("execute", "t1") not in service.told
    assert service.told[-1] == ("release", "ana#2")
    told = capsys.readouterr()
    assert "  DENIED   F1-READY: f1.door is off, and must be on: close the door" in told.out
    assert told.err.startswith("athanor: furnace-1: set-setpoint 400 degC was not done: denied: F1-READY")


def test_a_command_that_failed_fails(service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    service.phase, service.error = "failed", "furnace-1: register 2 is locked at the panel"
    with pytest.raises(SystemExit) as ended:
        drive("furnace-1", SET, yes=True, connect=service)
    assert ended.value.code == 1
    assert "register 2 is locked at the panel" in capsys.readouterr().err
    assert service.told[-1] == ("release", "ana#2")


def test_a_verb_that_there_is_not_fails_and_the_device_is_given_back(
    service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        drive("furnace-1", ("explode",), connect=service)
    assert ended.value.code == 1
    assert "cannot be told to 'explode' by hand" in capsys.readouterr().err
    assert service.told[-1] == ("release", "ana#2")


def test_a_device_that_somebody_else_has_is_told(service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    service.refuses = ServiceRefusedError("furnace-1 is driven by bob (manual) since 14:02: ask bob to release it", 409)
    with pytest.raises(SystemExit) as ended:
        drive("furnace-1", SET, connect=service)
    assert ended.value.code == 1
    assert "driven by bob (manual) since 14:02" in capsys.readouterr().err
    assert service.told == [("take", "furnace-1")]


def test_the_device_is_held_for_as_long_as_was_wished(service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    began_s = time.monotonic()
    drive("furnace-1", SET, yes=True, hold="100 ms", connect=service)
    assert time.monotonic() - began_s >= 0.1
    out = capsys.readouterr().out
    assert "furnace-1 is yours for 0.1 s" in out
    assert "reading 851.04 degC, output 65 %, peak unknown, program status hold" in out
    assert service.told[-1] == ("release", "ana#2")


def test_the_device_is_held_until_ctrl_c_where_nobody_says_otherwise(
    service: Service, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted() -> dict[str, Any]:
        raise KeyboardInterrupt

    monkeypatch.setattr("lab.cli.manual.SHOW_S", 0.01)
    monkeypatch.setattr(service, "state", interrupted)
    drive("furnace-1", SET, yes=True, connect=service)
    assert "furnace-1 is yours until Ctrl-C" in capsys.readouterr().out
    assert service.told[-1] == ("release", "ana#2")


def test_what_happens_to_the_device_afterwards_is_told(service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    service.release_notes = ["furnace-1 stays as it is for 10 min, and goes to its safe state unless it is taken"]
    service.notes = ["the programme of furnace-1 runs on"]
    drive("furnace-1", SET, yes=True, release=True, connect=service)
    out = capsys.readouterr().out
    assert "stays as it is for 10 min" in out
    assert "the programme of furnace-1 runs on" in out


def test_a_program_gets_one_object(service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    drive("furnace-1", SET, yes=True, release=True, as_json=True, connect=service)
    assert json.loads(capsys.readouterr().out) == {
        "device": "furnace-1",
        "command": "set-setpoint 400 degC",
        "done": True,
        "denied": [],
    }
    service.denied = ["no"]
    with pytest.raises(SystemExit):
        drive("furnace-1", SET, yes=True, as_json=True, connect=service)
    assert json.loads(capsys.readouterr().out)["denied"] == ["no"]


@pytest.mark.parametrize(
    ("wishes", "said"),
    [
        ({"as_json": True}, "--json: nobody can be asked then: give a verb and --yes"),
        ({"hold": "10 min", "release": True}, "--hold and --release exclude each other"),
        ({"hold": "ten"}, "--hold: 'ten' is no quantity"),
    ],
)
def test_wishes_that_do_not_go_together_are_bad_input(
    service: Service, wishes: dict[str, Any], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        drive("furnace-1", SET, connect=service, **wishes)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err
    assert service.told == []


# ---------------------------------------------------------------- the prompt


def test_a_prompt_shows_live_values_lists_commands_and_goes_on_after_mistakes(
    service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    drive("furnace-1", connect=service, ask=answers("", "explode", "set-setpoint 400 degC", "y", "release"))
    out = capsys.readouterr().out
    assert out.startswith("commands: set-setpoint 400 degC; reset-program; release\n")
    assert out.count("reading 851.04 degC") == 4
    assert "cannot be told to 'explode' by hand" in out
    assert "set-setpoint 400 degC: done" in out
    assert service.told[-1] == ("release", "ana#2")


def test_a_prompt_does_nothing_that_is_denied_or_not_agreed_to(service: Service) -> None:
    drive("furnace-1", connect=service, ask=answers("reset-program", "n"))
    service.denied = ["no"]
    drive("furnace-1", connect=service, ask=answers("reset-program"))
    assert ("execute", "t1") not in service.told


def test_the_end_of_the_input_gives_the_device_back(service: Service) -> None:
    drive("furnace-1", connect=service, ask=answers())
    assert service.told == [("take", "furnace-1"), ("release", "ana#2")]


def test_a_prompt_whose_lease_is_lost_ends_and_says_why(
    service: Service, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    alive: list[Alive] = []

    def lively(of: Any, lease: str) -> Alive:
        alive.append(Alive(of, lease, every_s=0.001))
        return alive[-1]

    monkeypatch.setattr("lab.cli.manual.Alive", lively)

    def ask(prompt: str) -> str:
        service.refuses = ServiceRefusedError("lease ana#2 was taken again at 14:02: take the device again", 409)
        alive[0].join(5.0)
        return "reset-program"

    with pytest.raises(SystemExit) as ended:
        drive("furnace-1", connect=service, ask=ask)
    assert ended.value.code == 1
    assert "lease ana#2 was taken again" in capsys.readouterr().err
    assert service.told[-1][0] != "release"


def test_a_service_that_does_not_answer_for_a_moment_is_asked_again(service: Service) -> None:
    service.refuses = ServiceGoneError("the lab service did not answer in time")
    alive = Alive(service(), "ana#2", every_s=0.001)
    alive.start()
    for _ in range(3):
        service.renewed.clear()
        assert service.renewed.wait(5.0)
    alive.end()
    assert alive.lost is None


def test_a_device_that_shows_nothing_is_named(service: Service) -> None:
    assert live({"devices": {"mover-1": {"readings": {}}}}, "mover-1") == "mover-1"
    reading = {"job": {"value": "", "unit": ""}}
    assert live({"devices": {"mover-1": {"readings": reading}}}, "mover-1") == "job -"


# ---------------------------------------------------------------- holding, resuming, locking out


def test_the_campaign_is_held_and_resumed_where_nothing_else_is_named(
    service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    hold(reason="lunch", connect=service)
    resume(connect=service)
    hold("sample-001", as_json=True, connect=service)
    assert service.told == [("hold", "campaign", "lunch"), ("resume", "campaign"), ("hold", "sample-001", "")]
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("campaign is held: what is under way goes on to its end")
    assert lines[1] == "campaign goes on"
    assert json.loads(lines[2]) == {"held": "sample-001"}


def test_a_device_is_locked_out_with_a_reason_and_the_lock_taken_off(
    service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    change_service("furnace-1", "out", reason="changing the element", connect=service)
    change_service("furnace-1", "in-service", connect=service)
    assert service.told == [
        ("lock_out", "furnace-1", "changing the element"),
        ("remove_lock_out", "furnace-1", None),
    ]
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "furnace-1 is locked out: nothing starts there before `athanor device furnace-1 in-service`",
        "furnace-1: the lock is off, and it stays locked: furnace-1 is locked out by bob",
    ]


@pytest.mark.parametrize(("to", "said"), [("out", "--reason is missing"), ("away", "write out or in-service")])
def test_a_lock_out_without_a_reason_and_another_word_are_bad_input(
    service: Service, to: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        change_service("furnace-1", to, connect=service)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err
    assert service.told == []
