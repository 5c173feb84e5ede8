"""The interlock language: typed, small, and three-valued, so that unknown never counts as safe.

    expression := term {"or" term}          term := factor {"and" factor}
    factor     := "not" factor | "(" expression ")" | signal [("<" | "<=" | ">" | ">=") number unit]

A comparison needs a unit that converts to the signal's; a bare signal is a switch. Values are True, False or
None (unknown), after Kleene: ``not None`` is None, ``None and False`` is False, ``None or True`` is True.
Units are converted when the file is read: at run time there are floats only.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from protocols.quantities import parse_quantity

Value = float | bool | None
"""What a signal reads; None is unknown."""

_TOKEN = re.compile(
    r"\s*(?:(?P<op><=|>=|<|>|\(|\))|(?P<number>-?\d+(?:\.\d+)?)\s*(?P<unit>[A-Za-z%][\w/%*]*)|(?P<word>[A-Za-z_][\w.-]*))"
)

_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class ExpressionError(ValueError):
    """An expression that cannot be read; one sentence."""


class Expression(Protocol):
    """A condition over signals."""

    @property
    def signals(self) -> frozenset[str]:
        """Names of the signals that it reads."""

    def evaluate(self, values: Mapping[str, Value]) -> bool | None:
        """The condition's truth, None where it cannot be known."""

    def explain(self, values: Mapping[str, Value]) -> list[str]:
        """The parts that are not true, each with its live value."""


@dataclass(frozen=True)
class Comparison:
    """``signal < limit``."""

    signal: str
    op: str
    limit: float
    unit: str

    @property
    def signals(self) -> frozenset[str]:
        return frozenset({self.signal})

    def evaluate(self, values: Mapping[str, Value]) -> bool | None:
        value = values.get(self.signal)
        if value is None or value != value:
            return None
        return _COMPARE[self.op](float(value), self.limit)

    def explain(self, values: Mapping[str, Value]) -> list[str]:
        truth = self.evaluate(values)
        if truth:
            return []
        seen = "unknown" if truth is None else f"{values[self.signal]:.1f} {self.unit}"
        return [f"{self.signal} is {seen}, and must be {self.op} {self.limit:g} {self.unit}"]


@dataclass(frozen=True)
class Switch:
    """A signal that is on or off."""

    signal: str

    @property
    def signals(self) -> frozenset[str]:
        return frozenset({self.signal})

    def evaluate(self, values: Mapping[str, Value]) -> bool | None:
        value = values.get(self.signal)
        return value if isinstance(value, bool) else None

    def explain(self, values: Mapping[str, Value]) -> list[str]:
        truth = self.evaluate(values)
        return [] if truth else [f"{self.signal} is {'unknown' if truth is None else 'off'}, and must be on"]


@dataclass(frozen=True)
class Not:
    """The opposite; unknown stays unknown."""

    part: Expression

    @property
    def signals(self) -> frozenset[str]:
        return self.part.signals

    def evaluate(self, values: Mapping[str, Value]) -> bool | None:
        truth = self.part.evaluate(values)
        return None if truth is None else not truth

    def explain(self, values: Mapping[str, Value]) -> list[str]:
        truth = self.evaluate(values)
        if truth:
            return []
        names = ", ".join(sorted(self.signals))
        return [f"a condition on {names} is {'unknown' if truth is None else 'true'}, and must not be"]


@dataclass(frozen=True)
class Junction:
    """Several conditions joined by ``and``, or by ``or``."""

    parts: tuple[Expression, ...]
    every: bool

    @property
    def signals(self) -> frozenset[str]:
        return frozenset().union(*(part.signals for part in self.parts))

    def evaluate(self, values: Mapping[str, Value]) -> bool | None:
        truths = [part.evaluate(values) for part in self.parts]
        decisive = not self.every
        if decisive in truths:
            return decisive
        return None if None in truths else self.every

    def explain(self, values: Mapping[str, Value]) -> list[str]:
        if self.evaluate(values):
            return []
        return [reason for part in self.parts for reason in part.explain(values)]


def parse_expression(text: str, units: Mapping[str, str | None]) -> Expression:
    """Read an expression over the signals in `units` (name to unit, None for a switch).

    Raises:
        ExpressionError: Naming what was found and what is allowed there.
    """
    parser = _Parser(text, units)
    expression = parser.expression()
    if parser.peek() is not None:
        raise ExpressionError(f"{text!r}: {parser.peek()!r} follows a complete condition: join conditions with and, or")
    return expression


class _Parser:
    def __init__(self, text: str, units: Mapping[str, str | None]) -> None:
        self._text = text
        self._units = units
        self._tokens = self._split(text)

    def _split(self, text: str) -> list[str | tuple[str, str]]:
        tokens: list[str | tuple[str, str]] = []
        at = 0
        while at < len(text.rstrip()):
            match = _TOKEN.match(text, at)
            if match is None:
                raise ExpressionError(
                    f"{text!r}: cannot read {text[at:].strip()[:20]!r}: a number needs its unit, == is not allowed"
                )
            tokens.append((match["number"], match["unit"]) if match["number"] else match["op"] or match["word"])
            at = match.end()
        return tokens

    def peek(self) -> str | tuple[str, str] | None:
        return self._tokens[0] if self._tokens else None

    def _take(self) -> str | tuple[str, str]:
        if not self._tokens:
            raise ExpressionError(f"{self._text!r} ends where a signal was expected")
        return self._tokens.pop(0)

    def expression(self) -> Expression:
        return self._joined("or", self._term, every=False)

    def _term(self) -> Expression:
        return self._joined("and", self._factor, every=True)

    def _joined(self, word: str, part: Callable[[], Expression], *, every: bool) -> Expression:
        parts = [part()]
        while self.peek() == word:
            self._take()
            parts.append(part())
        return parts[0] if len(parts) == 1 else Junction(tuple(parts), every)

    def _factor(self) -> Expression:
        token = self._take()
        if token == "not":
            return Not(self._factor())
        if token == "(":
            inner = self.expression()
            if self._take() != ")":
                raise ExpressionError(f"{self._text!r} has a bracket that is not closed")
            return inner
        return self._condition(token)

    def _condition(self, name: str | tuple[str, str]) -> Expression:
        if not isinstance(name, str) or name not in self._units:
            seen = name if isinstance(name, str) else " ".join(name)
            raise ExpressionError(
                f"{self._text!r}: no signal is named {seen!r}: there are {', '.join(self._units) or 'none'}"
            )
        unit, op = self._units[name], self.peek()
        if op not in _COMPARE:
            if unit is not None:
                raise ExpressionError(
                    f"{self._text!r}: {name} is a value in {unit}: compare it, as in '{name} < 60 {unit}'"
                )
            return Switch(name)
        self._take()
        if unit is None:
            raise ExpressionError(
                f"{self._text!r}: {name} is a switch and cannot be compared: write it alone, or with not"
            )
        limit = self._take()
        if not isinstance(limit, tuple):
            raise ExpressionError(f"{self._text!r}: {name} is compared with {limit!r}: write a number and a unit")
        return Comparison(name, str(op), parse_quantity(" ".join(limit), unit), unit)
