from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import pytest

from drivers.clock import JumpClock
from drivers.gate import Command, Denied, Granted
from lab.records.journal import JournalError
from lab.safety.expressions import Value, parse_expression
from lab.safety.gateway import SAFER, UNLOGGED, Gateway, Limits
from lab.safety.interlock_file import Interlocks, Rule

UNITS: dict[str, str | None] = {"f1.over": "degC", "f1.door": None}
RULES = (
    Rule(
        "F1-DOOR",
        "permissive",
        "furnace-1.door.open",
        parse_expression("f1.over < 60 degC", UNITS),
        "wait for the furnace to cool",
    ),
    Rule("F1-HEAT", "permissive", "furnace-1.heat", parse_expression("f1.door", UNITS), "close the door"),
)
OPEN = Command("mover-1", "door-open", subject="furnace-1.door")
HEAT = Command("furnace-1", "run-program", 950.0, "degC")
CLOSE = Command("safety-1", "close-contactor")


@dataclass
class Log:
    """Keeps what was written."""

    entries: list[dict[str, Any]] = field(default_factory=list)

    def write(self, kind: str, /, *, durable: bool = False, **fields: object) -> None:
        self.entries.append({"kind": kind, "durable": durable, **fields})


@dataclass
class Lab:
    """One furnace behind a gateway."""

    values: dict[str, Value] = field(default_factory=lambda: {"f1.over": 25.0, "f1.door": True})
    tripped: tuple[str, ...] = ()
    log: Log = field(default_factory=Log)

    def __post_init__(self) -> None:
        limits = {
            "furnace-1": Limits(setpoint_degc=1100.0),
            "furnace-2": Limits(setpoint_degc=1100.0),
            "doser-1": Limits(mass_mg=2000.0),
            "mover-1": Limits(),
            "safety-1": Limits(watched=("furnace-1",)),
        }
        self.gateway = Gateway(
            limits, Interlocks({}, {}, RULES, ()), lambda: self.values, lambda: self.tripped, JumpClock(100.0), self.log
        )

    def ask(self, command: Command, actor: str = "auto", lease: str | None = "sample-001/load 1") -> tuple[str, ...]:
        """The reasons against a command; none where it is granted."""
        answer = self.gateway.request(command, lease, actor)
        assert isinstance(answer, Granted | Denied)
        assert answer.command == command
        return answer.reasons if isinstance(answer, Denied) else ()


@pytest.fixture
def lab() -> Lab:
    return Lab()


def test_the_door_of_a_hot_furnace_stays_shut_with_live_value_limit_and_guidance(lab: Lab) -> None:
    lab.values["f1.over"] = 412.0
    assert lab.ask(OPEN) == ("F1-DOOR: f1.over is 412.0 degC, and must be < 60 degC: wait for the furnace to cool",)


@pytest.mark.parametrize("value", [None, math.nan])
def test_the_door_stays_shut_when_the_temperature_is_unknown(lab: Lab, value: Value) -> None:
    lab.values["f1.over"] = value
    (reason,) = lab.ask(OPEN)
    assert "f1.over is unknown, and must be < 60 degC" in reason
    lab.values.clear()
    assert "f1.over is unknown" in lab.ask(OPEN)[0]


def test_the_door_of_a_cold_furnace_opens(lab: Lab) -> None:
    assert lab.ask(OPEN) == ()
    assert lab.gateway.request(OPEN, None, "auto") == Granted(OPEN, 100.0)


def test_a_rule_guards_its_own_furnace(lab: Lab) -> None:
    lab.values["f1.over"] = 412.0
    assert lab.ask(Command("mover-1", "door-open", subject="furnace-2.door")) == ()


@pytest.mark.parametrize("verb", sorted(SAFER))
def test_what_makes_things_safer_is_granted_to_nobody_while_tripped_and_blind(lab: Lab, verb: str) -> None:
    lab.tripped = ("F1-OVER",)
    lab.values.clear()
    assert lab.ask(Command("furnace-1", verb), actor="nobody", lease=None) == ()
    assert lab.ask(Command("unheard-of", verb), actor="nobody", lease=None) == ()


def test_stopping_is_among_what_makes_things_safer() -> None:
    assert {"stop", "stop-dosing", "reset-program", "open-contactor", "door-close"} <= SAFER
    assert not SAFER & {"run-program", "set-setpoint", "close-contactor", "door-open", "dose", "move"}


@pytest.mark.parametrize("command", [HEAT, CLOSE, Command("furnace-1", "set-setpoint", 50.0, "degC")])
def test_heating_is_denied_while_tripped_and_names_every_cause(lab: Lab, command: Command) -> None:
    lab.tripped = ("F1-OVER", "F1-DRY")
    assert lab.ask(command) == ("F1-OVER has tripped and was not reset", "F1-DRY has tripped and was not reset")
    lab.tripped = ()
    assert lab.ask(command) == ()


def test_what_does_not_heat_goes_on_while_tripped(lab: Lab) -> None:
    lab.tripped = ("F1-OVER",)
    assert lab.ask(Command("mover-1", "move", "mill-1/1", subject="vials/1")) == ()
    assert lab.ask(OPEN) == ()


@pytest.mark.parametrize("command", [HEAT, CLOSE])
def test_neither_programme_nor_contactor_of_a_watched_furnace_starts_with_its_door_open(
    lab: Lab, command: Command
) -> None:
    lab.values["f1.door"] = False
    assert lab.ask(command) == ("F1-HEAT: f1.door is off, and must be on: close the door",)


def test_more_than_the_limit_is_denied_with_both_numbers(lab: Lab) -> None:
    assert lab.ask(Command("furnace-1", "run-program", 1100.0, "degC")) == ()
    assert lab.ask(Command("furnace-1", "run-program", 1250.0, "degC")) == (
        "1250 degC requested, limit 1100 degC (lab file)",
    )
    assert lab.ask(Command("doser-1", "dose", 2500.0, "mg")) == ("2500 mg requested, limit 2000 mg (lab file)",)


def test_a_setpoint_that_is_no_number_is_denied(lab: Lab) -> None:
    assert lab.ask(Command("furnace-1", "set-setpoint", math.nan, "degC")) == (
        "nan degC requested, limit 1100 degC (lab file)",
    )


@pytest.mark.parametrize(
    ("device", "value", "unit"),
    [("furnace-1", 950.0, "K"), ("furnace-1", 950.0, None), ("furnace-1", None, "degC"), ("furnace-1", "950", "degC")],
)
def test_a_value_without_the_right_unit_is_denied(lab: Lab, device: str, value: Any, unit: str | None) -> None:
    (reason,) = lab.ask(Command(device, "run-program", value, unit))
    assert "needs a value in degC and a limit for it" in reason


def test_a_device_without_a_limit_heats_nothing(lab: Lab) -> None:
    (reason,) = lab.ask(Command("mover-1", "set-setpoint", 50.0, "degC"))
    assert "a limit for it (lab file)" in reason


@pytest.mark.parametrize("verb", ["close-contactor", "run-program", "door-open", "move", "dose"])
def test_an_unknown_device_is_denied_and_never_raises(lab: Lab, verb: str) -> None:
    assert "no device is named 'safety-9' in this laboratory" in lab.ask(Command("safety-9", verb))


def test_nobody_may_start_anything(lab: Lab) -> None:
    (reason,) = lab.ask(OPEN, actor="nobody")
    assert "nobody said who asks" in reason


def test_every_reason_is_given(lab: Lab) -> None:
    lab.values["f1.door"] = False
    lab.tripped = ("F1-OVER",)
    assert len(lab.ask(Command("furnace-1", "run-program", 1250.0, "degC"), actor="nobody")) == 4


def test_a_denial_is_logged_and_kept_with_who_asked(lab: Lab) -> None:
    lab.values["f1.over"] = 412.0
    reasons = lab.ask(OPEN)
    assert lab.log.entries == [
        {
            "kind": "denied",
            "durable": False,
            "device": "mover-1",
            "command": "door-open furnace-1.door",
            "actor": "auto",
            "lease": "sample-001/load 1",
            "reasons": list(reasons),
        }
    ]
    assert lab.gateway.denials == [Denied(OPEN, reasons)]


def test_a_grant_to_heat_is_on_the_disk_before_it_is_given(lab: Lab) -> None:
    lab.ask(HEAT)
    lab.ask(OPEN)
    assert [(entry["kind"], entry["command"], entry["durable"]) for entry in lab.log.entries] == [
        ("granted", "run-program 950 degC", True),
        ("granted", "door-open furnace-1.door", False),
    ]
    assert lab.gateway.denials == []


def test_a_log_that_does_not_take_the_grant_keeps_the_furnace_cold(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(kind: str, /, **fields: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(lab.log, "write", full)
    with pytest.raises(OSError, match="disk full"):
        lab.ask(HEAT)


def test_a_log_that_takes_nothing_keeps_nobody_from_stopping(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(kind: str, /, **fields: object) -> None:
        raise JournalError("disk full")

    monkeypatch.setattr(lab.log, "write", full)
    for verb in sorted(SAFER):
        assert lab.ask(Command("furnace-1", verb), actor="safety monitor") == ()
    assert len(lab.gateway.unlogged) == len(SAFER - UNLOGGED)


def test_a_watchdog_is_armed_again_by_a_person_only(lab: Lab) -> None:
    rearm = Command("safety-1", "rearm")
    assert lab.ask(rearm, actor="auto") == ("a watchdog that expired is armed again by a person only",)
    assert lab.ask(rearm, actor="operator") == ()
