from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from drivers.clock import JumpClock
from drivers.gate import Command, CommandDeniedError, Denied, Granted, acting_as, authorize
from lab.errors import LabError
from lab.records.journal import JournalError
from lab.safety.commands.gateway import HAZARDOUS, SAFER, UNLOGGED, Gateway, Limits
from lab.safety.commands.judgement import MONITOR
from lab.safety.commands.leases import Lease, LeaseBook, Mode
from lab.safety.interlocks.expressions import Value
from lab.safety.interlocks.language import parse_expression
from lab.safety.interlocks.rules import Interlocks, Kind, Output, Rule, Signal

AT = time.strftime("%H:%M", time.localtime(0.0))
"""The hour at which everything in these tests happens, as people here would read it."""

UNITS: dict[str, str | None] = {
    "f1.over": "degC",
    "f1.door": None,
    "f1.heater": None,
    "f2.heater": None,
    "exhaust": None,
    "mill.oxidiser": None,
}
COLD: dict[str, Value] = {
    "f1.over": 25.0,
    "f1.door": True,
    "f1.heater": False,
    "f2.heater": False,
    "exhaust": True,
    "mill.oxidiser": False,
}


def rule(name: str, kind: Kind, target: str, when: str, guidance: str, *, bypassable: bool = False) -> Rule:
    return Rule(name, kind, target, parse_expression(when, UNITS), guidance, bypassable=bypassable)


DOOR = rule("F1-DOOR", "permissive", "furnace-1.door.open", "f1.over < 60 degC", "wait for the furnace to cool")
READY = rule("F1-READY", "permissive", "furnace-1.heat", "f1.door", "close the door", bypassable=True)
EXHAUST = rule("F1-EXHAUST", "interlock", "f1.heater", "exhaust", "switch the exhaust on")
OXIDISER = rule("MILL", "permissive", "mover-1.mix", "not mill.oxidiser", "mix by hand in a mortar")
LOAD = rule("F1-LOAD", "permissive", "furnace-1.load", "f1.over < 60 degC", "wait for the furnace to cool")
HOLD = rule("XRD-WAIT", "hold", "xrd-1", "not exhaust", "switch the exhaust on")
OVER = rule("F1-OVER", "trip", "f1.heater", "f1.over > 1150 degC", "check thermocouple and contactor")
SIGNALS = {
    name: Signal(name, "safety-1", "di1" if unit is None else "ai1", unit, -math.inf, math.inf, 1.0)
    for name, unit in UNITS.items()
}
OUTPUTS = {
    "f1.heater": Output("f1.heater", "safety-1", "do1"),
    "f2.heater": Output("f2.heater", "safety-2", "do1"),
}
NEVER = (parse_expression("f1.heater and not f1.door", UNITS),)
OPEN = Command("mover-1", "door-open", subject="furnace-1.door")
SHUT = Command("mover-1", "door-close", subject="furnace-1.door")
HEAT = Command("furnace-1", "run-program", 950.0, "degC")
CLOSE = Command("safety-1", "close-contactor")
LIMITS = {
    "furnace-1": Limits({"run-program": (1100.0, "degC"), "set-setpoint": (1100.0, "degC")}),
    "furnace-2": Limits({"run-program": (1100.0, "degC"), "set-setpoint": (1100.0, "degC")}),
    "doser-1": Limits({"dose": (2000.0, "mg")}),
    "mover-1": Limits(),
    "xrd-1": Limits(),
    "safety-1": Limits(watched=("furnace-1",)),
    "safety-2": Limits(watched=("furnace-2",)),
}
DEVICES = frozenset({"furnace-1", "furnace-2", "doser-1", "mover-1", "xrd-1"})


@dataclass
class Log:
    """Keeps what was written."""

    entries: list[dict[str, Any]] = field(default_factory=list)

    def write(self, kind: str, /, *, durable: bool = False, **fields: object) -> None:
        self.entries.append({"kind": kind, "durable": durable, **fields})


@dataclass
class Records:
    """An audit log in memory."""

    entries: list[dict[str, Any]] = field(default_factory=list)
    full: bool = False

    def write(self, action: str, *, who: str, **fields: Any) -> None:
        if self.full:
            raise LabError("audit.jsonl: disk full")
        self.entries.append({"action": action, "who": who, **fields})

    def try_write(self, action: str, *, who: str, **fields: Any) -> str | None:
        if self.full:
            return "audit.jsonl: disk full"
        self.write(action, who=who, **fields)
        return None


@dataclass
class SafetyWatch:
    """A safety layer that says what it is told to."""

    signals: dict[str, Value] = field(default_factory=lambda: dict(COLD))
    latched: list[dict[str, Any]] = field(default_factory=list)
    no_permit: str | None = None
    waiting: frozenset[str] = frozenset()
    bypasses: frozenset[str] = frozenset()
    acting: list[str] = field(default_factory=list)

    def trip(self, cause: str, *targets: str) -> None:
        self.latched.append({"cause": cause, "targets": list(targets or OUTPUTS)})

    def tripped(self) -> tuple[str, ...]:
        missing = () if self.no_permit is None else (self.no_permit,)
        return (*missing, *(latch["cause"] for latch in self.latched))

    def values(self) -> dict[str, Value]:
        return self.signals

    def held(self) -> frozenset[str]:
        return self.waiting

    def bypassed(self) -> frozenset[str]:
        return self.bypasses

    def snapshot(self) -> dict[str, Any]:
        return {"tripped": self.latched, "acting": self.acting}

    def request(self, message: Mapping[str, Any]) -> dict[str, Any]:
        return {"ok": True}


@dataclass
class Lab:
    """Two furnaces, a mover, a doser and a diffractometer behind a gateway; auto has everything."""

    rules: tuple[Rule, ...] = (DOOR, READY)
    never: tuple[Any, ...] = ()
    watch: SafetyWatch = field(default_factory=SafetyWatch)
    log: Log = field(default_factory=Log)
    records: Records = field(default_factory=Records)
    now_s: float = 0.0

    def __post_init__(self) -> None:
        self.clock = JumpClock(100.0)
        self.leases = LeaseBook(lambda: self.now_s, wall=lambda: 0.0)
        self.gateway = Gateway(
            LIMITS,
            Interlocks(SIGNALS, OUTPUTS, self.rules, self.never),
            self.watch,
            self.leases,
            self.clock,
            self.log,
            self.records,
            lambda device: {"setpoint": 850.0},
        )
        self.auto = self.leases.take("sample-001/load 1", Mode.AUTO, DEVICES)

    def drive(self, device: str, who: str = "ana") -> Lease:
        return self.leases.take(who, Mode.MANUAL, {device}, role="operator")

    def ask(self, command: Command, actor: str = "auto", lease: str | None = "its own") -> tuple[str, ...]:
        """The reasons against a command; none where it is granted."""
        answer = self.gateway.request(command, self.auto.id if lease == "its own" else lease, actor)
        assert isinstance(answer, Granted | Denied)
        assert answer.command == command
        return answer.reasons if isinstance(answer, Denied) else ()

    def settle(self) -> None:
        """Let what is written down afterwards be written."""
        self.clock.sleep_until(self.clock.now() + 1.0)


@pytest.fixture
def lab() -> Lab:
    return Lab()


# ---------------------------------------------------------------- permissives


def test_the_door_of_a_hot_furnace_stays_shut_with_live_value_limit_and_guidance(lab: Lab) -> None:
    lab.watch.signals["f1.over"] = 412.0
    assert lab.ask(OPEN) == ("F1-DOOR: f1.over is 412.0 degC, and must be < 60 degC: wait for the furnace to cool",)


@pytest.mark.parametrize("value", [None, math.nan])
def test_the_door_stays_shut_when_the_temperature_is_unknown(lab: Lab, value: Value) -> None:
    lab.watch.signals["f1.over"] = value
    (reason,) = lab.ask(OPEN)
    assert "f1.over is unknown, and must be < 60 degC" in reason
    lab.watch.signals.clear()
    assert "f1.over is unknown" in lab.ask(OPEN)[0]


def test_the_door_of_a_cold_furnace_opens(lab: Lab) -> None:
    assert lab.gateway.request(OPEN, lab.auto.id, "auto") == Granted(OPEN, 100.0)


def test_a_rule_guards_its_own_furnace(lab: Lab) -> None:
    lab.watch.signals["f1.over"] = 412.0
    assert lab.ask(Command("mover-1", "door-open", subject="furnace-2.door")) == ()


def test_a_permissive_can_be_for_any_command_of_any_device() -> None:
    lab = Lab((OXIDISER,))
    mix = Command("mover-1", "mix", "ball-mill", subject="mill-1/1")
    assert lab.ask(mix) == ()
    lab.watch.signals["mill.oxidiser"] = True
    assert lab.ask(mix) == ("MILL: mill.oxidiser is on, and must be off: mix by hand in a mortar",)
    assert lab.ask(Command("mover-1", "clean", subject="mill-1/1")) == ()


def test_a_permissive_can_be_for_what_is_carried_into_a_furnace() -> None:
    lab = Lab((LOAD,))
    lab.watch.signals["f1.over"] = 412.0
    assert lab.ask(Command("mover-1", "move", "furnace-2/1", subject="crucibles/1")) == ()
    assert "F1-LOAD" in lab.ask(Command("mover-1", "move", "furnace-1/1", subject="crucibles/1"))[0]


@pytest.mark.parametrize("command", [HEAT, CLOSE, Command("furnace-1", "continue-program")])
def test_nothing_of_a_watched_furnace_heats_with_its_door_open(lab: Lab, command: Command) -> None:
    lab.watch.signals["f1.door"] = False
    assert lab.ask(command) == ("F1-READY: f1.door is off, and must be on: close the door",)


# ---------------------------------------------------------------- what makes things safer


@pytest.mark.parametrize("verb", sorted(SAFER))
def test_what_makes_things_safer_is_granted_to_nobody_while_tripped_and_blind(lab: Lab, verb: str) -> None:
    lab.watch.trip("F1-OVER")
    lab.watch.signals.clear()
    lab.leases.lock_out("furnace-1", "eve", "changing the element")
    lab.drive("furnace-1")
    assert lab.ask(Command("furnace-1", verb), actor="nobody", lease=None) == ()
    assert lab.ask(Command("unheard-of", verb), actor="nobody", lease=None) == ()


def test_stopping_is_among_what_makes_things_safer() -> None:
    assert {"stop", "stop-dosing", "reset-program", "open-contactor"} <= SAFER
    assert not SAFER & (HAZARDOUS | {"door-open", "door-close", "dose", "move", "hold-program"})


def test_a_stop_is_granted_before_anything_is_written(lab: Lab) -> None:
    lab.ask(Command("furnace-1", "reset-program"), actor="ana", lease=None)
    assert lab.log.entries == []
    lab.settle()
    (entry,) = lab.log.entries
    assert (entry["kind"], entry["command"], entry["actor"]) == ("granted", "reset-program", "ana")
    assert entry["granted_at_s"] == 100.0
    assert [record["after"] for record in lab.records.entries] == ["reset-program"]


def test_a_stop_is_in_the_log_before_the_start_that_followed_it(lab: Lab) -> None:
    lab.ask(Command("furnace-1", "reset-program"))
    lab.ask(HEAT)
    assert [entry["command"] for entry in lab.log.entries] == ["reset-program", "run-program 950 degC"]


def test_a_log_that_takes_nothing_keeps_nobody_from_stopping(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(kind: str, /, **fields: object) -> None:
        raise JournalError("disk full")

    monkeypatch.setattr(lab.log, "write", full)
    for verb in sorted(SAFER):
        assert lab.ask(Command("furnace-1", verb), actor="safety monitor") == ()
    lab.settle()
    assert len(lab.gateway.unlogged) == len(SAFER - UNLOGGED)


# ---------------------------------------------------------------- trips and interlocks


@pytest.mark.parametrize("command", [HEAT, CLOSE, Command("furnace-1", "set-setpoint", 50.0, "degC")])
def test_heating_is_denied_while_tripped_and_names_every_cause(command: Command) -> None:
    lab = Lab((DOOR, READY, OVER))
    lab.watch.trip("F1-OVER", "f1.heater")
    lab.watch.trip("STOP by ana")
    assert lab.ask(command) == (
        "STOP by ana has tripped and was not reset: reset first: athanor reset",
        "F1-OVER has tripped and was not reset: check thermocouple and contactor",
    )
    lab.watch.latched.clear()
    assert lab.ask(command) == ()


def test_a_trip_of_one_furnace_leaves_the_other_one_to_work(lab: Lab) -> None:
    lab.watch.trip("F1-OVER", "f1.heater")
    assert lab.ask(HEAT) != ()
    assert lab.ask(Command("furnace-2", "run-program", 950.0, "degC")) == ()
    assert lab.ask(Command("safety-2", "close-contactor")) == ()


def test_a_trip_whose_outputs_are_not_known_is_one_of_all(lab: Lab) -> None:
    lab.watch.latched.append({"cause": "odd", "targets": []})
    assert lab.ask(Command("furnace-2", "run-program", 950.0, "degC")) == ("odd has tripped and was not reset",)


def test_without_a_permit_nothing_hazardous_starts(lab: Lab) -> None:
    lab.watch.no_permit = "the safety supervisor gave no permit for 1.4 s"
    for verb in sorted(HAZARDOUS):
        command = CLOSE if verb == "close-contactor" else Command("furnace-1", verb, 50.0, "degC")
        assert lab.ask(command) == ("nothing hazardous may start: the safety supervisor gave no permit for 1.4 s",), (
            command
        )


def test_what_does_not_heat_goes_on_while_tripped(lab: Lab) -> None:
    lab.watch.trip("F1-OVER")
    assert lab.ask(Command("mover-1", "move", "mill-1/1", subject="vials/1")) == ()
    assert lab.ask(OPEN) == ()
    assert lab.ask(Command("furnace-1", "hold-program")) == ()


@pytest.mark.parametrize(
    "command",
    [
        Command("mover-1", "move", "mill-1/1", subject="vials/1"),
        OPEN,
        SHUT,
        Command("furnace-1", "hold-program"),
        Command("doser-1", "dose", 100.0, "mg"),
        Command("xrd-1", "measure"),
    ],
)
def test_after_a_stop_nothing_moves_until_it_is_reset(lab: Lab, command: Command) -> None:
    lab.watch.trip("STOP by ana", "f2.heater")
    assert lab.ask(command) == ("STOP by ana has tripped and was not reset: reset first: athanor reset",)
    assert lab.ask(Command("mover-1", "stop")) == ()
    lab.watch.latched.clear()
    assert lab.ask(command) == ()


def test_a_watchdog_is_armed_again_before_a_stop_is_reset(lab: Lab) -> None:
    lab.watch.trip("STOP by ana")
    assert lab.ask(Command("safety-1", "rearm"), actor="ana", lease=None) == ()


def test_closing_a_door_needs_a_lease_and_waits_for_hands_and_holds_like_any_motion(lab: Lab) -> None:
    assert lab.ask(SHUT) == ()
    assert lab.ask(SHUT, actor="nobody", lease=None) != ()
    lab.leases.lock_out("furnace-1", "eve", "changing the element")
    assert "furnace-1 is locked out by eve" in lab.ask(SHUT)[0]
    lab.leases.remove("furnace-1", "eve")
    lab.watch.waiting = frozenset({"furnace-1"})
    assert "recipes on furnace-1 wait" in lab.ask(SHUT)[0]


def test_a_contactor_that_an_interlock_holds_open_is_not_closed() -> None:
    lab = Lab((EXHAUST,))
    lab.watch.signals["exhaust"] = False
    assert lab.ask(CLOSE) == ("F1-EXHAUST: exhaust is off, and must be on: switch the exhaust on",)
    assert lab.ask(HEAT) == ("F1-EXHAUST: exhaust is off, and must be on: switch the exhaust on",)
    assert lab.ask(Command("safety-2", "close-contactor")) == ()


def test_an_interlock_that_waits_denies_when_it_acts_or_cannot_be_known_and_not_before() -> None:
    lab = Lab((replace(EXHAUST, after_s=60.0),))
    lab.watch.signals["exhaust"] = False
    assert lab.ask(HEAT) == ()
    lab.watch.acting = [EXHAUST.id]
    assert lab.ask(HEAT) == ("F1-EXHAUST: exhaust is off, and must be on: switch the exhaust on",)
    lab.watch.acting = []
    lab.watch.signals["exhaust"] = None
    assert "exhaust is unknown" in lab.ask(HEAT)[0]


def test_a_contactor_is_not_closed_onto_what_must_never_be() -> None:
    lab = Lab((), NEVER)
    lab.watch.signals["f1.door"] = False
    assert lab.ask(CLOSE) == (
        "never 1: f1.heater is on, and must be off, f1.door is off, and must be on: "
        "with the contactor closed this would be what must never be",
    )
    lab.watch.signals["f1.door"] = None
    assert "f1.door is unknown" in lab.ask(CLOSE)[0]
    assert lab.ask(Command("safety-2", "close-contactor")) == ()


def test_a_bypassed_rule_is_skipped_and_the_grant_says_so(lab: Lab) -> None:
    lab.watch.signals["f1.door"] = False
    lab.watch.bypasses = frozenset({"F1-READY"})
    granted = lab.gateway.request(HEAT, lab.auto.id, "auto")
    note = "bypassed: F1-READY: f1.door is off, and must be on: close the door"
    assert granted == Granted(HEAT, 100.0, (note,))
    assert lab.log.entries[-1]["notes"] == [note]
    assert lab.records.entries[-1]["reason"] == note


def test_a_bypass_of_a_rule_that_may_not_be_bypassed_is_nothing(lab: Lab) -> None:
    lab.watch.signals["f1.over"] = 412.0
    lab.watch.bypasses = frozenset({"F1-DOOR"})
    assert lab.ask(OPEN) != ()


# ---------------------------------------------------------------- holds and lock-outs


def test_a_hold_rule_denies_new_commands_of_recipes_and_none_of_people() -> None:
    lab = Lab((HOLD,))
    lab.watch.signals["exhaust"] = False
    lab.watch.waiting = frozenset({"xrd-1"})
    measure = Command("xrd-1", "measure", "10-80deg", subject="sample-001")
    into = Command("mover-1", "move", "xrd-1/2", subject="holders/1")
    why = "recipes on xrd-1 wait: XRD-WAIT: exhaust is off, and must be on: switch the exhaust on"
    assert lab.ask(measure) == lab.ask(into) == (why,)
    ana = lab.drive("xrd-1")
    assert lab.ask(measure, "ana", ana.id) == ()


def test_a_lock_out_denies_everybody_also_who_hung_it_up(lab: Lab) -> None:
    lab.leases.lock_out("furnace-1", "ana", "changing the element")
    why = f"furnace-1 is locked out by ana since {AT} (changing the element): ana must take the lock off"
    ana = lab.drive("furnace-1")
    assert lab.ask(HEAT, "ana", ana.id) == (why,)
    assert why in lab.ask(CLOSE)
    assert lab.ask(OPEN)[0] == why
    lab.leases.remove("furnace-1", "ana")
    assert lab.ask(HEAT, "ana", ana.id) == ()


# ---------------------------------------------------------------- leases


def test_a_command_without_a_lease_is_denied(lab: Lab) -> None:
    lab.leases.release(lab.auto.id)
    assert lab.ask(HEAT, "ana", None) == ("furnace-1 is asked for without a lease: take it first",)
    assert lab.ask(Command("mover-1", "move", "mill-1/1", subject="vials/1"), "ana", None) != ()


def test_a_person_takes_over_from_a_recipe_and_the_recipe_is_told_by_whom(lab: Lab) -> None:
    ana = lab.drive("furnace-1")
    assert lab.ask(HEAT, "ana", ana.id) == ()
    assert lab.ask(HEAT) == (f"furnace-1 is driven by ana (manual) since {AT}: ask ana to release it",)
    assert lab.ask(Command("furnace-2", "run-program", 950.0, "degC")) == ()


def test_a_stale_fence_is_refused_also_after_the_person_let_go(lab: Lab) -> None:
    ana = lab.drive("furnace-1")
    lab.leases.release(ana.id)
    assert lab.ask(HEAT) == ("furnace-1 was taken over by ana (manual), and nobody has resumed it yet",)
    assert lab.ask(HEAT, "ana", ana.id) == (f"lease ana#2 was given back at {AT}: take the device again",)
    again = lab.leases.take("sample-001/load 1", Mode.AUTO, {"furnace-1"})
    assert lab.ask(HEAT, lease=again.id) == ()
    assert lab.ask(HEAT) != ()


def test_a_lease_that_lapsed_is_stale(lab: Lab) -> None:
    ana = lab.drive("furnace-1")
    lab.now_s = 30.0
    assert lab.ask(HEAT, "ana", ana.id) == (f"lease ana#2 lapsed at {AT}: take the device again",)


def test_nobody_uses_the_lease_of_somebody_else(lab: Lab) -> None:
    ana = lab.drive("furnace-1")
    assert lab.ask(HEAT, "bob", ana.id) == ("lease ana#2 is for ana (manual), and bob asks: take a lease of your own",)
    assert "and auto asks" in lab.ask(HEAT, "auto", ana.id)[0]
    assert "and ana asks" in lab.ask(Command("furnace-2", "run-program", 1.0, "degC"), "ana", lab.auto.id)[0]


def test_a_contactor_belongs_to_the_furnace_behind_it(lab: Lab) -> None:
    ana = lab.drive("furnace-1")
    assert lab.ask(CLOSE, "ana", ana.id) == ()
    assert lab.ask(CLOSE) == (f"furnace-1 is driven by ana (manual) since {AT}: ask ana to release it",)
    assert lab.ask(Command("safety-2", "close-contactor"), "ana", ana.id) != ()


def test_a_mover_does_not_reach_into_what_somebody_else_drives(lab: Lab) -> None:
    lab.drive("furnace-1")
    why = f"furnace-1 is driven by ana (manual) since {AT}: ask ana to release it"
    for command in (OPEN, Command("mover-1", "move", "furnace-1/1", subject="crucibles/1")):
        assert lab.ask(command) == (why,)
    bob = lab.drive("mover-1", "bob")
    assert lab.ask(Command("mover-1", "move", "xrd-1/2", subject="holders/1"), "bob", bob.id) == (
        "xrd-1 is at work for sample-001/load 1 (auto): wait for its end, or take it over by hand",
    )
    assert lab.ask(Command("mover-1", "move", "mill-1/1", subject="vials/1"), "bob", bob.id) == ()


def test_a_watchdog_is_started_by_the_safety_layer_and_armed_again_by_a_person(lab: Lab) -> None:
    start = Command("safety-1", "start-watchdog", 3.0, "s")
    assert lab.ask(start, actor=MONITOR, lease=None) == ()
    assert lab.ask(start, actor="ana", lease=None) == (
        "a watchdog is started by the safety layer only: set its time in the lab file",
    )
    rearm = Command("safety-1", "rearm")
    assert lab.ask(rearm, actor="auto") == ("a watchdog that expired is armed again by a person only",)
    assert lab.ask(rearm, actor="ana", lease=None) == ()


# ---------------------------------------------------------------- limits


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


@pytest.mark.parametrize(("value", "unit"), [(950.0, "K"), (950.0, None), (None, "degC"), ("950", "degC")])
def test_a_value_without_the_right_unit_is_denied(lab: Lab, value: Any, unit: str | None) -> None:
    (reason,) = lab.ask(Command("furnace-1", "run-program", value, unit))
    assert reason.startswith(f"run-program came with {value!r} {unit or 'without a unit'}")
    assert reason.endswith("needs a value in degC")


def test_a_device_without_a_limit_heats_nothing(lab: Lab) -> None:
    (reason,) = lab.ask(Command("mover-1", "set-setpoint", 50.0, "degC"))
    assert reason == "set-setpoint needs a limit, and mover-1 has none: give it one (lab file)"


@pytest.mark.parametrize("verb", ["close-contactor", "run-program", "door-open", "move", "dose"])
def test_an_unknown_device_is_denied_and_never_raises(lab: Lab, verb: str) -> None:
    assert "no device is named 'safety-9' in this laboratory" in lab.ask(Command("safety-9", verb))


def test_nobody_may_start_anything(lab: Lab) -> None:
    assert "nobody said who asks" in lab.ask(OPEN, actor="nobody")[0]


def test_every_reason_is_given_in_the_order_of_precedence(lab: Lab) -> None:
    lab.watch.signals["f1.door"] = False
    lab.watch.trip("F1-OVER")
    lab.leases.lock_out("furnace-1", "eve", "changing the element")
    lab.drive("furnace-1")
    reasons = lab.ask(Command("furnace-1", "run-program", 1250.0, "degC"))
    parts = ("1250 degC", "F1-OVER has tripped", "F1-READY", "locked out by eve", "driven by ana")
    assert len(reasons) == len(parts)
    for reason, part in zip(reasons, parts, strict=True):
        assert part in reason


# ---------------------------------------------------------------- records


def test_a_denial_is_logged_and_kept_with_who_asked(lab: Lab) -> None:
    lab.watch.signals["f1.over"] = 412.0
    reasons = lab.ask(OPEN)
    assert lab.log.entries == [
        {
            "kind": "denied",
            "durable": False,
            "device": "mover-1",
            "command": "door-open furnace-1.door",
            "actor": "auto",
            "lease": "sample-001/load 1#1",
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


def test_the_audit_says_who_in_which_role_and_what_was_before(lab: Lab) -> None:
    ana = lab.drive("furnace-1")
    lab.ask(Command("furnace-1", "set-setpoint", 400.0, "degC"), "ana", ana.id)
    assert lab.records.entries == [
        {
            "action": "granted",
            "who": "ana",
            "role": "operator",
            "lease": "ana#2",
            "device": "furnace-1",
            "before": {"setpoint": 850.0},
            "after": "set-setpoint 400 degC",
            "reason": None,
        }
    ]


def test_everything_of_people_and_what_is_hazardous_is_audited(lab: Lab) -> None:
    lab.ask(OPEN)
    lab.ask(HEAT)
    lab.ask(Command("mover-1", "clean", subject="mill-1/1"), "ana", lab.drive("mover-1").id)
    lab.ask(HEAT, "bob", None)
    assert [(r["action"], r["who"], r["after"]) for r in lab.records.entries] == [
        ("granted", "auto", "run-program 950 degC"),
        ("granted", "ana", "clean mill-1/1"),
        ("denied", "bob", "run-program 950 degC"),
    ]


@pytest.mark.parametrize("part", ["journal", "audit"])
def test_what_cannot_be_written_down_does_not_start(lab: Lab, part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(kind: str, /, **fields: object) -> None:
        raise JournalError("disk full")

    if part == "journal":
        monkeypatch.setattr(lab.log, "write", full)
    lab.records.full = part == "audit"
    (reason,) = lab.ask(HEAT)
    assert reason.startswith("it cannot be written down, and nothing starts that is not: ")
    assert "disk full" in reason


# ---------------------------------------------------------------- asking without acting


def test_asking_judges_and_grants_nothing_and_leaves_no_trace(lab: Lab) -> None:
    with acting_as("auto", lab.auto.id), lab.gateway.only_asking() as verdicts, pytest.raises(CommandDeniedError):
        authorize(lab.gateway, HEAT)
    (verdict,) = verdicts
    assert (verdict.command, verdict.reasons) == (HEAT, ())
    assert [(c.rule, c.holds, c.seen) for c in verdict.conditions] == [("F1-READY", True, ("f1.door on",))]
    assert (lab.log.entries, lab.records.entries, lab.gateway.denials) == ([], [], [])


def test_also_a_stop_is_not_granted_to_who_only_asks(lab: Lab) -> None:
    with acting_as("ana"), lab.gateway.only_asking() as verdicts, pytest.raises(CommandDeniedError):
        authorize(lab.gateway, Command("furnace-1", "reset-program"))
    assert verdicts[0].reasons == ()
    assert lab.ask(HEAT) == ()
