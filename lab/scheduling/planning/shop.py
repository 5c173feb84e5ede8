"""What there is to work with: stations, furnaces, robots, and how long a furnace takes to cool."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from lab.errors import LabError
from lab.scheduling.planning.programme import ROOM_DEGC, FiringNeed, Merging, Programme
from protocols.recipe import SAFE_TO_HANDLE_DEGC


class PlanningError(LabError):
    """A plan that cannot be made of what was given."""


@dataclass(frozen=True)
class Cooling:
    """How a furnace that is off loses its heat: the distance to the room falls by a factor e in each time constant."""

    time_constant_s: float
    safe_degc: float = SAFE_TO_HANDLE_DEGC

    def time_s(self, from_degc: float, to_degc: float | None = None, rate_degc_per_min: float = math.inf) -> float:
        """How long it takes to cool; to where the door may be opened, if no other temperature is given.

        A controlled rate holds as long as the furnace loses heat faster than that; below, it falls behind.

        >>> round(Cooling(7200.0).time_s(925.0) / 3600, 2)
        6.49
        >>> round(Cooling(7200.0).time_s(925.0, 60.0, 5.0) / 3600, 2)
        6.68
        """
        to_degc = self.safe_degc if to_degc is None else max(to_degc, self.safe_degc)
        if from_degc <= to_degc:
            return 0.0
        falls_behind_degc = ROOM_DEGC + rate_degc_per_min / 60.0 * self.time_constant_s
        turn_degc = min(from_degc, max(falls_behind_degc, to_degc))
        held_s = (from_degc - turn_degc) / rate_degc_per_min * 60.0
        return held_s + self.time_constant_s * math.log((turn_degc - ROOM_DEGC) / (to_degc - ROOM_DEGC))


@dataclass(frozen=True)
class Furnace:
    """One furnace and what it can do."""

    name: str
    places: int
    atmospheres: frozenset[str]
    highest_degc: float
    fastest_degc_per_min: float
    cooling: Cooling

    def fits(self, programme: Programme) -> bool:
        """Whether it can run a programme within its limits."""
        return (
            programme.atmosphere in self.atmospheres
            and programme.peak_degc <= self.highest_degc
            and programme.fastest_degc_per_min <= self.fastest_degc_per_min
        )

    def closed_s(self, programme: Programme) -> float:
        """From the door closed to the door opened: the programme, and cooling until it can be handled."""
        total_s, at_degc = 0.0, ROOM_DEGC
        for segment in programme.segments:
            to_degc, rate = segment.target_degc, segment.rate_degc_per_min
            total_s += (
                (to_degc - at_degc) / rate * 60.0 if to_degc >= at_degc else self.cooling.time_s(at_degc, to_degc, rate)
            )
            total_s += segment.dwell_s
            at_degc = to_degc
        return total_s + self.cooling.time_s(at_degc)


@dataclass(frozen=True)
class Fit:
    """The furnaces that can fire something; where there are none, no places and endless time."""

    furnaces: tuple[str, ...]
    places: int
    """Of the largest of them."""
    closed_s: float
    """How long the quickest of them is closed."""


@dataclass(frozen=True)
class Shop:
    """The whole laboratory, as far as time is concerned."""

    furnaces: tuple[Furnace, ...]
    stations: tuple[str, ...]
    """All that is not a furnace and takes one task at a time."""
    robots: tuple[str, ...] = ("robot-1",)
    """What carries; where people do, as many names as may carry at once."""
    load_s: float = 90.0
    """Robot time for each crucible that goes into a furnace."""
    unload_s: float = 90.0
    merging: Merging = field(default_factory=Merging)
    patience_s: float = 3 * 86400.0
    """A job released this much earlier counts as one step of priority more, so that nobody waits for ever."""

    def __post_init__(self) -> None:
        names = [furnace.name for furnace in self.furnaces] + list(self.stations) + list(self.robots)
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise PlanningError(f"{twice[0]!r} is listed {names.count(twice[0])} times: each name stands for one thing")
        if not self.robots:
            raise PlanningError("no robot is listed: name at least one, a person who carries counts as one")

    @cached_property
    def furnace(self) -> Mapping[str, Furnace]:
        """Furnaces by name."""
        return {furnace.name: furnace for furnace in self.furnaces}

    def fit(self, need: FiringNeed, allowed: tuple[str, ...] = (), out_of_service: frozenset[str] = frozenset()) -> Fit:
        """The furnaces in service that can fire something, among the allowed ones where some are named."""
        key = (need, allowed, out_of_service)
        found = self._fits.get(key)
        if found is None:
            able = [
                furnace
                for furnace in self.furnaces
                if furnace.fits(need.programme)
                and furnace.name not in out_of_service
                and (not allowed or furnace.name in allowed)
            ]
            found = self._fits[key] = Fit(
                tuple(furnace.name for furnace in able),
                max((furnace.places for furnace in able), default=0),
                min((furnace.closed_s(need.programme) for furnace in able), default=math.inf),
            )
        return found

    def whole(self, furnaces: tuple[str, ...], crucibles: int) -> tuple[str, ...]:
        """Those of some furnaces that have places enough."""
        return tuple(name for name in furnaces if self.furnace[name].places >= crucibles)

    @cached_property
    def _fits(self) -> dict[tuple[FiringNeed, tuple[str, ...], frozenset[str]], Fit]:
        """What `fit` has found: it is asked for every firing at every decision."""
        return {}
