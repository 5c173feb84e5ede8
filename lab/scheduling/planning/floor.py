"""The laboratory's floor while a plan is made: who is where, what is free, and what happens next.

A small discrete-event simulation. A rule (`Rule`) is told of each sample that comes to wait for a step and asked,
at each instant, what to start. Whatever starts takes station and robot together or is not started; a full station
that is done waits for the robot alone; so no circle of waiting can form.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from lab.scheduling.planning.job import Job, Step
from lab.scheduling.planning.programme import Programme
from lab.scheduling.planning.shop import PlanningError, Shop
from lab.scheduling.planning.snapshot import Act, Booking, Progress, Snapshot, Stage, Start, Work


class Rule(Protocol):
    """Decides what is started."""

    def enter(self, floor: Floor, sample: str) -> None:
        """Hear that a sample has come to wait for its step."""

    def done(self, floor: Floor, station: str) -> None:
        """Hear that a station is done and waits to be emptied."""

    def pick(self, floor: Floor) -> Start | None:
        """What to start now; None when nothing more can or should be."""


@dataclass(slots=True)
class Place:
    """One sample's whereabouts."""

    job: Job
    step: int
    since_s: float
    held: bool
    number: int
    """In the order of the snapshot, which settles what nothing else does."""

    @property
    def current(self) -> Step:
        """The step that it waits for or is in."""
        return self.job.steps[self.step]


@dataclass(slots=True)
class Busy:
    """What a station does, or a sample at a step that needs none."""

    station: str
    samples: tuple[str, ...]
    stage: Stage
    start_s: float
    ready_s: float
    programme: Programme | None = None
    robot: str = ""
    """The robot that is with it."""
    robot_until_s: float = 0.0


class Floor:
    """State at an instant; goes from event to event."""

    def __init__(self, shop: Shop, snapshot: Snapshot, rule: Rule) -> None:
        """Set the floor up as a snapshot says.

        Raises:
            PlanningError: Where the snapshot contradicts the shop or itself.
        """
        self.shop = shop
        self.now_s = snapshot.now_s
        self.out_of_service = snapshot.out_of_service
        self.places = {
            p.job.sample: Place(p.job, p.step, p.since_s, p.held, n) for n, p in enumerate(snapshot.progress)
        }
        if len(self.places) < len(snapshot.progress):
            raise PlanningError("a sample is listed twice in the snapshot: give each sample one progress")
        self.busy: dict[str, Busy] = {}
        self.bookings: list[Booking] = []
        self.finished_s = snapshot.now_s
        self._elsewhere: list[Busy] = []
        self._robots_free = set(shop.robots)
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._serial = 0
        self._rule = rule
        at_work = {sample for work in snapshot.work for sample in work.samples}
        for sample, place in list(self.places.items()):
            if sample not in at_work:
                self._release(place)
        for work in snapshot.work:
            self._resume(work)

    # -- what can be asked

    def robot(self) -> str | None:
        """A robot that is free."""
        for name in self.shop.robots:
            if name in self._robots_free and name not in self.out_of_service:
                return name
        return None

    def is_free(self, station: str) -> bool:
        """Whether something may begin there."""
        return station not in self.busy and station not in self.out_of_service

    def first_free(self, stations: tuple[str, ...]) -> str | None:
        """The first of some stations where something may begin."""
        for name in stations:
            if name not in self.busy and name not in self.out_of_service:
                return name
        return None

    def snapshot(self) -> Snapshot:
        """How things stand now."""
        progress = tuple(Progress(p.job, p.step, p.since_s, p.held) for p in self.places.values())
        work = tuple(
            Work(busy.station, busy.samples, busy.stage, busy.ready_s, busy.robot, busy.robot_until_s)
            for busy in (*self.busy.values(), *self._elsewhere)
        )
        return Snapshot(self.now_s, progress, work, self.out_of_service)

    def wake_at(self, time_s: float) -> None:
        """Have the rule asked again at that time."""
        self._at(time_s, lambda: None)

    # -- time

    def run(self, give_up: int = 1_000_000) -> None:
        """Start what the rule picks and go on until nothing happens any more."""
        for _ in range(give_up):
            while (start := self._rule.pick(self)) is not None:
                self.apply(start)
            if not self.advance():
                return
        raise PlanningError(f"the plan has more than {give_up} events: the rule goes round in circles")

    def advance(self) -> bool:
        """Go to the next instant at which something happens; False where nothing will."""
        if not self._events:
            return False
        self.now_s = self._events[0][0]
        while self._events and self._events[0][0] <= self.now_s:
            heapq.heappop(self._events)[2]()
        return True

    def apply(self, start: Start) -> None:
        """Begin what was picked."""
        if start.act is Act.BEGIN:
            self._begin(start)
        else:
            self._take(self.busy[start.station], start.robot)

    def _begin(self, start: Start) -> None:
        step = self.places[start.samples[0]].current
        # Without a station between them the robot does both ends at once.
        bring_s, alone_s = step.bring_s + (0.0 if start.station else step.take_s), step.alone_s
        if start.programme is not None:
            bring_s = self.shop.load_s * len(start.samples)
            alone_s = self.shop.furnace[start.station].closed_s(start.programme)
        ready_s = self.now_s + bring_s + alone_s
        busy = Busy(start.station, start.samples, Stage.BRINGING, self.now_s, ready_s, start.programme)
        self._put(busy)
        self._bring(busy, start.robot, self.now_s + bring_s)

    def _put(self, busy: Busy) -> None:
        if busy.station:
            self.busy[busy.station] = busy
        else:
            self._elsewhere.append(busy)

    def _bring(self, busy: Busy, robot: str, until_s: float) -> None:
        if robot:
            self._occupy(busy, robot, until_s)
        self._at(until_s, lambda: self._work_alone(busy))

    def _work_alone(self, busy: Busy) -> None:
        self._let_go(busy)
        if busy.ready_s > self.now_s:
            busy.stage = Stage.ALONE
            self._at(busy.ready_s, lambda: self._ready(busy))
        else:
            self._ready(busy)

    def _ready(self, busy: Busy) -> None:
        if not busy.station or self._take_s(busy) == 0.0:
            self._leave(busy)
        else:
            busy.stage = Stage.DONE
            self._rule.done(self, busy.station)

    def _take(self, busy: Busy, robot: str) -> None:
        busy.stage = Stage.TAKING
        self._occupy(busy, robot, self.now_s + self._take_s(busy))
        self._at(busy.robot_until_s, lambda: self._leave(busy))

    def _take_s(self, busy: Busy) -> float:
        step = self.places[busy.samples[0]].current
        return self.shop.unload_s * len(busy.samples) if step.firing is not None else step.take_s

    def _leave(self, busy: Busy) -> None:
        self._let_go(busy)
        kind = self.places[busy.samples[0]].current.kind
        self.bookings.append(Booking(busy.station, kind, busy.samples, busy.start_s, self.now_s, busy.programme))
        if busy.station:
            del self.busy[busy.station]
        else:
            self._elsewhere.remove(busy)
        for sample in busy.samples:
            place = self.places[sample]
            place.step += 1
            place.since_s = self.now_s
            self._wait(place)

    def _release(self, place: Place) -> None:
        if place.job.released_s > self.now_s:
            self._at(place.job.released_s, lambda: self._wait(place))
        else:
            self._wait(place)

    def _wait(self, place: Place) -> None:
        if place.step >= len(place.job.steps):
            del self.places[place.job.sample]
            self.finished_s = self.now_s
        elif not place.held:
            self._rule.enter(self, place.job.sample)

    def _resume(self, work: Work) -> None:
        """Go on with what is under way; what is due at this instant has not happened before it is told so."""
        self._check(work)
        is_done = work.stage is Stage.DONE
        ready_s = work.ready_s if is_done else max(work.ready_s, self.now_s)
        busy = Busy(work.station, work.samples, work.stage, self.now_s, ready_s)
        self._put(busy)
        robot_until_s = max(work.robot_until_s, self.now_s)
        if work.stage is Stage.BRINGING:
            self._bring(busy, work.robot, robot_until_s)
        elif work.stage is Stage.ALONE:
            self._at(busy.ready_s, lambda: self._ready(busy))
        elif is_done:
            self._rule.done(self, busy.station)
        else:
            self._occupy(busy, work.robot, robot_until_s)
            self._at(robot_until_s, lambda: self._leave(busy))

    def _check(self, work: Work) -> None:
        where = work.station or "no station"
        missing = [name for name in work.samples if name not in self.places]
        if missing or not work.samples:
            raise PlanningError(
                f"{where} is busy with {missing[0] if missing else 'nobody'}, which is not in the snapshot: give each "
                "sample that is anywhere its progress"
            )
        if not work.station and work.stage in {Stage.DONE, Stage.TAKING}:
            raise PlanningError(f"{work.samples[0]} is {work.stage} at no station: what needs none ends by itself")
        if not work.station:
            return
        if work.station not in self.shop.furnace and work.station not in self.shop.stations:
            raise PlanningError(
                f"{work.samples[0]} is at {work.station}, which the shop does not have: list the station, out of "
                "service if nothing may begin there"
            )
        if work.station in self.busy:
            raise PlanningError(
                f"{work.station} is busy with {self.busy[work.station].samples[0]} and with {work.samples[0]}: "
                "give each station one work"
            )

    def _occupy(self, busy: Busy, robot: str, until_s: float) -> None:
        if robot not in self._robots_free:
            raise PlanningError(
                f"{robot or 'no robot'} is to be with {', '.join(busy.samples)} at {self.now_s:.0f} s, and is "
                f"{'busy' if robot in self.shop.robots else 'not in the shop'}: name a robot that is free"
            )
        busy.robot, busy.robot_until_s = robot, until_s
        self._robots_free.remove(robot)

    def _let_go(self, busy: Busy) -> None:
        if busy.robot:
            self._robots_free.add(busy.robot)
            busy.robot = ""

    def _at(self, time_s: float, what: Callable[[], None]) -> None:
        self._serial += 1
        heapq.heappush(self._events, (time_s, self._serial, what))
