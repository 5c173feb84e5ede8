"""Random scans with a bad input: nothing that the input matters for may be granted, no trip may stay quiet.

Each scan begins from random readings at which everything is fine: the command is granted, the output may be
closed, the trip is quiet. Then one or more inputs of one rule are made bad in one of the ways in which inputs go
bad. What is granted all the same counts, unless it would be granted whatever the inputs were.
"""

from __future__ import annotations

import itertools
import math
import random
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from drivers.gate import Command
from lab.safety.commands.judgement import AUTO, Judge, Limits
from lab.safety.commands.leases import LeaseBook, Mode
from lab.safety.interlocks.expressions import Value
from lab.safety.interlocks.rules import Interlocks, Rule, Signal
from lab.safety.judging.scan import Readings, SafetyState, must_open, step

NOW_S = 1_000_000.0
LONG_S = 86_400.0
"""For so long every condition has gone on: no rule waits any more."""
SAMPLES = 7
"""Values that are tried to find out whether an input matters at all."""
TRIES = 30


@dataclass
class Seen:
    """A safety layer that shows what it is given; a `lab.safety.judging.watch.Watch`."""

    shown: Mapping[str, Value] = field(default_factory=dict)

    def tripped(self) -> tuple[str, ...]:
        """Nothing has tripped."""
        return ()

    def values(self) -> Mapping[str, Value]:
        """What is shown."""
        return self.shown

    def held(self) -> frozenset[str]:
        """Nothing waits."""
        return frozenset()

    def bypassed(self) -> frozenset[str]:
        """Nothing is bypassed."""
        return frozenset()

    def snapshot(self) -> dict[str, Any]:
        """Nothing."""
        return {}

    def request(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """Nobody answers."""
        return {"ok": False, "reasons": [f"{message['do']}: nobody is there"]}


class Scans:
    """Makes scans and judges them by the real judge and the real step."""

    def __init__(self, interlocks: Interlocks, limits: Mapping[str, Limits], normal: Mapping[str, Value]) -> None:
        """Take the rules, the devices, and readings at which nothing acts, as the interlock file states them."""
        self._interlocks, self._normal = interlocks, normal
        self._watch, self._leases = Seen(), LeaseBook()
        self._judge = Judge(limits, interlocks, self._watch, self._leases)
        self._lease = self._leases.take("bench", Mode.AUTO, limits.keys()).id
        commands = {command: self._judge.targets(command) for command in _commands(limits)}
        self.guarded: list[tuple[Rule, Command | None]] = []
        """Each rule with a command that it can deny, or None where it holds an output open."""
        for rule in interlocks.rules:
            if rule.kind == "permissive":
                self.guarded.append((rule, next(c for c, targets in commands.items() if rule.target in targets)))
            elif rule.kind in ("interlock", "trip"):
                self.guarded.append((rule, None))
            if rule.kind == "interlock" and interlocks.outputs[rule.target].channel == "do1":
                self.guarded.append((rule, Command(interlocks.outputs[rule.target].device, "close-contactor")))
        self.counts: Counter[str] = Counter()

    def one(self, rng: random.Random) -> None:
        """Make one scan and count what came of it."""
        rule, command = rng.choice(self.guarded)
        readings = self._fine(rule, command, rng)
        names = sorted(rule.when.signals)
        bad = [name for name in names if rng.random() < 0.5] or [rng.choice(names)]
        broken = {**readings, **{name: self._bad(name, rng) for name in bad}}
        if not self._is_good(rule, command, broken):
            self.counts["refused"] += 1
        elif self._matters_not(rule, command, readings, bad):
            self.counts["granted, the input does not matter"] += 1
        else:
            self.counts["violations"] += 1

    def _fine(self, rule: Rule, command: Command | None, rng: random.Random) -> dict[str, Value]:
        """Random readings at which the rule lets everything go on."""
        names = [*self._interlocks.signals]
        for _ in range(TRIES):
            readings = dict(self._normal)
            for name in rng.sample(names, rng.randint(1, 6)):
                readings[name] = _random(self._interlocks.signals[name], rng)
            if self._is_good(rule, command, readings):
                return readings
        return dict(self._normal)

    def _is_good(self, rule: Rule, command: Command | None, readings: Mapping[str, Any]) -> bool:
        """Whether what the rule guards goes on at these readings: granted, not opened, not tripped."""
        values = self._believed(readings)
        if command is not None:
            return self._granted(rule, command, values)
        since = {r.id: NOW_S - LONG_S for r in self._interlocks.rules}
        seen = {rise.signal: values[rise.signal] for rise in self._interlocks.rises}
        history = {name: ((NOW_S - 1.0, float(value)),) for name, value in seen.items() if value is not None}
        state = SafetyState(scan=1, since=since, history=history)
        modules = frozenset(output.device for output in self._interlocks.outputs.values())
        after, _ = step(self._interlocks, state, Readings(NOW_S, values, modules))
        if rule.kind == "trip":
            return rule.id not in {latch.cause for latch in after.tripped}
        return rule.target not in must_open(self._interlocks, after, NOW_S) and rule.id not in after.acting

    def _granted(self, rule: Rule, command: Command, values: dict[str, Value]) -> bool:
        """Whether a command would be granted, as far as one rule is concerned."""
        rises = {rise.key: None if values[rise.signal] is None else 0.0 for rise in self._interlocks.rises}
        self._watch.shown = values | rises
        verdict = self._judge(command, self._lease, AUTO)
        return not any(condition.denies for condition in verdict.conditions if condition.rule == rule.id)

    def _believed(self, readings: Mapping[str, Any]) -> dict[str, Value]:
        """What is made of raw readings; a bad one comes as (reading, age)."""
        values: dict[str, Value] = {name: readings.get(name, True) for name in self._interlocks.outputs}
        for name, signal in self._interlocks.signals.items():
            found = readings.get(name)
            reading, age_s = found if isinstance(found, tuple) else (found, 0.0)
            values[name] = signal.value(reading, age_s)
        return values

    def _bad(self, name: str, rng: random.Random) -> Any:
        """A reading that cannot be believed."""
        signal = self._interlocks.signals.get(name)
        if signal is None:
            return None
        reading = _random(signal, rng)
        ways: list[Any] = [None, math.nan, math.inf, -math.inf, (reading, signal.max_age_s * rng.uniform(1.001, 100))]
        if signal.unit is not None:
            ways += [signal.low - rng.uniform(0.1, 1e4), signal.high + rng.uniform(0.1, 1e4), (reading, math.nan)]
        return rng.choice(ways)

    def _matters_not(self, rule: Rule, command: Command | None, readings: Mapping[str, Value], bad: list[str]) -> bool:
        choices = [list(self._possible(name)) for name in bad]
        return all(
            self._is_good(rule, command, {**readings, **dict(zip(bad, chosen, strict=True))})
            for chosen in itertools.product(*choices)
        )

    def _possible(self, name: str) -> Iterator[Value]:
        signal = self._interlocks.signals.get(name)
        if signal is None or signal.unit is None:
            yield from (False, True)
            return
        for i in range(SAMPLES):
            yield signal.low + (signal.high - signal.low) * i / (SAMPLES - 1)


def random_scans(scans: Scans, count: int, seed: int) -> Counter[str]:
    """Make so many scans; what came of them, by name."""
    rng = random.Random(seed)
    for _ in range(count):
        scans.one(rng)
    return scans.counts


def _random(signal: Signal, rng: random.Random) -> Value:
    return rng.random() < 0.5 if signal.unit is None else rng.uniform(signal.low, signal.high)


def _commands(limits: Mapping[str, Limits]) -> Iterator[Command]:
    for device, its in limits.items():
        if its.watched:
            yield Command(device, "close-contactor")
            for furnace in its.watched:
                yield Command("mover-1", "door-open", subject=f"{furnace}.door")
                yield Command("mover-1", "move", value=f"{furnace}/1", subject="crucibles/1")
        yield from (Command(device, verb) for verb in ("mix", "dose", "pour", "measure"))
