"""Of which kind a number is: a temperature, a difference of temperatures, or a value on a scale that begins at 0.

pint knows the units, but not this: to it, 20 degC and 20 K beside each other are a mistake or the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from lab.safety.interlocks.expressions import Number, Term
from protocols.quantities import QuantityError, parse_quantity


@lru_cache(maxsize=256)
def is_unit(unit: str) -> bool:
    """Whether there is such a unit."""
    try:
        parse_quantity(f"1 {unit}", f"({unit})")
    except QuantityError:
        return False
    return True


def is_temperature(unit: str | None) -> bool:
    """Whether a signal in this unit is a temperature, no difference of temperatures."""
    return unit is not None and not unit.startswith("delta_") and _zero_k(unit) is not None


@lru_cache(maxsize=256)
def _zero_k(unit: str) -> float | None:
    """Where the unit's zero lies in kelvin; None for what is no temperature."""
    try:
        return parse_quantity(f"0 {unit}", "K")
    except QuantityError:
        return None


def difference_unit(unit: str) -> str:
    """In which unit a difference of two values in `unit` is given."""
    return ("K" if unit in ("degC", "K") else f"delta_{unit}") if is_temperature(unit) else unit


@dataclass(frozen=True)
class Literal:
    """A number as it is written; what it means depends on what it is compared with or added to."""

    text: str
    unit: str

    def in_unit(self, unit: str) -> Number:
        """The number as a value in `unit`; raises `QuantityError` where it is none."""
        return Number(parse_quantity(self.text, unit), unit)

    def as_difference(self, unit: str) -> Number:
        """The number as a difference of values in `unit`; raises `QuantityError` for a temperature."""
        if is_temperature(unit) and _zero_k(self.unit):
            number = self.text.split()[0]
            raise QuantityError(f"{self.text} is a temperature where a difference is meant: write {number} K")
        return self.in_unit(difference_unit(unit))


@dataclass(frozen=True)
class Typed:
    """A live number, and of which unit it is a value or a difference."""

    term: Term
    unit: str
    difference: bool = False

    @property
    def kind(self) -> str:
        """What it is, in words."""
        if not is_temperature(self.unit):
            return f"a value in {self.unit}"
        return "a difference of temperatures" if self.difference else f"a temperature in {self.unit}"

    def limit(self, literal: Literal) -> Number:
        """A number that this one is compared with; raises `QuantityError` where it is of another kind."""
        return literal.as_difference(self.unit) if self.difference else literal.in_unit(self.unit)
