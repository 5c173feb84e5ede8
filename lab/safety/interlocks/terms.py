"""The numbers of a condition: live values, fixed ones, differences and changes over time.

All are in the signals' own units; a number that is missing or not finite is unknown. Imports nothing that a small
process should not carry.
"""
# Methods of a protocol are described where the protocol is.
# ruff: noqa: D102

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

Value = float | bool | None
"""What a signal reads; None is unknown."""

_NOTHING: frozenset[Any] = frozenset()


class Term(Protocol):
    """A number, live or fixed."""

    @property
    def unit(self) -> str:
        """Unit of the number, for people."""

    @property
    def signals(self) -> frozenset[str]:
        """Names of the signals that it reads."""

    @property
    def rises(self) -> frozenset[Rise]:
        """The changes over time that it reads."""

    def evaluate(self, values: Mapping[str, Value]) -> float | None:
        """The number, None where it cannot be known."""


def number_of(value: Value) -> float | None:
    """Give a value as a number: a switch is none, and neither is what is not finite."""
    if value is None or value is True or value is False:
        return None
    return value if -sys.float_info.max <= value <= sys.float_info.max else None


@dataclass(frozen=True)
class Number:
    """A fixed number."""

    value: float
    unit: str
    signals = _NOTHING
    rises = _NOTHING

    def __str__(self) -> str:
        return f"{self.value:.9g} {self.unit}"

    def evaluate(self, values: Mapping[str, Value]) -> float | None:
        return self.value


@dataclass(frozen=True)
class Live:
    """What a signal reads now."""

    signal: str
    unit: str
    rises = _NOTHING

    def __str__(self) -> str:
        return self.signal

    @property
    def signals(self) -> frozenset[str]:
        return frozenset({self.signal})

    def evaluate(self, values: Mapping[str, Value]) -> float | None:
        return number_of(values.get(self.signal))


@dataclass(frozen=True)
class Rise:
    """By how much a signal rose within a window of time; negative where it fell."""

    signal: str
    window_s: float
    unit: str = field(default="", compare=False)

    def __str__(self) -> str:
        return self.key

    @property
    def key(self) -> str:
        """Under which name the scan puts its value among the others."""
        return f"rise({self.signal}, {self.window_s:.12g} s)"

    @property
    def signals(self) -> frozenset[str]:
        return frozenset({self.signal})

    @property
    def rises(self) -> frozenset[Rise]:
        return frozenset({self})

    def evaluate(self, values: Mapping[str, Value]) -> float | None:
        return number_of(values.get(self.key))


@dataclass(frozen=True)
class Combined:
    """A signal and what is added to it or taken from it."""

    left: Term
    sign: str
    """``+`` or ``-``."""
    right: Term
    unit: str

    def __str__(self) -> str:
        return f"{self.left} {self.sign} {self.right}"

    @property
    def signals(self) -> frozenset[str]:
        return self.left.signals | self.right.signals

    @property
    def rises(self) -> frozenset[Rise]:
        return self.left.rises | self.right.rises

    def evaluate(self, values: Mapping[str, Value]) -> float | None:
        left, right = self.left.evaluate(values), self.right.evaluate(values)
        if left is None or right is None:
            return None
        return left + right if self.sign == "+" else left - right


@dataclass(frozen=True)
class Magnitude:
    """A difference without its sign."""

    of: Term

    def __str__(self) -> str:
        return f"abs({self.of})"

    @property
    def unit(self) -> str:
        return self.of.unit

    @property
    def signals(self) -> frozenset[str]:
        return self.of.signals

    @property
    def rises(self) -> frozenset[Rise]:
        return self.of.rises

    def evaluate(self, values: Mapping[str, Value]) -> float | None:
        value = self.of.evaluate(values)
        return None if value is None else abs(value)
