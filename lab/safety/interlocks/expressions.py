"""Conditions over live values: small, typed, and three-valued, so that unknown never counts as safe.

A condition is True, False or None (unknown), after Kleene: ``not None`` is None, ``None and False`` is False,
``None or True`` is True. A value that is missing, not finite or of the wrong kind is unknown. Every node keeps
one promise: making an input unknown can turn an answer into unknown, never into its opposite.

Conditions are made by `lab.safety.interlocks.language` from text with units, or by `lab.safety.interlocks.compiled`
from JSON. Everything is in the signals' own units here; nothing is imported that a small process should not carry.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from lab.safety.interlocks.terms import Combined as Combined
from lab.safety.interlocks.terms import Live as Live
from lab.safety.interlocks.terms import Magnitude as Magnitude
from lab.safety.interlocks.terms import Number as Number
from lab.safety.interlocks.terms import Rise as Rise
from lab.safety.interlocks.terms import Term as Term
from lab.safety.interlocks.terms import Value as Value
from lab.safety.interlocks.terms import number_of

DEEPEST = 16
"""Levels of brackets and ``not`` that a condition may have."""

_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
OPPOSITE = {"<": ">=", "<=": ">", ">": "<=", ">=": "<"}
"""The comparison that holds exactly where another one does not."""

_NOTHING: frozenset[Any] = frozenset()


class ExpressionError(ValueError):
    """An expression that cannot be read; one sentence."""


class Expression(Protocol):
    """A condition over signals."""

    @property
    def parts(self) -> tuple[Expression, ...]:
        """The conditions that it is made of; none for a switch or a comparison."""

    def with_parts(self, parts: tuple[Expression, ...]) -> Expression:
        """The same kind of condition, made of others."""

    @property
    def signals(self) -> frozenset[str]:
        """Names of the signals that it reads, also those that it watches over time."""

    @property
    def rises(self) -> frozenset[Rise]:
        """The changes over time that it reads; `values` must hold each under its `Rise.key`."""

    def evaluate(self, values: Mapping[str, Value]) -> bool | None:
        """The condition's truth, None where it cannot be known."""

    def explain(self, values: Mapping[str, Value], must: bool = True) -> list[str]:
        """What keeps it from being `must`, each part with its live value; empty exactly where nothing does."""


# ---------------------------------------------------------------- conditions


class _Leaf:
    """A condition that is not made of others."""

    rises: frozenset[Rise] = _NOTHING

    @property
    def parts(self) -> tuple[Expression, ...]:
        return ()


@dataclass(frozen=True)
class Comparison(_Leaf):
    """``left < right``."""

    left: Term
    op: str
    right: Term

    def __str__(self) -> str:
        return f"{self.left} {self.op} {self.right}"

    def with_parts(self, parts: tuple[Expression, ...]) -> Expression:
        return self

    @property
    def signals(self) -> frozenset[str]:
        return self.left.signals | self.right.signals

    @property
    def rises(self) -> frozenset[Rise]:  # type: ignore[override]
        return self.left.rises | self.right.rises

    def evaluate(self, values: Mapping[str, Value]) -> bool | None:
        left = self.left.evaluate(values)
        if left is None:
            return None
        right = self.right.evaluate(values)
        return None if right is None else _COMPARE[self.op](left, right)

    def explain(self, values: Mapping[str, Value], must: bool = True) -> list[str]:
        if self.evaluate(values) is must:
            return []
        op = self.op if must else OPPOSITE[self.op]
        limit = str(self.right)
        if not isinstance(self.right, Number):
            limit += f" ({_seen(self.right, values)})"
        return [f"{self.left} is {_seen(self.left, values)}, and must be {op} {limit}"]


def _seen(term: Term, values: Mapping[str, Value]) -> str:
    value = term.evaluate(values)
    return "unknown" if value is None else f"{value:.1f} {term.unit}"


@dataclass(frozen=True)
class Switch(_Leaf):
    """A signal that is on or off."""

    signal: str

    def __str__(self) -> str:
        return self.signal

    def with_parts(self, parts: tuple[Expression, ...]) -> Expression:
        return self

    @property
    def signals(self) -> frozenset[str]:
        return frozenset({self.signal})

    def evaluate(self, values: Mapping[str, Value]) -> bool | None:
        value = values.get(self.signal)
        return value if value is True or value is False else None

    def explain(self, values: Mapping[str, Value], must: bool = True) -> list[str]:
        truth = self.evaluate(values)
        if truth is must:
            return []
        seen = "unknown" if truth is None else "on" if truth else "off"
        return [f"{self.signal} is {seen}, and must be {'on' if must else 'off'}"]


@dataclass(frozen=True)
class Known(_Leaf):
    """True while a signal can be believed, else unknown; never False, so that it cannot make unknown look safe."""

    signal: str

    def __str__(self) -> str:
        return f"known({self.signal})"

    def with_parts(self, parts: tuple[Expression, ...]) -> Expression:
        return self

    @property
    def signals(self) -> frozenset[str]:
        return frozenset({self.signal})

    def evaluate(self, values: Mapping[str, Value]) -> bool | None:
        value = values.get(self.signal)
        return True if value is True or value is False or number_of(value) is not None else None

    def explain(self, values: Mapping[str, Value], must: bool = True) -> list[str]:
        truth = self.evaluate(values)
        if truth is must:
            return []
        return [f"{self.signal} is {'known' if truth else 'unknown'}, and must be {'known' if must else 'unknown'}"]


class _Joint:
    """A condition that is made of others."""

    parts: tuple[Expression, ...]

    @property
    def signals(self) -> frozenset[str]:
        return _NOTHING.union(*(part.signals for part in self.parts))

    @property
    def rises(self) -> frozenset[Rise]:
        return _NOTHING.union(*(part.rises for part in self.parts))


@dataclass(frozen=True)
class Not:
    """The opposite; unknown stays unknown."""

    part: Expression

    def __str__(self) -> str:
        return f"not {self.part}" if isinstance(self.part, Switch | Known | Vote) else f"not ({self.part})"

    @property
    def parts(self) -> tuple[Expression, ...]:
        return (self.part,)

    def with_parts(self, parts: tuple[Expression, ...]) -> Expression:
        return Not(*parts)

    @property
    def signals(self) -> frozenset[str]:
        return self.part.signals

    @property
    def rises(self) -> frozenset[Rise]:
        return self.part.rises

    def evaluate(self, values: Mapping[str, Value]) -> bool | None:
        truth = self.part.evaluate(values)
        return None if truth is None else not truth

    def explain(self, values: Mapping[str, Value], must: bool = True) -> list[str]:
        return self.part.explain(values, not must)


@dataclass(frozen=True)
class Junction(_Joint):
    """Several conditions joined by ``and``, or by ``or``."""

    parts: tuple[Expression, ...]
    every: bool

    def __str__(self) -> str:
        texts = (f"({part})" if isinstance(part, Junction) else str(part) for part in self.parts)
        return (" and " if self.every else " or ").join(texts)

    def with_parts(self, parts: tuple[Expression, ...]) -> Expression:
        return Junction(parts, self.every)

    def evaluate(self, values: Mapping[str, Value]) -> bool | None:
        result: bool | None = self.every
        for part in self.parts:
            truth = part.evaluate(values)
            if truth is None:
                result = None
            elif truth is not self.every:
                return truth
        return result

    def explain(self, values: Mapping[str, Value], must: bool = True) -> list[str]:
        if self.evaluate(values) is must:
            return []
        return [reason for part in self.parts for reason in part.explain(values, must)]


@dataclass(frozen=True)
class Vote(_Joint):
    """At least `need` of several conditions hold, as in ``2oo3(a, b, c)``."""

    need: int
    parts: tuple[Expression, ...]

    def __str__(self) -> str:
        return f"{self.need}oo{len(self.parts)}({', '.join(map(str, self.parts))})"

    def with_parts(self, parts: tuple[Expression, ...]) -> Expression:
        return Vote(self.need, parts)

    def evaluate(self, values: Mapping[str, Value]) -> bool | None:
        truths = [part.evaluate(values) for part in self.parts]
        if truths.count(True) >= self.need:
            return True
        return False if truths.count(False) > len(truths) - self.need else None

    def explain(self, values: Mapping[str, Value], must: bool = True) -> list[str]:
        if self.evaluate(values) is must:
            return []
        need = self.need if must else len(self.parts) - self.need + 1
        reasons = [reason for part in self.parts for reason in part.explain(values, must)]
        return [f"{need} of these {len(self.parts)} must hold: {'; '.join(reasons)}"]


# ---------------------------------------------------------------- as a whole


def leaves(expression: Expression) -> Iterator[Expression]:
    """Give the switches and comparisons that a condition is made of, in order."""
    if not expression.parts:
        yield expression
    for part in expression.parts:
        yield from leaves(part)


def with_leaves(expression: Expression, change: Callable[[Expression], Expression]) -> Expression:
    """Give the same condition with each switch and comparison replaced by what `change` makes of it."""
    if not expression.parts:
        return change(expression)
    return expression.with_parts(tuple(with_leaves(part, change) for part in expression.parts))
