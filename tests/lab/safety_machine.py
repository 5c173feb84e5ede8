"""Two recipes, two people, a supervisor and time, in any order, against the real leases and the real gateway.

The model below says in its own words what must be granted; the two must agree at every command. CI runs a few
hundred sequences (`test_safety_machine.py`), `benchmarks/safety.py` thousands:

    run_state_machine_as_test(SafetyMachine, settings=settings(max_examples=2000, stateful_step_count=50))
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from drivers.gate import Command, Granted
from lab.safety.commands.gateway import HAZARDOUS, SAFER, Gateway, Limits
from lab.safety.commands.leases import LONGEST_S, LeaseBook, LeaseError, Mode
from lab.safety.interlocks.expressions import Value
from lab.safety.interlocks.language import parse_expression
from lab.safety.interlocks.rules import Interlocks, Output, Rule, Signal

PEOPLE = ("ana", "bob")
TASKS = ("sample-001/fire 1", "sample-002/load 1")
DEVICES = ("furnace-1", "furnace-2", "mover-1")
MODULE = {"furnace-1": "safety-1", "furnace-2": "safety-2"}
HEATER = {"furnace-1": "f1.heater", "furnace-2": "f2.heater"}
UNITS: dict[str, str | None] = {"f1.over": "degC", "f1.door": None, "f2.over": "degC", "f2.door": None}
LIMITS = {
    "furnace-1": Limits({"run-program": (1100.0, "degC"), "set-setpoint": (1100.0, "degC")}),
    "furnace-2": Limits({"run-program": (1100.0, "degC"), "set-setpoint": (1100.0, "degC")}),
    "mover-1": Limits(),
    "safety-1": Limits(watched=("furnace-1",)),
    "safety-2": Limits(watched=("furnace-2",)),
}


def _rules(n: int) -> tuple[Rule, ...]:
    over, door = f"f{n}.over", f"f{n}.door"
    return (
        Rule(
            f"F{n}-DOOR", "permissive", f"furnace-{n}.door.open", parse_expression(f"{over} < 60 degC", UNITS), "wait"
        ),
        Rule(f"F{n}-READY", "permissive", f"furnace-{n}.heat", parse_expression(door, UNITS), "close", bypassable=True),
        Rule(f"F{n}-HOT", "interlock", f"f{n}.heater", parse_expression(f"{over} < 1150 degC", UNITS), "look"),
        Rule(f"F{n}-WAIT", "hold", f"furnace-{n}", parse_expression(f"{over} > 1000 degC", UNITS), "wait"),
    )


INTERLOCKS = Interlocks(
    {name: Signal(name, "s", "di1" if unit is None else "ai1", unit, -9e9, 9e9, 1.0) for name, unit in UNITS.items()},
    {"f1.heater": Output("f1.heater", "safety-1", "do1"), "f2.heater": Output("f2.heater", "safety-2", "do1")},
    (*_rules(1), *_rules(2)),
    (),
)


def commands() -> list[Command]:
    """One of each kind for each device."""
    found = []
    for furnace in MODULE:
        found += [
            Command(furnace, "run-program", 950.0, "degC"),
            Command(furnace, "set-setpoint", 400.0, "degC"),
            Command(furnace, "continue-program"),
            Command(furnace, "hold-program"),
            Command(furnace, "reset-program"),
            Command(MODULE[furnace], "close-contactor"),
            Command(MODULE[furnace], "open-contactor"),
            Command("mover-1", "door-open", subject=f"{furnace}.door"),
            Command("mover-1", "door-close", subject=f"{furnace}.door"),
            Command("mover-1", "move", f"{furnace}/1", subject="crucibles/1"),
        ]
    return [*found, Command("mover-1", "move", "mill-1/1", subject="vials/1"), Command("mover-1", "stop")]


COMMANDS = commands()


@dataclass
class Plant:
    """What the safety layer says; a `Watch`."""

    signals: dict[str, Value] = field(default_factory=lambda: {n: 25.0 if u else True for n, u in UNITS.items()})
    latched: dict[str, tuple[str, ...]] = field(default_factory=dict)
    permit: bool = True
    bypasses: frozenset[str] = frozenset()
    waiting: frozenset[str] = frozenset()

    def tripped(self) -> tuple[str, ...]:
        return (*(() if self.permit else ("no permit",)), *self.latched)

    def values(self) -> Mapping[str, Value]:
        return self.signals

    def held(self) -> frozenset[str]:
        return self.waiting

    def bypassed(self) -> frozenset[str]:
        return self.bypasses

    def snapshot(self) -> dict[str, Any]:
        return {"tripped": [{"cause": cause, "targets": list(on)} for cause, on in self.latched.items()]}

    def request(self, message: Mapping[str, Any]) -> dict[str, Any]:
        return {"ok": True}


class StillClock:
    """A clock that does at once what is to be done later."""

    def now(self) -> float:
        return 0.0

    def start(self, name: str, target: Callable[[], None]) -> None:
        target()


class NoLog:
    """Takes everything."""

    def write(self, kind: str, /, *, durable: bool = False, **fields: object) -> None:
        pass


@dataclass
class Held:
    """The model of one lease."""

    holder: str
    auto: bool
    devices: frozenset[str]
    """Those that it still has."""
    until_s: float


class SafetyMachine(RuleBasedStateMachine):
    """Everything that can happen between who writes and what is written."""

    counts: ClassVar[Counter[tuple[str, bool]]] = Counter()
    """(verb, granted) to how often, over all sequences: a machine that grants nothing proves nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0
        self.plant = Plant()
        self.book = LeaseBook(lambda: self.now_s, wall=lambda: 0.0)
        clock: Any = StillClock()
        self.gateway = Gateway(LIMITS, INTERLOCKS, self.plant, self.book, clock, NoLog())
        self.held: dict[str, Held] = {}
        """Lease id to what the model knows of it; those that ended have no devices."""
        self.locks: set[tuple[str, str]] = set()
        self.fences: list[int] = []
        self.modes: dict[str, Mode] = {}

    # -- the model

    def expire(self) -> None:
        for lease in self.held.values():
            if lease.until_s <= self.now_s:
                lease.devices = frozenset()

    def writer(self, device: str) -> str | None:
        self.expire()
        found = [name for name, lease in self.held.items() if device in lease.devices]
        assert len(found) <= 1
        return found[0] if found else None

    def touched(self, command: Command) -> set[str]:
        furnace = next((f for f, module in MODULE.items() if module == command.device), command.device)
        named = {str(text).replace(".", "/").partition("/")[0] for text in (command.value, command.subject)}
        return {furnace} | (named & set(DEVICES))

    def may(self, command: Command, lease: str | None, actor: str) -> bool:
        if command.verb in SAFER:
            return True
        owner = next((f for f, module in MODULE.items() if module == command.device), command.device)
        touched = self.touched(command)
        if any(cause.startswith("STOP by ") for cause in self.plant.latched):
            return False
        if lease is None or self.writer(owner) != lease:
            return False
        if any(self.writer(device) not in (None, lease) for device in touched):
            return False
        if self.held[lease].auto != (actor == "auto") or (actor != "auto" and self.held[lease].holder != actor):
            return False
        if any((device, who) in self.locks for device in touched for who in PEOPLE):
            return False
        return self.rules_allow(command, owner, actor, touched)

    def rules_allow(self, command: Command, owner: str, actor: str, touched: set[str]) -> bool:
        if actor == "auto" and touched & self.plant.waiting:
            return False
        if command.verb == "door-open":
            over = self.plant.signals[f"f{str(command.subject)[8]}.over"]
            return over is not None and over < 60
        if command.verb not in HAZARDOUS:
            return True
        n = owner[-1]
        over, door = self.plant.signals[f"f{n}.over"], self.plant.signals[f"f{n}.door"]
        tripped = any(HEATER[owner] in targets for targets in self.plant.latched.values())
        closed = door is True or f"F{n}-READY" in self.plant.bypasses
        return self.plant.permit and not tripped and closed and over is not None and over < 1150

    # -- who writes

    @initialize()
    def two_recipes_are_at_work(self) -> None:
        self.take(TASKS[0], Mode.AUTO, frozenset({"furnace-1"}), math.inf)
        self.take(TASKS[1], Mode.AUTO, frozenset({"furnace-2", "mover-1"}), math.inf)

    @rule(task=st.sampled_from(TASKS), devices=st.sets(st.sampled_from(DEVICES), min_size=1))
    def a_task_takes(self, task: str, devices: set[str]) -> None:
        self.take(task, Mode.AUTO, frozenset(devices), math.inf)

    @rule(
        person=st.sampled_from(PEOPLE),
        device=st.sampled_from(DEVICES),
        mode=st.sampled_from([Mode.MANUAL, Mode.MANUAL, Mode.MAINTENANCE]),
        life_s=st.sampled_from([1.0, 10.0, LONGEST_S]),
    )
    def a_person_takes(self, person: str, device: str, mode: Mode, life_s: float) -> None:
        self.take(person, mode, frozenset({device}), life_s)

    def take(self, holder: str, mode: Mode, devices: frozenset[str], life_s: float) -> None:
        in_the_way = [
            name
            for device in devices
            if (name := self.writer(device)) is not None and not self.gives_way(self.held[name], holder, mode, name)
        ]
        try:
            lease = self.book.take(holder, mode, devices, life_s=min(life_s, LONGEST_S))
        except LeaseError:
            assert in_the_way
            return
        assert not in_the_way
        self.fences.append(lease.fence)
        for other in self.held.values():
            other.devices -= devices
        self.held[lease.id] = Held(holder, mode is Mode.AUTO, devices, self.now_s + life_s)
        self.modes[lease.id] = mode
        self.who_writes_tries()

    def gives_way(self, other: Held, holder: str, mode: Mode, name: str) -> bool:
        own = other.holder == holder and self.modes[name] is mode
        return own or (other.auto and mode is not Mode.AUTO)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def renew(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.held)))
        self.expire()
        try:
            self.book.renew(name)
        except LeaseError:
            assert not self.held[name].devices
        else:
            if not self.held[name].auto and self.held[name].devices:
                self.held[name].until_s = self.now_s + LONGEST_S

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.held)))
        self.book.release(name)
        self.held[name].devices = frozenset()

    @rule(passing_s=st.sampled_from([0.1, 0.9, 9.0, 29.0, 30.0, 3600.0]))
    def time_passes(self, passing_s: float) -> None:
        before = {device: self.writer(device) for device in DEVICES}
        self.now_s += passing_s
        for device, lease in before.items():
            if lease is not None:
                self.try_it(Command(device, "hold-program"), lease, self.actor_of(lease))

    @rule(who=st.sampled_from(PEOPLE), device=st.sampled_from(DEVICES))
    def lock_out(self, who: str, device: str) -> None:
        self.book.lock_out(device, who, "hands in it")
        self.locks.add((device, who))

    @rule(who=st.sampled_from(PEOPLE), device=st.sampled_from(DEVICES))
    def unlock(self, who: str, device: str) -> None:
        try:
            self.book.remove(device, who)
        except LeaseError:
            assert (device, who) not in self.locks
        self.locks.discard((device, who))

    # -- what the supervisor says

    @rule(cause=st.sampled_from(["OVER", "STOP by ana"]), output=st.sampled_from(sorted(HEATER.values())))
    def trip(self, cause: str, output: str) -> None:
        everything = tuple(HEATER.values())
        self.plant.latched.setdefault(cause, everything if cause.startswith("STOP") else (output,))

    @rule()
    def reset(self) -> None:
        self.plant.latched.clear()

    @rule(permit=st.booleans())
    def permit(self, permit: bool) -> None:
        self.plant.permit = permit

    @rule(n=st.sampled_from([1, 2]), over=st.sampled_from([25.0, 25.0, 412.0, 1100.0, 1200.0, None]))
    def heat(self, n: int, over: float | None) -> None:
        self.plant.signals[f"f{n}.over"] = over
        hot = over is not None and over > 1000
        without = self.plant.waiting - {f"furnace-{n}"}
        self.plant.waiting = without | {f"furnace-{n}"} if hot else without
        self.who_writes_tries()

    @rule(n=st.sampled_from([1, 2]), door=st.sampled_from([True, True, False, None]))
    def door(self, n: int, door: bool | None) -> None:
        self.plant.signals[f"f{n}.door"] = door
        self.who_writes_tries()

    @rule(names=st.frozensets(st.sampled_from(["F1-READY", "F2-READY", "F1-DOOR", "F1-HOT"])))
    def bypass(self, names: frozenset[str]) -> None:
        self.plant.bypasses = names
        self.who_writes_tries()

    # -- commands

    @rule(command=st.sampled_from(COMMANDS), actor=st.sampled_from(["auto", *PEOPLE]), data=st.data())
    def somebody_tries(self, command: Command, actor: str, data: st.DataObject) -> None:
        self.try_it(command, data.draw(st.sampled_from([None, *sorted(self.held)])), actor)

    @rule(furnace=st.sampled_from(sorted(MODULE)))
    def everybody_tries_everything_at(self, furnace: str) -> None:
        """With every lease there lately was, whoever's it is."""
        for lease in sorted(self.held, key=lambda name: int(name.partition("#")[2]))[-5:]:
            for command in COMMANDS:
                if furnace in self.touched(command):
                    for actor in ("auto", *PEOPLE):
                        self.try_it(command, lease, actor)

    def who_writes_tries(self) -> None:
        """After anything has changed: whoever has a device, with what can make it hot or open its door."""
        for command in COMMANDS:
            if command.verb in {"set-setpoint", "close-contactor", "door-open", "hold-program"}:
                for device in self.touched(command):
                    lease = self.writer(device)
                    self.try_it(command, lease, "auto" if lease is None else self.actor_of(lease))

    def actor_of(self, lease: str) -> str:
        return "auto" if self.held[lease].auto else self.held[lease].holder

    def try_it(self, command: Command, lease: str | None, actor: str) -> None:
        granted = isinstance(self.gateway.request(command, lease, actor), Granted)
        assert granted is self.may(command, lease, actor), (command.describe(), lease, actor)
        self.counts[command.verb, granted] += 1

    # -- at any time

    @invariant()
    def one_writer_for_each_device(self) -> None:
        for device in DEVICES:
            writers = [name for name in self.held if self.book.why_stale(name, device) is None]
            assert writers == ([] if self.writer(device) is None else [self.writer(device)])

    @invariant()
    def fences_grow(self) -> None:
        assert self.fences == sorted(set(self.fences))

    @invariant()
    def stopping_needs_nothing(self) -> None:
        for verb in ("reset-program", "open-contactor", "stop"):
            assert isinstance(self.gateway.request(Command("furnace-1", verb), None, "nobody"), Granted)

    @invariant()
    def nothing_hazardous_without_a_permit(self) -> None:
        if self.plant.permit:
            return
        for name, lease in self.held.items():
            asked = self.gateway.judge(COMMANDS[0], name, "auto" if lease.auto else lease.holder)
            assert asked.reasons
