"""When which fault is to happen: what was asked for, and what chance brings."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from random import Random

from sim.relay.faults import Fault

LASTING = 10
"""For how many more requests a fault goes on that is a state and no event."""


@dataclass(frozen=True)
class Schedule:
    """What happens by itself: by chance, by a list, or both. Equal seeds and equal requests give equal faults.

    Chance begins no state of an instrument while it is in another, which would hide it: what is stuck shows no broken
    sensor, and tells of no power that failed. What is listed or injected is done all the same.
    """

    rate: float = 0.0
    """Faults for each request, 0 to 1."""
    seed: int = 0
    rates: Mapping[str, float] = field(default_factory=dict)
    """Instrument -> its own rate."""
    faults: Collection[Fault] | None = None
    """What chance may bring; None for all that can be done to the instrument."""
    listed: Mapping[str, Mapping[int, Fault]] = field(default_factory=dict)
    """Instrument -> number of the request since the start, from 1 -> what happens then."""
    lasting: int = LASTING
    """For how many more requests a fault goes on that is a state and no event."""
    lasts: Mapping[Fault, int] = field(default_factory=dict)
    """The same for those that go on for another number of requests."""
    most: int | None = None
    """How many faults chance may bring to each wire; None for no end."""


@dataclass
class Order:
    """A fault that is to happen as soon as it can."""

    instrument: str
    fault: Fault
    variant: str
    random: Random
    lasting: int | None = LASTING
    """More requests; None for ever."""
    late_s: float = 0.0
    """How much later a late reply comes, in wall seconds."""
    times: int = 1
    by_chance: bool = False


class Dice:
    """The luck of one wire, which no other wire's traffic changes."""

    def __init__(self, schedule: Schedule, wire: str) -> None:
        self._schedule = schedule
        self._random = Random(f"{schedule.seed}/{wire}")
        self._requests: dict[str, int] = {}
        self._drawn = 0

    @property
    def over(self) -> bool:
        """Whether nothing comes any more."""
        schedule = self._schedule
        luck = schedule.most is None or self._drawn < schedule.most
        ahead = any(self._requests.get(name, 0) < max(numbers) for name, numbers in schedule.listed.items() if numbers)
        return not ahead and not (luck and (schedule.rate > 0.0 or any(schedule.rates.values())))

    def roll(self, instrument: str, possible: Collection[Fault]) -> Fault | None:
        """Give what happens at the next request to an instrument, out of what can be done to it."""
        schedule = self._schedule
        number = self._requests[instrument] = self._requests.get(instrument, 0) + 1
        chance, choice = self._random.random(), self._random.random()
        listed = schedule.listed.get(instrument, {}).get(number)
        if listed is not None:
            return listed
        if chance >= schedule.rates.get(instrument, schedule.rate) or self._drawn == schedule.most:
            return None
        allowed = [fault for fault in possible if schedule.faults is None or fault in schedule.faults]
        if not allowed:
            return None
        self._drawn += 1
        return allowed[int(choice * len(allowed))]
