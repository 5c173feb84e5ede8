"""Proofs about an interlock file with z3, where the extra `verify` is installed.

Every signal may read anything within its plausible range, or be unknown; live values are real numbers, so that
what is proved holds for all readings and not for some that were tried. Proved are

1. each ``never`` statement: it cannot be true while its outputs are closed and every interlock and trip that acts
   at once does what it says. Rules with `after`, bypassable rules and permissives (which are asked at the start
   only) do not count;
2. that no furnace's door is granted while no temperature of its module is known to be below 60 degC;
3. of every rule: making inputs unknown grants nothing that was denied and silences nothing that acted.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from lab.safety.interlocks.expressions import (
    Combined,
    Comparison,
    Expression,
    Junction,
    Known,
    Live,
    Magnitude,
    Not,
    Number,
    Rise,
    Switch,
    Term,
    Vote,
)
from lab.safety.interlocks.file import LoadedFile
from lab.safety.interlocks.kinds import is_temperature
from lab.safety.interlocks.lint import DOOR, Finding
from lab.safety.interlocks.rules import Interlocks, Rule, Signal
from protocols.documents import Fault
from protocols.quantities import parse_quantity
from protocols.recipe import SAFE_TO_HANDLE_DEGC

PATIENCE_S = 10.0
"""How long the prover may think about one statement before it counts as not proved."""


def available() -> bool:
    """Whether the prover is installed."""
    return importlib.util.find_spec("z3") is not None


def prove(loaded: LoadedFile, furnaces: Mapping[str, str]) -> list[Fault]:
    """Give every statement that does not hold, each with readings that break it.

    Args:
        loaded: The interlock file.
        furnaces: Furnace name to the safety module that watches it.
    """
    return [loaded.fault(keys, message) for keys, message in unproved(loaded.interlocks, furnaces)]


def unproved(interlocks: Interlocks, furnaces: Mapping[str, str]) -> list[Finding]:
    """What `prove` finds, with keys in place of lines."""
    return [*_nevers(interlocks), *_doors(interlocks, furnaces), *_monotone(interlocks)]


@dataclass(frozen=True)
class Truth:
    """A three-valued condition as two z3 formulas: that it is true, and that it is false; unknown is neither."""

    true: Any
    false: Any


@dataclass
class Encoding:
    """Conditions over the signals of an interlock file as z3 formulas."""

    interlocks: Interlocks
    suffix: str = ""
    """Sets apart the knowledge of a second look at the same values."""
    bounds: list[Any] = field(default_factory=list)
    """What holds of all values that were named so far: they are known only within their ranges."""
    named: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    """Signal, output or rise to (its value, whether it is known)."""

    def truth(self, condition: Expression) -> Truth:
        """The condition as formulas."""
        z3 = _z3()
        match condition:
            case Switch(signal):
                value, known = self._switch(signal)
                return Truth(z3.And(known, value), z3.And(known, z3.Not(value)))
            case Known(signal):
                return Truth(self._known(signal), z3.BoolVal(False))
            case Comparison(left, op, right):
                return self._compared(left, op, right)
            case Not(part):
                inner = self.truth(part)
                return Truth(inner.false, inner.true)
            case Junction(parts, every):
                truths = [self.truth(part) for part in parts]
                both, either = (z3.And, z3.Or) if every else (z3.Or, z3.And)
                return Truth(both([t.true for t in truths]), either([t.false for t in truths]))
            case Vote(need, parts):
                truths = [self.truth(part) for part in parts]
                return Truth(
                    z3.AtLeast(*(t.true for t in truths), need),
                    z3.AtLeast(*(t.false for t in truths), len(parts) - need + 1),
                )
        raise TypeError(f"a {type(condition).__name__} cannot be proved anything about")

    def acts(self, rule: Rule) -> Any:
        """That a rule denies, opens, fires, tells or holds."""
        truth = self.truth(rule.when)
        return _z3().Not(truth.true if rule.kind in ("permissive", "interlock") else truth.false)

    def number(self, signal: Signal) -> tuple[Any, Any]:
        """(value, whether it is known) of a signal with a unit."""
        return self._real(signal.name, signal.low, signal.high)

    def _compared(self, left: Term, op: str, right: Term) -> Truth:
        z3 = _z3()
        a, a_known = self._term(left)
        b, b_known = self._term(right)
        holds = {"<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}[op]
        return Truth(z3.And(a_known, b_known, holds), z3.And(a_known, b_known, z3.Not(holds)))

    def _term(self, term: Term) -> tuple[Any, Any]:
        z3 = _z3()
        match term:
            case Number(value):
                return z3.RealVal(str(Fraction(value))), z3.BoolVal(True)
            case Live(signal):
                found = self.interlocks.signals.get(signal)
                return self._real(signal, *((found.low, found.high) if found else (-_INFINITE, _INFINITE)))
            case Rise():
                return self._rise(term)
            case Combined(left, sign, right):
                (a, a_known), (b, b_known) = self._term(left), self._term(right)
                return (a + b if sign == "+" else a - b), z3.And(a_known, b_known)
            case Magnitude(of):
                value, known = self._term(of)
                return z3.If(value < 0, -value, value), known
        raise TypeError(f"a {type(term).__name__} cannot be proved anything about")

    def _rise(self, rise: Rise) -> tuple[Any, Any]:
        found = self.interlocks.signals.get(rise.signal)
        most = found.high - found.low if found else _INFINITE
        value, known = self._real(rise.key, -most, most)
        if found is not None:
            # the scan knows no rise of a signal that it does not know
            self.bounds.append(_z3().Implies(known, self.number(found)[1]))
        return value, known

    def _real(self, name: str, low: float, high: float) -> tuple[Any, Any]:
        z3 = _z3()
        if name not in self.named:
            value = z3.Real(name)
            self.named[name] = value, z3.Bool(f"known {name}{self.suffix}")
            self.bounds += [value >= z3.RealVal(str(Fraction(low)))] if low > -_INFINITE else []
            self.bounds += [value <= z3.RealVal(str(Fraction(high)))] if high < _INFINITE else []
        return self.named[name]

    def _switch(self, name: str) -> tuple[Any, Any]:
        z3 = _z3()
        if name not in self.named:
            self.named[name] = z3.Bool(name), z3.Bool(f"known {name}{self.suffix}")
        return self.named[name]

    def _known(self, name: str) -> Any:
        found = self.interlocks.signals.get(name)
        return (self._switch(name) if found is None or found.unit is None else self.number(found))[1]


_INFINITE = float("inf")


def _z3() -> Any:
    """The prover, which is imported late: it is an extra, and large."""
    import z3

    return z3


def _nevers(interlocks: Interlocks) -> Iterator[Finding]:
    for i, never in enumerate(interlocks.never):
        encoding = Encoding(interlocks)
        # An output that is closed: none of its rules that act at once may be acting.
        claims = [encoding.truth(never).true]
        for name in sorted(never.signals & set(interlocks.outputs)):
            closed = encoding.truth(Switch(name)).true
            claims += [_z3().Implies(closed, _z3().Not(encoding.acts(rule))) for rule in _at_once(interlocks, name)]
        found = _readings(claims, encoding, never.signals | {rise.key for rise in never.rises})
        if found is not None:
            yield ("never", i), f"{str(never)!r} can be true: {found}: add an interlock or a trip that acts at once"


def _at_once(interlocks: Interlocks, output: str) -> list[Rule]:
    """The rules that hold an output open whatever else happens."""
    return [
        rule
        for rule in interlocks.rules
        if rule.kind in ("interlock", "trip") and rule.target == output and not rule.after_s and not rule.bypassable
    ]


def _doors(interlocks: Interlocks, furnaces: Mapping[str, str]) -> Iterator[Finding]:
    for furnace, module in furnaces.items():
        rules = interlocks.permissives(DOOR.format(furnace))
        if not rules:
            continue
        encoding = Encoding(interlocks)
        claims = [encoding.truth(rule.when).true for rule in rules]
        for signal in interlocks.signals.values():
            if signal.own and signal.device == module and is_temperature(signal.unit):
                value, known = encoding.number(signal)
                limit = parse_quantity(f"{SAFE_TO_HANDLE_DEGC} degC", str(signal.unit))
                claims.append(_z3().Implies(known, value >= _z3().RealVal(str(Fraction(limit)))))
        found = _readings(claims, encoding, frozenset(encoding.named))
        if found is not None:
            yield (
                ("rules", interlocks.rules.index(rules[0]), "when"),
                f"{DOOR.format(furnace)} would be granted with nothing known to be below {SAFE_TO_HANDLE_DEGC:g} degC: "
                f"{found}: ask for less than {SAFE_TO_HANDLE_DEGC:g} degC",
            )


def _monotone(interlocks: Interlocks) -> Iterator[Finding]:
    """Two looks at the same values, in the second of which less is known."""
    z3 = _z3()
    for i, rule in enumerate(interlocks.rules):
        more, less = Encoding(interlocks), Encoding(interlocks, suffix=" later")
        claims = [more.acts(rule), z3.Not(less.acts(rule))]
        claims += [z3.Implies(less.named[name][1], known) for name, (_, known) in more.named.items()]
        found = _readings(claims, more, frozenset(more.named), less.bounds)
        if found is not None:
            yield ("rules", i, "when"), f"{rule.id}: would let go when an input becomes unknown: {found}"


def _readings(
    claims: list[Any], encoding: Encoding, names: frozenset[str], also: list[Any] | None = None
) -> str | None:
    """Readings of `names` that make all claims true, in the field's words; None where there are none."""
    z3 = _z3()
    solver = z3.Solver()
    # Its own handling of Ctrl-C would leave the process with one that ends no wait any more.
    solver.set("ctrl_c", False)
    solver.set("timeout", int(PATIENCE_S * 1000))
    solver.add(*claims, *encoding.bounds, *(also or []))
    answer = solver.check()
    if answer == z3.unsat:
        return None
    if answer == z3.unknown:
        return f"not proved within {PATIENCE_S:g} s"
    model = solver.model()
    shown = [name for name in encoding.named if name in names]
    return ", ".join(f"{name} is {_shown(encoding, name, model)}" for name in shown)


def _shown(encoding: Encoding, name: str, model: Any) -> str:
    value, known = encoding.named[name]
    if not _z3().is_true(model.eval(known, model_completion=True)):
        return "unknown"
    found = model.eval(value, model_completion=True)
    if _z3().is_bool(found):
        output = name in encoding.interlocks.outputs
        return ("closed" if output else "on") if _z3().is_true(found) else ("open" if output else "off")
    units = {rise.key: rise.unit for rise in encoding.interlocks.rises}
    units |= {signal.name: signal.unit or "" for signal in encoding.interlocks.signals.values()}
    return f"{float(found.as_fraction()):.6g} {units.get(name, '')}".rstrip()
