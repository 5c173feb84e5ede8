"""One sample's way through the laboratory: steps in order, each with the stations that can do it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from lab.scheduling.planning.programme import FiringNeed
from lab.scheduling.planning.shop import PlanningError


class Kind(StrEnum):
    """What a step does."""

    DOSE = "dose"
    MIX = "mix"
    DRY = "dry"
    LOAD = "load"
    WEIGH = "weigh"
    FIRE = "fire"
    RECOVER = "recover"
    REGRIND = "regrind"
    SIEVE = "sieve"
    MOUNT = "mount"
    MEASURE = "measure"
    CLEAN = "clean"
    ANALYSE = "analyse"


@dataclass(frozen=True)
class Step:
    """One thing that one station does to one sample.

    The robot brings the sample, the station works alone, the robot takes it away; between steps a sample stands in a
    rack. Where the robot does the work itself, all of the time is the robot's.
    """

    kind: Kind
    stations: tuple[str, ...] = ()
    """Any one of them will do. For a firing: the furnaces that may, or none named for all that fit; for
    another step none named means that it needs no station."""
    alone_s: float = 0.0
    """How long the station works without the robot."""
    bring_s: float = 0.0
    """Robot time before it, together with the station."""
    take_s: float = 0.0
    """Robot time after it; the station stays taken until then."""
    firing: FiringNeed | None = None
    """What a furnace is to do; how long it takes follows from its programme, the furnace and the shop."""

    def __post_init__(self) -> None:
        if (self.kind is Kind.FIRE) != (self.firing is not None):
            raise PlanningError(f"a step {self.kind!s} {'lacks its' if self.firing is None else 'has a'} firing need")
        if self.firing is not None and self.station_s > 0:
            raise PlanningError(
                f"a firing lists {self.station_s:g} s of its own: how long it takes follows from its programme, the "
                "furnace and the shop's load and unload times"
            )

    @property
    def robot_s(self) -> float:
        """Robot time, both ends."""
        return self.bring_s + self.take_s

    @property
    def begins_with_robot(self) -> bool:
        """Whether a robot is needed to begin; without a station between them it does both ends at once."""
        return self.bring_s > 0 or self.firing is not None or (not self.stations and self.take_s > 0)

    @property
    def station_s(self) -> float:
        """Time at the station where nothing has to be waited for; for all but firings."""
        return self.bring_s + self.alone_s + self.take_s


@dataclass(frozen=True)
class Job:
    """One sample and all that is to be done to it."""

    sample: str
    steps: tuple[Step, ...]
    priority: int = 0
    """Higher comes first."""
    released_s: float = 0.0
    due_s: float | None = None

    @cached_property
    def firings(self) -> tuple[int, ...]:
        """Which of its steps are firings."""
        return tuple(i for i, step in enumerate(self.steps) if step.firing is not None)

    @cached_property
    def needs(self) -> tuple[tuple[int, FiringNeed], ...]:
        """Its firings: number of the step and what it needs."""
        return tuple((i, step.firing) for i, step in enumerate(self.steps) if step.firing is not None)
