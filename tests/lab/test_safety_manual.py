from __future__ import annotations

import heapq
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pytest

from drivers.clock import JumpClock
from drivers.gate import Command, DriverError, authorize, requester
from drivers.status import ActionStatus
from lab.records.journal import JournalError
from lab.safety.commands.gateway import Gateway, Limits
from lab.safety.commands.holds import CAMPAIGN, MANUAL, Holds
from lab.safety.commands.leases import LeaseBook, LeaseError, Mode
from lab.safety.commands.manual import ManualControl, ManualError, OnLeaseLoss
from lab.safety.commands.spoken import SpokenError
from lab.safety.interlocks.language import parse_expression
from lab.safety.interlocks.rules import Interlocks, Output, Rule, Signal
from tests.lab.test_safety_gateway import Log, Records, SafetyWatch

UNITS: dict[str, str | None] = {"f1.over": "degC", "f1.door": None}
READY = Rule(
    "F1-READY", "permissive", "furnace-1.heat", parse_expression("f1.door and f1.over < 1150 degC", UNITS), "close it"
)
FIRING = "sample-001/fire 1"


class Event:
    """A flag that nobody waits for longer than it takes to look."""

    def __init__(self) -> None:
        self._up = False

    def set(self) -> None:
        self._up = True

    def clear(self) -> None:
        self._up = False

    def is_set(self) -> bool:
        return self._up

    def wait(self, deadline_s: float | None = None) -> bool:
        return self._up


class Timer:
    def __init__(self) -> None:
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class HandClock:
    """Lab time that a test moves on."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self._due: list[tuple[float, int, Callable[[], None], Timer]] = []

    def now(self) -> float:
        return self.now_s

    def event(self) -> Event:
        return Event()

    def start(self, name: str, target: Callable[[], None]) -> None:
        target()

    def call_at(self, t_s: float, callback: Callable[[], None], name: str) -> Timer:
        timer = Timer()
        heapq.heappush(self._due, (t_s, len(self._due), callback, timer))
        return timer

    def advance(self, seconds: float) -> None:
        self.now_s += seconds
        while self._due and self._due[0][0] <= self.now_s:
            _, _, callback, timer = heapq.heappop(self._due)
            if not timer.cancelled:
                callback()


class Cached:
    def __init__(self, value: Any) -> None:
        self.value = value

    def get(self) -> Any:
        return self.value


@dataclass
class Device:
    """Does at once what it is told, with leave of its gate."""

    name: str
    gate: Gateway
    told: list[tuple[str, str, str]] = field(default_factory=list)
    """(actor, lease, command)"""
    fails: dict[str, DriverError] = field(default_factory=dict)
    never_ends: set[str] = field(default_factory=set)
    LOOKS: ClassVar[frozenset[str]] = frozenset()
    VERBS: ClassVar[Mapping[str, str]] = {}

    def set(self, verb: str, /, **arguments: Any) -> ActionStatus:
        status: ActionStatus = getattr(self, self.VERBS[verb])(**arguments)
        return status

    def act(self, verb: str, value: float | None = None, unit: str | None = None) -> ActionStatus:
        command = Command(self.name, verb, value, unit)
        authorize(self.gate, command)
        self.told.append((requester().actor, str(requester().lease), command.describe()))
        status = ActionStatus(self.name, verb)
        if verb in self.fails:
            status.set_exception(self.fails[verb])
        elif verb not in self.never_ends:
            self.done(verb, value)
            status.set_finished()
        return status

    def done(self, verb: str, value: float | None) -> None:
        """What the instrument does."""

    def commands(self) -> list[str]:
        return [command for _, _, command in self.told]


@dataclass
class Furnace(Device):
    VERBS: ClassVar[Mapping[str, str]] = {
        "set-setpoint": "set_setpoint",
        "wait-cooled": "wait_cooled",
        "reset-program": "reset_program",
        "hold-program": "hold_program",
        "continue-program": "continue_program",
    }
    LOOKS: ClassVar[frozenset[str]] = frozenset({"wait-cooled"})

    def __post_init__(self) -> None:
        self.program_status, self.setpoint_degc = Cached("reset"), Cached(0.0)

    def set_setpoint(self, degc: float) -> ActionStatus:
        if degc > 1200.0:
            raise DriverError(f"{self.name}: {degc:g} degC requested, limit 1200 degC")
        return self.act("set-setpoint", float(degc), "degC")

    def wait_cooled(self, below_degc: float) -> ActionStatus:
        raise AssertionError("nobody looks by hand")

    def reset_program(self) -> ActionStatus:
        return self.act("reset-program")

    def hold_program(self) -> ActionStatus:
        return self.act("hold-program")

    def continue_program(self) -> ActionStatus:
        return self.act("continue-program")

    def done(self, verb: str, value: float | None) -> None:
        status = {"hold-program": "hold", "continue-program": "run"}.get(verb, "reset")
        self.program_status.value = status
        if verb in {"set-setpoint", "reset-program"}:
            self.setpoint_degc.value = value or 0.0


class Safety(Device):
    VERBS: ClassVar[Mapping[str, str]] = {"close-contactor": "close", "open-contactor": "open", "rearm": "rearm"}

    def close(self) -> ActionStatus:
        return self.act("close-contactor")

    def open(self) -> ActionStatus:
        return self.act("open-contactor")

    def rearm(self) -> ActionStatus:
        return self.act("rearm")


class Mover(Device):
    VERBS: ClassVar[Mapping[str, str]] = {"clean": "clean", "stop": "halt"}

    def clean(self, position: str) -> ActionStatus:
        return self.act("clean")

    def halt(self) -> ActionStatus:
        return self.act("stop")


class Lab:
    """A furnace with its contactor and a mover, in the hands of whoever takes them."""

    def __init__(self, on_lease_loss: Mapping[str, OnLeaseLoss] | None = None, clock: Any = None) -> None:
        self.now_s = 0.0
        hand: Any = HandClock()
        self.clock: Any = hand if clock is None else clock
        self.watch, self.log, self.records = Watch(), Log(), Records()
        self.leases = LeaseBook(lambda: self.now_s, wall=lambda: 0.0)
        self.holds = Holds()
        signals = {n: Signal(n, "safety-1", "ai1" if u else "di1", u, -9e9, 9e9, 1.0) for n, u in UNITS.items()}
        interlocks = Interlocks(signals, {"f1.heater": Output("f1.heater", "safety-1", "do1")}, (READY,), ())
        limits = {
            "furnace-1": Limits({"run-program": (1100.0, "degC"), "set-setpoint": (1100.0, "degC")}),
            "mover-1": Limits(),
            "safety-1": Limits(watched=("furnace-1",)),
        }
        self.gateway = Gateway(
            limits, interlocks, self.watch, self.leases, self.clock, self.log, self.records, lambda device: {}
        )
        self.furnace = Furnace("furnace-1", self.gateway)
        self.safety, self.mover = Safety("safety-1", self.gateway), Mover("mover-1", self.gateway)
        self.manual = ManualControl(
            {"furnace-1": self.furnace, "mover-1": self.mover, "safety-1": self.safety},
            self.gateway,
            self.leases,
            self.watch,
            self.clock,
            self.log,
            self.holds,
            on_lease_loss=on_lease_loss,
            now=lambda: self.now_s,
        )

    def take(self, user: str = "ana") -> str:
        return self.manual.take("furnace-1", user, "operator").lease.id

    def lapse(self) -> None:
        self.now_s += 31.0
        self.manual.look_for_lapsed()

    def noted(self) -> list[str]:
        return [entry["kind"] for entry in self.log.entries if entry["kind"] != "granted"]


@dataclass
class Watch(SafetyWatch):
    """Remembers what it was asked to do."""

    signals: dict[str, Any] = field(default_factory=lambda: {"f1.over": 25.0, "f1.door": True})
    asked: list[dict[str, Any]] = field(default_factory=list)

    def request(self, message: Mapping[str, Any]) -> dict[str, Any]:
        self.asked.append(dict(message))
        return {"ok": True}


@pytest.fixture
def lab() -> Lab:
    return Lab()


# ---------------------------------------------------------------- taking


def test_taking_holds_the_recipe_and_gives_the_device_for_half_a_minute(lab: Lab) -> None:
    taken = lab.manual.take("furnace-1", "ana", "operator")
    assert lab.holds.why({"furnace-1"}, safer=True) == "furnace-1 is driven by ana"
    assert lab.leases.current("furnace-1") == taken.lease
    assert (taken.lease.role, taken.lease.expires_s, taken.notes) == ("operator", 30.0, ())
    assert taken.to_json()["verbs"] == [
        "set-setpoint 400 degC",
        "reset-program",
        "hold-program",
        "continue-program",
        "close-contactor",
        "open-contactor",
    ]
    assert lab.noted() == ["manual-taken"]
    assert lab.records.entries[0]["action"] == "manual-taken"


def test_a_programme_that_runs_is_put_on_hold_and_its_setpoint_stays(lab: Lab) -> None:
    lab.furnace.program_status.value, lab.furnace.setpoint_degc.value = "run", 850.0
    lease = lab.take()
    assert lab.furnace.told == [("ana", lease, "hold-program")]
    assert (lab.furnace.program_status.value, lab.furnace.setpoint_degc.value) == ("hold", 850.0)


def test_a_programme_that_cannot_be_put_on_hold_runs_on_and_the_person_is_told(lab: Lab) -> None:
    lab.furnace.program_status.value = "run"
    lab.furnace.fails["hold-program"] = DriverError("furnace-1: nobody answers")
    assert lab.manual.take("furnace-1", "ana").notes == (
        "the programme of furnace-1 runs on: furnace-1: nobody answers",
    )


def test_the_recipe_is_held_before_the_device_changes_hands(lab: Lab) -> None:
    seen: list[str | None] = []
    taking = lab.leases.take

    def take(*args: Any, **kwargs: Any) -> Any:
        seen.append(lab.holds.why({"furnace-1"}))
        return taking(*args, **kwargs)

    lab.leases.take = take  # type: ignore[method-assign]
    lab.take()
    assert seen == ["furnace-1 is driven by ana"]


def test_a_task_loses_the_device_to_a_person_and_another_person_does_not(lab: Lab) -> None:
    lab.leases.take(FIRING, Mode.AUTO, {"furnace-1"})
    lab.take()
    with pytest.raises(LeaseError, match="driven by ana"):
        lab.take("bob")
    assert lab.holds.why({"furnace-1"}) == "furnace-1 is driven by ana"


def test_who_is_refused_holds_nothing(lab: Lab) -> None:
    lab.leases.take("bob", Mode.MAINTENANCE, {"furnace-1"})
    with pytest.raises(LeaseError):
        lab.take("ana")
    assert lab.holds.all() == {}


def test_a_contactor_is_taken_with_its_furnace(lab: Lab) -> None:
    with pytest.raises(ManualError, match="safety-1 holds the contactor of furnace-1: take furnace-1"):
        lab.manual.take("safety-1", "ana")


def test_an_unknown_device_is_told_with_the_known_ones(lab: Lab) -> None:
    with pytest.raises(ManualError, match=r"no device is named 'furnace-9'.*furnace-1, mover-1, safety-1"):
        lab.manual.take("furnace-9", "ana")


def test_nobody_drives_where_time_jumps() -> None:
    lab = Lab(clock=JumpClock())
    for act in (lambda: lab.take(), lambda: lab.manual.hold(CAMPAIGN, "ana")):
        with pytest.raises(ManualError, match="time jumps in this run, past whoever types: start it with --clock real"):
            act()
    assert lab.holds.all() == {}


# ---------------------------------------------------------------- arming and executing


def test_arming_says_what_would_be_done_and_does_nothing(lab: Lab) -> None:
    armed = lab.manual.arm(lab.take(), "furnace-1", "set-setpoint", "400 degC")
    assert (armed.text, armed.reasons, armed.hazard) == ("set-setpoint 400 degC", (), "medium")
    shown = armed.to_json()
    assert shown["conditions"] == [
        {
            "rule": "F1-READY",
            "holds": True,
            "bypassed": False,
            "seen": ["f1.door on", "f1.over 25 degC"],
            "guidance": "close it",
        }
    ]
    assert lab.furnace.told == []
    assert [a.token for a in lab.manual.armed()] == [armed.token]


def test_value_and_unit_may_come_apart(lab: Lab) -> None:
    assert lab.manual.arm(lab.take(), "furnace-1", "set-setpoint", "400", "degC").arguments == {"degc": 400.0}


def test_what_was_armed_is_executed_once_and_in_the_persons_name(lab: Lab) -> None:
    lease = lab.take()
    token = lab.manual.arm(lease, "furnace-1", "set-setpoint", "400 degC").token
    assert lab.manual.execute(token, "ana") == {
        "device": "furnace-1",
        "command": "set-setpoint 400 degC",
        "done": True,
        "notes": [],
    }
    assert lab.furnace.told == [("ana", lease, "set-setpoint 400 degC")]
    with pytest.raises(ManualError, match="not armed, or was executed already"):
        lab.manual.execute(token, "ana")
    assert lab.furnace.setpoint_degc.value == 400.0


def test_an_armed_command_is_for_one_person_and_half_a_minute(lab: Lab) -> None:
    lease = lab.take()
    token = lab.manual.arm(lease, "furnace-1", "set-setpoint", "400 degC").token
    with pytest.raises(ManualError, match="was armed by ana, not by bob"):
        lab.manual.execute(token, "bob")
    token = lab.manual.arm(lease, "furnace-1", "set-setpoint", "400 degC").token
    lab.now_s += 29.0
    lab.manual.renew(lease)
    lab.now_s += 2.0
    assert lab.manual.armed() == []
    with pytest.raises(ManualError, match="was armed more than 30 s ago"):
        lab.manual.execute(token, "ana")
    assert lab.furnace.told == []


def test_what_would_be_denied_is_told_when_it_is_armed(lab: Lab) -> None:
    lab.watch.signals["f1.door"] = False
    armed = lab.manual.arm(lab.take(), "furnace-1", "set-setpoint", "1150 degC")
    assert armed.reasons == (
        "1150 degC requested, limit 1100 degC (lab file)",
        "F1-READY: f1.door is off, and must be on: close it",
    )
    assert lab.gateway.denials == []


def test_what_the_driver_itself_refuses_is_a_reason_too(lab: Lab) -> None:
    armed = lab.manual.arm(lab.take(), "furnace-1", "set-setpoint", "1300 degC")
    assert armed.reasons == ("furnace-1: 1300 degC requested, limit 1200 degC",)
    with pytest.raises(ManualError, match="1300 degC requested"):
        lab.manual.execute(armed.token, "ana")


def test_executing_judges_again(lab: Lab) -> None:
    armed = lab.manual.arm(lab.take(), "furnace-1", "set-setpoint", "400 degC")
    lab.watch.trip("F1-OVER", "f1.heater")
    with pytest.raises(ManualError) as refused:
        lab.manual.execute(armed.token, "ana")
    assert refused.value.reasons == ("F1-OVER has tripped and was not reset",)
    assert lab.furnace.told == []
    assert lab.noted()[-1] == "denied"


def test_what_was_armed_on_another_plant_is_armed_again(lab: Lab) -> None:
    lab.watch.signals["f1.door"] = False
    lab.watch.bypasses = frozenset()
    lease = lab.take()
    armed = lab.manual.arm(lease, "furnace-1", "hold-program")
    lab.furnace.program_status.value = "run"
    with pytest.raises(ManualError, match="what hold-program was armed on has changed since: arm it again"):
        lab.manual.execute(armed.token, "ana")
    assert lab.furnace.told == []


def test_arming_again_voids_what_was_armed_before(lab: Lab) -> None:
    lease = lab.take()
    first = lab.manual.arm(lease, "furnace-1", "set-setpoint", "400 degC")
    lab.manual.arm(lease, "furnace-1", "set-setpoint", "500 degC")
    with pytest.raises(ManualError, match="not armed"):
        lab.manual.execute(first.token, "ana")


def test_the_contactor_of_a_furnace_is_driven_with_its_lease(lab: Lab) -> None:
    armed = lab.manual.arm(lab.take(), "furnace-1", "close-contactor")
    assert (armed.device, armed.hazard) == ("safety-1", "medium")
    lab.manual.execute(armed.token, "ana")
    assert lab.safety.commands() == ["close-contactor"]


@pytest.mark.parametrize("verb", ["run-program", "wait-cooled", "rearm", "explode"])
def test_a_verb_that_is_not_for_hands_is_refused_with_those_that_are(lab: Lab, verb: str) -> None:
    with pytest.raises(ManualError, match=f"furnace-1 cannot be told to '{verb}' by hand: there are set-setpoint 400"):
        lab.manual.arm(lab.take(), "furnace-1", verb)


def test_a_value_that_cannot_be_read_is_refused(lab: Lab) -> None:
    with pytest.raises(SpokenError, match="degC"):
        lab.manual.arm(lab.take(), "furnace-1", "set-setpoint", "400 mg")


def test_a_lease_drives_its_own_device_only(lab: Lab) -> None:
    with pytest.raises(ManualError, match="is for furnace-1, not for mover-1"):
        lab.manual.arm(lab.take(), "mover-1", "clean", "mill-1/1")


def test_a_command_that_fails_is_told_and_one_that_takes_long_is_under_way(lab: Lab) -> None:
    lease = lab.take()
    lab.furnace.fails["set-setpoint"] = DriverError("furnace-1: register 2 is locked at the panel")
    token = lab.manual.arm(lease, "furnace-1", "set-setpoint", "400 degC").token
    with pytest.raises(ManualError, match="register 2 is locked at the panel"):
        lab.manual.execute(token, "ana")
    lab.furnace.fails.clear()
    lab.furnace.never_ends.add("set-setpoint")
    token = lab.manual.arm(lease, "furnace-1", "set-setpoint", "400 degC").token
    assert lab.manual.execute(token, "ana")["done"] is False


def test_nothing_is_armed_or_executed_without_a_lease_that_lives(lab: Lab) -> None:
    lease = lab.take()
    token = lab.manual.arm(lease, "furnace-1", "set-setpoint", "400 degC").token
    lab.leases.release(lease)
    with pytest.raises(LeaseError, match="was given back"):
        lab.manual.execute(token, "ana")
    with pytest.raises(LeaseError, match="was given back"):
        lab.manual.arm(lease, "furnace-1", "reset-program")


# ---------------------------------------------------------------- giving back


def test_giving_back_resumes_nothing(lab: Lab) -> None:
    lab.furnace.program_status.value, lab.furnace.setpoint_degc.value = "run", 850.0
    assert lab.manual.release(lab.take()) == ()
    assert lab.leases.current("furnace-1") is None
    assert lab.holds.why({"furnace-1"}, safer=True) == "furnace-1 was driven by ana: somebody must resume it"
    assert (lab.furnace.program_status.value, lab.furnace.setpoint_degc.value) == ("hold", 850.0)
    lab.clock.advance(1e6)
    assert lab.furnace.commands() == ["hold-program"]


def test_a_furnace_that_no_recipe_keeps_hot_goes_to_its_declared_state_when_it_is_given_back(lab: Lab) -> None:
    lease = lab.take()
    lab.manual.execute(lab.manual.arm(lease, "furnace-1", "set-setpoint", "400 degC").token, "ana")
    assert lab.manual.release(lease) == ("furnace-1 goes to its safe state",)
    assert lab.furnace.commands() == ["set-setpoint 400 degC", "reset-program"]
    assert lab.safety.commands() == ["open-contactor"]


def test_a_cold_furnace_is_simply_given_back(lab: Lab) -> None:
    assert lab.manual.release(lab.take()) == ()
    assert lab.furnace.told == lab.safety.told == []


def test_what_ended_cannot_be_given_back(lab: Lab) -> None:
    lease = lab.take()
    lab.manual.release(lease)
    with pytest.raises(LeaseError, match="was given back"):
        lab.manual.release(lease)


# ---------------------------------------------------------------- resuming


def test_resuming_has_the_programme_and_then_the_recipe_go_on(lab: Lab) -> None:
    lab.furnace.program_status.value = "run"
    lab.manual.release(lab.take())
    lab.manual.resume("furnace-1", "bob", "operator")
    assert lab.furnace.commands() == ["hold-program", "continue-program"]
    assert lab.furnace.told[-1][0] == "bob"
    assert lab.furnace.program_status.value == "run"
    assert lab.holds.all() == {}
    assert lab.leases.current("furnace-1") is None
    assert lab.noted()[-1] == "resumed"


def test_resuming_asks_the_rules_again(lab: Lab) -> None:
    lab.furnace.program_status.value = "run"
    lab.manual.release(lab.take())
    lab.watch.signals["f1.door"] = False
    with pytest.raises(ManualError) as refused:
        lab.manual.resume("furnace-1", "bob")
    assert refused.value.reasons == ("F1-READY: f1.door is off, and must be on: close it",)
    assert lab.furnace.program_status.value == "hold"
    assert lab.holds.why({"furnace-1"}) is not None
    assert lab.leases.current("furnace-1") is None


def test_nothing_is_resumed_while_somebody_drives_or_has_their_hands_in_it(lab: Lab) -> None:
    lease = lab.take()
    with pytest.raises(ManualError, match=r"driven by ana .* release it first"):
        lab.manual.resume("furnace-1", "ana")
    lab.manual.release(lease)
    lab.leases.lock_out("furnace-1", "eve", "changing the element")
    with pytest.raises(ManualError, match="locked out by eve"):
        lab.manual.resume("furnace-1", "ana")
    assert lab.holds.why({"furnace-1"}) is not None


def heated(lab: Lab) -> str:
    """Gives the lease of ana, who keeps a furnace at 400 degC by hand."""
    lease = lab.take()
    lab.manual.execute(lab.manual.arm(lease, "furnace-1", "set-setpoint", "400 degC").token, "ana")
    return lease


@pytest.mark.parametrize("by", ["giving back", "falling silent"])
def test_a_furnace_that_was_left_hot_is_not_resumed_and_cools_all_the_same(by: str) -> None:
    lab = Lab({"furnace-1": OnLeaseLoss(600.0)})
    lease = heated(lab)
    if by == "giving back":
        lab.manual.release(lease)
    else:
        lab.lapse()
    with pytest.raises(ManualError, match="kept at a setpoint by no recipe, and stays on its way to its safe state"):
        lab.manual.resume("furnace-1", "bob")
    assert lab.holds.why({"furnace-1"}) is not None
    lab.clock.advance(601.0)
    assert lab.furnace.commands() == ["set-setpoint 400 degC", "reset-program"]
    assert lab.safety.commands() == ["open-contactor"]
    lab.manual.resume("furnace-1", "bob")
    assert lab.holds.all() == {}


def test_a_furnace_that_could_not_be_made_safe_is_not_resumed(lab: Lab) -> None:
    lease = heated(lab)
    lab.furnace.fails["reset-program"] = DriverError("furnace-1: nobody answers")
    lab.manual.release(lease)
    with pytest.raises(ManualError, match="take it"):
        lab.manual.resume("furnace-1", "bob")


def test_a_furnace_whose_programme_has_ended_is_resumed_after_a_hold(lab: Lab) -> None:
    lab.furnace.program_status.value, lab.furnace.setpoint_degc.value = "end", 25.0
    lab.manual.hold("furnace-1", "ana")
    lab.manual.resume("furnace-1", "ana")
    assert lab.holds.all() == {}


@pytest.mark.parametrize("key", ["furnace-1", CAMPAIGN])
def test_nothing_is_resumed_before_a_stop_was_reset(lab: Lab, key: str) -> None:
    lab.furnace.program_status.value = "hold"
    lab.manual.hold(key, "ana")
    lab.watch.trip("STOP by eve")
    with pytest.raises(ManualError, match="STOP by eve was not reset: reset first: athanor reset"):
        lab.manual.resume(key, "ana")
    assert lab.holds.why({key}) == "held by ana"
    assert lab.furnace.told == []
    lab.watch.latched.clear()
    lab.manual.resume(key, "ana")
    assert lab.holds.all() == {}


def test_a_sample_and_the_campaign_are_held_and_resumed_by_name(lab: Lab) -> None:
    lab.manual.hold("sample-001", "ana", "looks odd")
    lab.manual.hold(CAMPAIGN, "bob")
    assert lab.holds.why({"sample-001", CAMPAIGN}) == "held by bob; held by ana: looks odd"
    lab.manual.resume("sample-001", "bob")
    lab.manual.resume(CAMPAIGN, "ana")
    assert lab.holds.all() == {}
    assert lab.noted() == ["hold", "hold", "resumed", "resumed"]


# ---------------------------------------------------------------- when the person is gone


def test_a_lease_that_lapses_takes_the_device_to_its_safe_state_at_once(lab: Lab) -> None:
    lab.furnace.program_status.value, lab.furnace.setpoint_degc.value = "run", 850.0
    lab.take()
    lab.lapse()
    assert lab.furnace.commands() == ["hold-program", "reset-program"]
    assert lab.safety.commands() == ["open-contactor"]
    assert lab.furnace.told[-1][0] == "lease of ana, which ended"
    assert lab.holds.why({"furnace-1"}) == "the lease of ana on furnace-1 lapsed: somebody must resume it"
    (alarm,) = lab.watch.asked
    assert alarm["text"] == "the lease of ana on furnace-1 lapsed: furnace-1 goes to its safe state"
    assert "manual-lapsed" in lab.noted()


def test_a_device_stays_as_it_is_for_as_long_as_was_declared() -> None:
    lab = Lab({"furnace-1": OnLeaseLoss(600.0)})
    lab.furnace.program_status.value = "run"
    lab.take()
    lab.lapse()
    assert (
        "furnace-1 stays as it is for 10 min, and goes to its safe state unless it is taken"
        in (lab.watch.asked[0]["text"])
    )
    lab.clock.advance(599.0)
    assert lab.furnace.commands() == ["hold-program"]
    lab.clock.advance(2.0)
    assert lab.furnace.commands() == ["hold-program", "reset-program"]


@pytest.mark.parametrize("by", ["taking", "resuming"])
def test_somebody_who_answers_for_the_device_again_keeps_it_as_it_is(by: str) -> None:
    lab = Lab({"furnace-1": OnLeaseLoss(600.0)})
    lab.furnace.program_status.value = "run"
    lab.take()
    lab.lapse()
    lab.clock.advance(599.0)
    if by == "taking":
        lab.take("bob")
    else:
        lab.manual.resume("furnace-1", "bob")
    lab.clock.advance(1e6)
    assert "reset-program" not in lab.furnace.commands()


def test_the_alarm_is_cleared_when_somebody_answers_for_the_device_again(lab: Lab) -> None:
    lab.take()
    assert lab.watch.asked == []
    lab.lapse()
    lab.take("bob")
    assert lab.watch.asked[-1] == {"do": "clear", "key": "manual:furnace-1"}
    lab.leases.release("bob#2")
    asked = len(lab.watch.asked)
    lab.manual.resume("furnace-1", "bob")
    assert len(lab.watch.asked) == asked


def test_what_was_armed_is_void_when_the_lease_lapses(lab: Lab) -> None:
    armed = lab.manual.arm(lab.take(), "furnace-1", "set-setpoint", "400 degC")
    lab.lapse()
    with pytest.raises(ManualError, match="not armed"):
        lab.manual.execute(armed.token, "ana")


def test_a_mover_is_stopped_when_its_person_is_gone(lab: Lab) -> None:
    lab.manual.take("mover-1", "ana")
    lab.lapse()
    assert lab.mover.commands() == ["stop"]


def test_a_device_that_does_not_stop_raises_an_alarm(lab: Lab) -> None:
    lab.take()
    lab.furnace.fails["reset-program"] = DriverError("furnace-1: nobody answers")
    lab.lapse()
    texts = [message["text"] for message in lab.watch.asked]
    assert "furnace-1 was not made safe after ana left it: furnace-1: nobody answers" in texts
    assert lab.safety.commands() == ["open-contactor"]


def full(kind: str, /, **fields: object) -> None:
    raise JournalError("journal.jsonl: disk full")


def test_a_full_disk_keeps_no_lapsed_device_from_its_safe_state(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    heated(lab)
    lab.manual.take("mover-1", "bob")
    monkeypatch.setattr(lab.log, "write", full)
    lab.lapse()
    assert lab.furnace.commands()[-1] == "reset-program"
    assert lab.safety.commands() == ["open-contactor"]
    assert lab.mover.commands() == ["stop"]
    assert {message["key"] for message in lab.watch.asked} == {"manual:furnace-1", "manual:mover-1"}
    assert "manual-lapsed mover-1: journal.jsonl: disk full" in lab.gateway.unlogged


def test_a_device_that_cannot_be_left_keeps_no_other_one_from_its_safe_state(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave = lab.manual._unattended.leave

    def failing(device: str, holder: str) -> str:
        if device == "furnace-1":
            raise DriverError("furnace-1: nobody answers")
        return leave(device, holder)

    monkeypatch.setattr(lab.manual._unattended, "leave", failing)
    lab.take()
    lab.manual.take("mover-1", "bob")
    lab.lapse()
    assert lab.mover.commands() == ["stop"]
    texts = [message["text"] for message in lab.watch.asked]
    assert "furnace-1 was not made safe after ana left it: furnace-1: nobody answers" in texts


def test_a_full_disk_keeps_no_furnace_hot_that_is_given_back(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lease = heated(lab)
    monkeypatch.setattr(lab.log, "write", full)
    assert lab.manual.release(lease) == ("furnace-1 goes to its safe state",)
    assert lab.furnace.commands()[-1] == "reset-program"
    assert lab.safety.commands() == ["open-contactor"]
    assert "manual-released furnace-1: journal.jsonl: disk full" in lab.gateway.unlogged


def test_the_look_for_lapsed_leases_survives_an_error(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[None] = []

    def look() -> None:
        looks.append(None)
        if len(looks) == 2:
            lab.manual._closing.set()
        raise JournalError("disk full")

    monkeypatch.setattr("lab.safety.commands.manual.TICK_S", 0.0)
    monkeypatch.setattr(lab.manual, "look_for_lapsed", look)
    lab.manual._watch_leases()
    assert len(looks) == 2
    assert lab.gateway.unlogged == ["leases that lapsed: disk full"] * 2


def test_a_shared_contactor_is_left_to_the_other_furnace(lab: Lab) -> None:
    limits: Any = lab.gateway.limits
    limits["safety-1"] = Limits(watched=("furnace-1", "furnace-2"))
    lab.take()
    lab.lapse()
    assert lab.furnace.commands() == ["reset-program"]
    assert lab.safety.told == []


def test_a_lease_that_is_renewed_does_not_lapse(lab: Lab) -> None:
    lease = lab.take()
    for _ in range(5):
        lab.now_s += 20.0
        lab.manual.renew(lease)
        lab.manual.look_for_lapsed()
    assert lab.watch.asked == []
    assert lab.furnace.told == []


@pytest.fixture
def watched(lab: Lab) -> Iterator[Lab]:
    lab.manual.start()
    yield lab
    lab.manual.close()


def test_leases_are_looked_after_by_a_thread_of_their_own(watched: Lab) -> None:
    assert any(thread.name == "leases by hand" for thread in threading.enumerate())
    watched.manual.close()
    assert not any(thread.name == "leases by hand" for thread in threading.enumerate())
    assert MANUAL not in watched.holds.all()
