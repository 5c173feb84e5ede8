"""The tests that an interlock file brings with it: for given readings, what each rule must do.

    normal: {f1.over: 25 degC, f1.door: true}                     what is read in normal work
    tests:
      - {rule: F1-DOOR, given: {f1.over: nan}, expect: denied}    `given` replaces parts of `normal`
      - {rule: F1-WATER, given: {f1.water: false}, after: 1 s, expect: closed}

What neither `given` nor `normal` names is unknown. A change over time is given as ``rise(f1.over, 60 s): 40 K``.
`after` is how long the readings have been so; without it, long enough. With `normal`, every rule must also leave
normal work alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from lab.safety.interlocks.expressions import ExpressionError, Value
from lab.safety.interlocks.file import LoadedFile, units_of
from lab.safety.interlocks.language import Units, parse_difference, parse_rise
from lab.safety.interlocks.lint import Finding
from lab.safety.interlocks.reach import acts
from lab.safety.interlocks.rules import Interlocks, Kind, Rule
from protocols.documents import DocumentError, Fault
from protocols.quantities import QuantityError, parse_quantity

OUTCOMES: Mapping[Kind, tuple[str, str]] = {
    "permissive": ("granted", "denied"),
    "interlock": ("closed", "open"),
    "trip": ("quiet", "fires"),
    "alarm": ("quiet", "raised"),
    "hold": ("quiet", "held"),
}
"""What a test can expect of each kind of rule: when it does not act, and when it does."""

UNKNOWN = ("nan", "unknown")
"""How a reading that cannot be believed is written."""


@dataclass(frozen=True)
class RuleTest:
    """One test, in floats."""

    rule: str
    values: Mapping[str, Value]
    """All that is given, with what is normal; rises under their keys."""
    after_s: float
    expect: str
    keys: tuple[object, ...] = ()
    """Where it stands in the file."""


def check_tests(loaded: LoadedFile) -> list[Fault]:
    """Run the tests of a file; gives what fails, or cannot be read, each with its line."""
    try:
        tests = read_tests(loaded)
    except DocumentError as error:
        return error.faults
    return [loaded.fault(keys, message) for keys, message in failures(loaded.interlocks, tests)]


def read_tests(loaded: LoadedFile) -> tuple[RuleTest, ...]:
    """Read the tests of a file, and one more for each rule: that it leaves normal work alone.

    Raises:
        DocumentError: With every test that cannot be read.
    """
    reader = _Reader(loaded)
    normal = reader.values(loaded.file.normal, ("normal",), None)
    tests = [*reader.tests(normal), *(_leaves_alone(loaded.interlocks, normal) if normal else ())]
    if reader.faults:
        raise DocumentError(reader.faults)
    return tuple(tests)


def failures(interlocks: Interlocks, tests: Iterable[RuleTest]) -> Iterator[Finding]:
    """Run tests against rules; gives those that fail."""
    for test in tests:
        rule = interlocks.rule(test.rule)
        seen = "no such rule" if rule is None else outcome(rule, test.values, test.after_s)
        if seen != test.expect:
            yield test.keys, f"{test.rule}: gives {seen!r} where {test.expect!r} is expected{_why(rule, test.values)}"


def outcome(rule: Rule, values: Mapping[str, Value], lasted_s: float = math.inf) -> str:
    """What a rule does where these values have been read for a time: one of `OUTCOMES`."""
    return OUTCOMES[rule.kind][acts(rule.kind, rule.when, values) and lasted_s >= rule.after_s]


def _why(rule: Rule | None, values: Mapping[str, Value]) -> str:
    if rule is None:
        return ""
    seen = ", ".join(f"{name} = {_shown(values.get(name))}" for name in sorted(_read_by(rule)))
    return f" ({rule.when} with {seen})"


def _shown(value: Value) -> str:
    return "unknown" if value is None else str(value).lower() if isinstance(value, bool) else f"{value:g}"


def _read_by(rule: Rule) -> set[str]:
    """What a rule looks up in the values."""
    return set(rule.when.signals) | {rise.key for rise in rule.when.rises}


def _leaves_alone(interlocks: Interlocks, normal: Mapping[str, Value]) -> Iterator[RuleTest]:
    for i, rule in enumerate(interlocks.rules):
        yield RuleTest(rule.id, normal, math.inf, OUTCOMES[rule.kind][False], ("rules", i))


class _Reader:
    """Turns the file's text into values, and notes what cannot be."""

    def __init__(self, loaded: LoadedFile) -> None:
        self.faults: list[Fault] = []
        self._loaded = loaded
        self._units: Units = units_of(loaded.interlocks)

    def tests(self, normal: Mapping[str, Value]) -> Iterator[RuleTest]:
        for i, spec in enumerate(self._loaded.file.tests):
            rule = self._loaded.interlocks.rule(spec.rule)
            if rule is None:
                known = ", ".join(rule.id for rule in self._loaded.interlocks.rules) or "none"
                self._note(("tests", i, "rule"), f"no rule is named {spec.rule!r}: there are {known}")
                continue
            allowed = OUTCOMES[rule.kind]
            if spec.expect not in allowed:
                self._note(
                    ("tests", i, "expect"),
                    f"{rule.id}: expects {spec.expect!r}, and {rule.kind} gives {allowed[0]} or {allowed[1]}",
                )
            given = self.values(spec.given, ("tests", i, "given"), rule)
            after_s = math.inf if spec.after is None else spec.after
            yield RuleTest(rule.id, {**normal, **given}, after_s, spec.expect, ("tests", i))

    def values(self, given: Mapping[str, object], keys: tuple[object, ...], rule: Rule | None) -> dict[str, Value]:
        """Read given values; those of a test must be read by its rule."""
        found: dict[str, Value] = {}
        for text, value in given.items():
            try:
                name, read = self._read(text, value)
            except (ExpressionError, QuantityError) as error:
                self._note((*keys, text), f"{text}: {error}")
                continue
            found[name] = read
            if rule is not None and name not in _read_by(rule):
                self._note(
                    (*keys, text),
                    f"{rule.id}: does not read {text}: it reads {', '.join(sorted(_read_by(rule)))}",
                )
        return found

    def _read(self, text: str, value: object) -> tuple[str, Value]:
        """(key among the values, value) of one thing that is given."""
        if text in self._units:
            return text, _value(value, self._units[text])
        rise = parse_rise(text, self._units)
        return rise.key, None if value in UNKNOWN else parse_difference(value, rise.unit)

    def _note(self, keys: tuple[object, ...], message: str) -> None:
        self.faults.append(self._loaded.fault(keys, message))


def _value(text: object, unit: str | None) -> Value:
    if text in UNKNOWN:
        return None
    if unit is None:
        if not isinstance(text, bool):
            raise QuantityError(f"is {text!r}, and a switch is true, false or nan")
        return text
    return parse_quantity(text, unit)
