"""A firing as a furnace takes it: steps, each a ramp and a dwell."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

from drivers.errors import LimitError

OFF_DEGC = 0.0
"""The setpoint of a furnace that shall not heat."""
SAFE_DEGC = 20.0
"""Where a furnace is sent when its work is done."""
NATURAL_DEGC_PER_MIN = 1.0
"""How slowly a furnace is taken to cool, on the whole, where a step says no rate."""
WARM_DEGC = 60.0
"""A programme that ends above this is continued down to `SAFE_DEGC`."""

NEAR_DEGC = 0.51
"""So far from what was asked may a temperature be that an instrument holds: half of its last digit."""
NEAR = 0.05
"""The same for rates and dwells, as a part of what was asked."""
ALIKE = 1e-6
"""Closer than this, as a part, two numbers are the same."""


@dataclass(frozen=True)
class Step:
    """Go to a temperature, and stay there."""

    rate_degc_per_min: float
    """Degrees per minute, positive, up or down; 0 goes down as fast as the furnace cools."""
    to_degc: float
    dwell_s: float = 0.0
    """At least 0."""


@dataclass(frozen=True)
class FurnaceProgram:
    """Steps that begin at the furnace's present temperature."""

    steps: tuple[Step, ...]

    @property
    def peak_degc(self) -> float:
        """The highest temperature that is asked for."""
        return max(step.to_degc for step in self.steps)

    def with_safe_end(self) -> FurnaceProgram:
        """Give the programme that goes on to a safe temperature where this one ends warm.

        >>> FurnaceProgram((Step(5.0, 900.0, 3600.0),)).with_safe_end().steps[-1]
        Step(rate_degc_per_min=0.0, to_degc=20.0, dwell_s=0.0)
        """
        if self.steps[-1].to_degc <= WARM_DEGC:
            return self
        return FurnaceProgram((*self.steps, Step(0.0, SAFE_DEGC)))

    def transitions_s(self, start_degc: float) -> Iterator[float]:
        """Give the seconds from the start at which each ramp and each dwell ends, by the setpoint.

        >>> list(FurnaceProgram((Step(10.0, 120.0, 60.0),)).transitions_s(20.0))
        [600.0, 660.0]
        """
        elapsed_s, at_degc = 0.0, start_degc
        for step in self.steps:
            if step.rate_degc_per_min > 0:
                elapsed_s += abs(step.to_degc - at_degc) / step.rate_degc_per_min * 60.0
                yield elapsed_s
            if step.dwell_s > 0:
                elapsed_s += step.dwell_s
                yield elapsed_s
            at_degc = step.to_degc

    def shortest_s(self, start_degc: float) -> float:
        """Give how many seconds the setpoint takes at least: steps without a rate take none.

        >>> FurnaceProgram((Step(10.0, 120.0, 60.0), Step(0.0, 20.0))).shortest_s(20.0)
        660.0
        """
        return max(self.transitions_s(start_degc), default=0.0)

    def trimmed(self) -> FurnaceProgram:
        """Leave out the last steps that go nowhere and take no time: what fills up the room of an instrument.

        >>> FurnaceProgram((Step(5.0, 900.0), Step(0.0, 900.0), Step(0.0, 900.0))).trimmed().steps
        (Step(rate_degc_per_min=5.0, to_degc=900.0, dwell_s=0.0),)
        """
        steps = list(self.steps)
        while len(steps) > 1 and steps[-1] == Step(0.0, steps[-2].to_degc):
            steps.pop()
        return FurnaceProgram(tuple(steps))

    def setpoints_degc(self, from_s: float, to_s: float, start_degc: float) -> tuple[float, float]:
        """Give the lowest and the highest setpoint between two times since the start; steps without a rate jump.

        >>> FurnaceProgram((Step(10.0, 120.0, 60.0), Step(0.0, 20.0))).setpoints_degc(540.0, 630.0, 20.0)
        (110.0, 120.0)
        """
        corners = [(-math.inf, start_degc), *self._corners(start_degc), (math.inf, self.steps[-1].to_degc)]
        found: list[float] = []
        for (begin_s, begin_degc), (end_s, end_degc) in itertools.pairwise(corners):
            low_s, high_s = max(begin_s, from_s), min(end_s, to_s)
            if low_s > high_s:
                continue
            slope = 0.0 if end_degc == begin_degc or end_s == begin_s else (end_degc - begin_degc) / (end_s - begin_s)
            if end_s == begin_s:
                found += [begin_degc, end_degc]
            elif slope == 0.0:
                found.append(end_degc)
            else:
                found += [begin_degc + slope * (at_s - begin_s) for at_s in (low_s, high_s)]
        return min(found), max(found)

    def _corners(self, start_degc: float) -> Iterator[tuple[float, float]]:
        """When the setpoint is where, from turn to turn; straight in between."""
        elapsed_s, at_degc = 0.0, start_degc
        yield elapsed_s, at_degc
        for step in self.steps:
            if step.rate_degc_per_min > 0:
                elapsed_s += abs(step.to_degc - at_degc) / step.rate_degc_per_min * 60.0
            at_degc = step.to_degc
            yield elapsed_s, at_degc
            elapsed_s += step.dwell_s
            yield elapsed_s, at_degc

    def longest_s(self, start_degc: float) -> float:
        """Give how many seconds the setpoint takes, where a step without a rate lasts as long as the cooling.

        >>> FurnaceProgram((Step(10.0, 120.0, 60.0), Step(0.0, 20.0))).longest_s(20.0)
        6660.0
        """
        total_s, at_degc = 0.0, start_degc
        for step in self.steps:
            rate_degc_per_min = step.rate_degc_per_min or NATURAL_DEGC_PER_MIN
            total_s += abs(step.to_degc - at_degc) / rate_degc_per_min * 60.0 + step.dwell_s
            at_degc = step.to_degc
        return total_s


@dataclass(frozen=True)
class FurnaceLimits:
    """The most that one furnace may be asked for."""

    furnace: str
    """Who errors are about."""
    setpoint_degc: float
    ramp_degc_per_min: float

    def check_program(self, program: FurnaceProgram, from_degc: float) -> None:
        """Make sure that a programme which begins at `from_degc` stays within the limits.

        Raises:
            LimitError: With what was asked and what is allowed.
        """
        if not program.steps:
            raise LimitError(f"{self.furnace}: a programme without steps was requested")
        at_degc = from_degc
        for step in program.steps:
            self.check_setpoint(step.to_degc)
            self._check_step(step, at_degc)
            at_degc = step.to_degc

    def check_setpoint(self, degc: float) -> None:
        """Make sure that a setpoint is allowed; raises as `check_program`."""
        highest = self.setpoint_degc
        if not OFF_DEGC <= degc <= highest:
            raise LimitError(
                f"{self.furnace}: {degc:g} degC requested, limit {highest:g} degC (limits.setpoint in the lab file)"
            )

    def _check_step(self, step: Step, from_degc: float) -> None:
        fastest, rate = self.ramp_degc_per_min, step.rate_degc_per_min
        if not 0 <= rate <= fastest:
            raise LimitError(
                f"{self.furnace}: {rate:g} degC/min requested, limit {fastest:g} degC/min (limits.ramp in the lab file)"
            )
        if rate == 0 and step.to_degc > from_degc:
            raise LimitError(f"{self.furnace}: a step up to {step.to_degc:g} degC without a ramp was requested")
        if not step.dwell_s >= 0:
            raise LimitError(f"{self.furnace}: a dwell of {step.dwell_s:g} s was requested")


def differences(asked: FurnaceProgram, held: FurnaceProgram) -> tuple[str, ...]:
    """Say how the programme that an instrument holds differs from what was asked, one sentence for each number.

    >>> differences(FurnaceProgram((Step(4.37, 900.0),)), FurnaceProgram((Step(4.4, 900.0),)))
    ('step 1: 4.37 degC/min is held as 4.4 degC/min',)
    """
    return tuple(
        f"step {k}: {wanted:g} {unit} is held as {found:g} {unit}" for k, wanted, found, unit in _pairs(asked, held)
    )


def check_near(asked: FurnaceProgram, held: FurnaceProgram) -> None:
    """Make sure that an instrument holds about what was asked.

    Raises:
        LimitError: A number differs by more than its last digit should: it would be another firing.
    """
    for k, wanted, found, unit in _pairs(asked, held):
        allowed = NEAR_DEGC if unit == "degC" else NEAR * wanted
        if not abs(found - wanted) <= allowed:
            raise LimitError(
                f"step {k}: {wanted:g} {unit} was requested, the instrument can hold {found:g} {unit}: "
                "ask for what it can hold"
            )


def _pairs(asked: FurnaceProgram, held: FurnaceProgram) -> Iterator[tuple[int, float, float, str]]:
    """(step, asked, held, unit) of every number that is not the same."""
    wanted, found = asked.trimmed().steps, held.trimmed().steps
    if len(wanted) != len(found):
        raise LimitError(f"{len(wanted)} steps were requested, the instrument would make {len(found)} of them")
    for k, (one, other) in enumerate(zip(wanted, found, strict=True), start=1):
        for attribute, unit in (("rate_degc_per_min", "degC/min"), ("to_degc", "degC"), ("dwell_s", "s")):
            a, b = float(getattr(one, attribute)), float(getattr(other, attribute))
            if not math.isclose(a, b, rel_tol=ALIKE, abs_tol=ALIKE):
                yield k, a, b, unit
