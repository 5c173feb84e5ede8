"""What is known at one instant, what is to be started then, and what is to come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from lab.scheduling.planning.job import Job, Kind
from lab.scheduling.planning.programme import Programme


@dataclass(frozen=True)
class Progress:
    """How far one sample is: it waits for a step, or is in it."""

    job: Job
    step: int = 0
    since_s: float = 0.0
    """Since when it waits, where it does."""
    held: bool = False
    """Whether nothing is to be begun with it; a station that it is in is emptied all the same."""


class Stage(StrEnum):
    """How far a station is with its samples."""

    BRINGING = "bringing"
    """The robot brings them, or does all the work itself."""
    ALONE = "alone"
    """The station works without the robot: a mill mills, a furnace fires or cools."""
    DONE = "done"
    """They wait for the robot."""
    TAKING = "taking"
    """The robot takes them away."""


@dataclass(frozen=True)
class Work:
    """What is under way at one station.

    Times are the best that is known; one that has passed means that it is expected at any moment. Only the stage says
    what has happened.
    """

    station: str
    """Empty for a step that needs none."""
    samples: tuple[str, ...]
    stage: Stage
    ready_s: float = 0.0
    """When the station will be done, or was."""
    robot: str = ""
    """What brings or takes them."""
    robot_until_s: float = 0.0
    """Until when."""


@dataclass(frozen=True)
class Snapshot:
    """Everything that a decision depends on."""

    now_s: float
    progress: tuple[Progress, ...]
    """Each sample that is not finished, once, in the order in which they came; what is in no `Work` waits."""
    work: tuple[Work, ...] = ()
    out_of_service: frozenset[str] = frozenset()
    """Stations and robots that nothing may begin on; what a station is busy with is still taken out."""


def at_the_start(jobs: Sequence[Job], now_s: float = 0.0) -> Snapshot:
    """A snapshot in which nothing has begun."""
    return Snapshot(now_s, tuple(Progress(job, 0, max(now_s, job.released_s)) for job in jobs))


class Act(StrEnum):
    """What the robot and the station do."""

    BEGIN = "begin"
    """Bring the samples and start."""
    TAKE = "take"
    """Take the samples away, so that the station is free."""


@dataclass(frozen=True)
class Start:
    """One thing to start now; station and robot are both free for it, and are to be taken together."""

    act: Act
    kind: Kind
    station: str
    """Empty where none is needed."""
    robot: str
    """Empty where none is needed."""
    samples: tuple[str, ...]
    programme: Programme | None = None
    """What a furnace is to run: that of `leader`."""
    leader: str = ""
    """The sample that asked for this programme."""


@dataclass(frozen=True)
class Batch:
    """Crucibles that are to share a furnace: samples, each with the number of its step."""

    members: tuple[tuple[str, int], ...]
    leader: str
    """The sample whose programme is run."""


@dataclass(frozen=True)
class Booking:
    """One station taken by one task, from the first crucible brought to the last one taken away."""

    station: str
    kind: Kind
    samples: tuple[str, ...]
    start_s: float
    end_s: float
    programme: Programme | None = None


@dataclass(frozen=True)
class Plan:
    """Who is where until everything is done that can be."""

    bookings: tuple[Booking, ...]
    """In order of their beginning."""
    batches: tuple[Batch, ...]
    """Which crucibles are to share a furnace, in the order in which furnaces are to take them. What came too late for
    its batch is in another booking, and still here."""
    critical: tuple[str, ...]
    """The stations, furnaces apart, that are kept at work before all others."""
    start_s: float
    end_s: float
    stranded: tuple[str, ...] = ()
    """Samples that cannot be finished: held, or nothing in service can do their next step."""

    @property
    def makespan_s(self) -> float:
        """From the beginning to the last sample finished."""
        return self.end_s - self.start_s

    @property
    def firings(self) -> tuple[Booking, ...]:
        """What furnaces do."""
        return tuple(booking for booking in self.bookings if booking.kind is Kind.FIRE)
