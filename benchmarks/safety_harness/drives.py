"""What has to be done to the plant so that a trip's condition comes true: found by trying, for any rule."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lab.safety.interlocks.expressions import Value
from lab.safety.interlocks.rules import Interlocks, Rule, Signal

HEALTHY_ANALOGUE = {"ai1": 22.0, "ai2": 20.9, "ai3": 0.0}
"""What the plant's analogue inputs show by themselves, about."""
STEPS = 60
"""Values that are tried between the ends of a signal's range."""
SLACK = 0.2
"""A value must do by this margin: inputs are read in tenths."""
DOOR = "di1"


@dataclass(frozen=True)
class Change:
    """One input of one module, brought to a value; None breaks it."""

    signal: Signal
    value: Value

    def begin(self) -> dict[str, Any]:
        """The fault that brings it about."""
        kind, number = self.signal.channel[:2], int(self.signal.channel[2:])
        if kind == "ai":
            return {"verb": "analogue", "number": number, "value": self.value}
        if self.signal.channel == DOOR:
            return {"verb": "door", "open": not self.value}
        return {"verb": "field", "number": number - 1, "safe": self.value}

    def end(self) -> dict[str, Any]:
        """What puts it right again."""
        if self.signal.channel[:2] == "ai":
            return {"verb": "free", "number": int(self.signal.channel[2:])}
        return Change(self.signal, True).begin()


def drive(interlocks: Interlocks, rule: Rule) -> tuple[Change, ...] | None:
    """The fewest inputs that make a rule's condition true while its heater is on; None where none do."""
    signals = own_signals(interlocks, rule)
    for count in (1, 2):
        for chosen in itertools.combinations(signals, count):
            for values in itertools.product(*(candidates(signal) for signal in chosen)):
                changes = tuple(Change(signal, value) for signal, value in zip(chosen, values, strict=True))
                if _fires(interlocks, rule, changes):
                    return changes
    return None


def broken(interlocks: Interlocks, rule: Rule) -> tuple[Change, ...] | None:
    """A sensor of the rule with a broken wire, where it has an analogue one."""
    analogue = [signal for signal in own_signals(interlocks, rule) if signal.channel.startswith("ai")]
    return (Change(analogue[0], None),) if analogue else None


def own_signals(interlocks: Interlocks, rule: Rule) -> list[Signal]:
    """The inputs of safety modules that a rule reads."""
    found = (interlocks.signals[name] for name in sorted(rule.when.signals) if name in interlocks.signals)
    return [signal for signal in found if signal.own and signal.channel[:2] in ("ai", "di")]


def candidates(signal: Signal) -> Iterator[Value]:
    """What an input can be brought to, the nearest to healthy first."""
    if signal.unit is None:
        yield False
        return
    healthy = HEALTHY_ANALOGUE[signal.channel]
    values = [signal.low + (signal.high - signal.low) * i / STEPS for i in range(1, STEPS)]
    values += [signal.low + 1.0, signal.high - 1.0]
    yield from sorted((round(value, 1) for value in values), key=lambda value: abs(value - healthy))


def healthy(interlocks: Interlocks) -> dict[str, Value]:
    """Every input as it is when nothing is wrong and the heaters are on."""
    values: dict[str, Value] = dict.fromkeys(interlocks.outputs, True)
    for name, signal in interlocks.signals.items():
        values[name] = True if signal.unit is None else HEALTHY_ANALOGUE.get(signal.channel)
    return values | {rise.key: 0.0 for rise in interlocks.rises}


def _fires(interlocks: Interlocks, rule: Rule, changes: tuple[Change, ...]) -> bool:
    before = healthy(interlocks)
    return all(
        rule.when.evaluate(_with(interlocks, before, changes, slack)) is True for slack in (-SLACK, 0.0, SLACK)
    ) and all(rule.when.evaluate(_with(interlocks, before, rest, 0.0)) is not True for rest in _one_less(changes))


def _one_less(changes: tuple[Change, ...]) -> Iterator[tuple[Change, ...]]:
    return (changes[:i] + changes[i + 1 :] for i in range(len(changes)))


def _with(
    interlocks: Interlocks, before: Mapping[str, Value], changes: tuple[Change, ...], slack: float
) -> dict[str, Value]:
    values = dict(before)
    for change in changes:
        value = change.value
        values[change.signal.name] = value if isinstance(value, bool) or value is None else value + slack
    for rise in interlocks.rises:
        now, earlier = values.get(rise.signal), before.get(rise.signal)
        values[rise.key] = None if now is None or earlier is None else float(now) - float(earlier)
    return values
