"""The greedy rule: furnaces first, then what the busiest station waits for, then what keeps furnaces fed.

Of all that could begin at an instant, rank (priority and waiting, due date) first, in this order:

1. Empty a furnace; load a batch that is complete, or whose first crucible has waited for long enough; empty any
   other station. These are short and free what others wait for, so rank does not count against them.
2. Begin at the critical station, the one with the most work left; bring it work where its queue is short.
3. Work for samples that are still to be fired, where fewer complete batches wait than their furnaces will soon want.
4. Work for samples that have had their last firing.
5. Other work for samples that are still to be fired.

Among equals the batch that is to be fired first comes first.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum

from lab.scheduling.planning.floor import Floor, Place
from lab.scheduling.planning.furnace_queue import FurnaceQueue
from lab.scheduling.planning.intent import Planned, Rank, rank_of
from lab.scheduling.planning.job import Job
from lab.scheduling.planning.shop import Shop
from lab.scheduling.planning.snapshot import Act, Progress, Start

BATCHES_AHEAD = 0.5
"""Complete batches, for each furnace, that should wait in front of it."""
SAMPLES_AHEAD = 2
"""Samples that should wait in front of the critical station."""
_LAST = 1_000_000
"""Behind every batch."""


class _Stage(IntEnum):
    """How much a piece of work matters now."""

    CRITICAL = 0
    FOR_THE_CRITICAL = 1
    FOR_A_HUNGRY_FURNACE = 2
    FINISHING = 3
    FEEDING = 4


@dataclass
class _Lane:
    """Samples that wait for the same stations with the same aim."""

    stations: tuple[str, ...]
    furnaces: tuple[str, ...]
    """Where they are to be fired next; none where they have had their last firing."""
    to_critical: bool
    """Whether their way to the next firing, or to the end, leads over the critical station."""
    with_robot: bool
    """Whether a robot is needed to begin."""
    queue: list[tuple[Rank, int, float, int, str]] = field(default_factory=list)
    """Rank, number of the batch, since when it waits, which of the snapshot it is, its name."""


def critical_stations(progress: Sequence[Progress]) -> tuple[str, ...]:
    """The stations, furnaces apart, with the most work left for each of them."""
    left_s: dict[tuple[str, ...], float] = {}
    for p in progress:
        for step in p.job.steps[p.step :]:
            if step.stations and step.firing is None:
                left_s[step.stations] = left_s.get(step.stations, 0.0) + step.station_s / len(step.stations)
    return max(left_s, key=lambda stations: (left_s[stations], stations), default=())


class Greedy:
    """A rule that follows a list of intended batches."""

    def __init__(self, shop: Shop, intended: Sequence[Planned], critical: tuple[str, ...] = ()) -> None:
        """Make the rule.

        Args:
            shop: The laboratory.
            intended: The batches to come, in order.
            critical: The stations, furnaces apart, that have the most to do.
        """
        self.intended = tuple(planned.batch for planned in intended)
        """The batches that it was given."""
        self.critical = critical
        """The stations that it keeps at work before all others."""
        self._shop = shop
        self._furnaces = FurnaceQueue(shop, intended)
        self._lanes: dict[tuple[tuple[str, ...], tuple[str, ...], bool, bool], _Lane] = {}
        self._done: list[str] = []
        self._at_critical = 0
        """How many wait for the critical stations."""

    def enter(self, floor: Floor, sample: str) -> None:
        """Put a sample where it waits."""
        place = floor.places[sample]
        step = place.current
        if step.firing is not None:
            self._furnaces.enter(floor, place)
            return
        aim, number, rank = self._aim(place)
        key = (step.stations, aim, self._leads_to_critical(place.job, place.step), step.begins_with_robot)
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = _Lane(*key)
        self._at_critical += step.stations == self.critical
        heapq.heappush(lane.queue, (rank, number, place.since_s, place.number, sample))

    def done(self, floor: Floor, station: str) -> None:
        """Remember a station that is to be emptied: furnaces first, then whatever was done first."""
        self._done.append(station)
        self._done.sort(key=lambda name: (name not in self._shop.furnace, floor.busy[name].ready_s, name))

    def pick(self, floor: Floor) -> Start | None:
        """The most urgent thing that can begin now."""
        robot = floor.robot()
        if robot is not None:
            if self._done and self._done[0] in self._shop.furnace:
                return self._empty(floor, robot)
            if (start := self._furnaces.load(floor, robot)) is not None:
                return start
            if self._done:
                return self._empty(floor, robot)
        return self._work(floor, robot)

    def _empty(self, floor: Floor, robot: str) -> Start:
        station = self._done.pop(0)
        samples = floor.busy[station].samples
        return Start(Act.TAKE, floor.places[samples[0]].current.kind, station, robot, samples)

    def _work(self, floor: Floor, robot: str | None) -> Start | None:
        able = [lane for lane in self._lanes.values() if lane.queue and self._can_begin(floor, lane, robot)]
        lane = min(able, key=self._order, default=None)
        if lane is None:
            return None
        station = floor.first_free(lane.stations) or ""
        *_, sample = heapq.heappop(lane.queue)
        self._at_critical -= lane.stations == self.critical
        used = robot if lane.with_robot and robot is not None else ""
        return Start(Act.BEGIN, floor.places[sample].current.kind, station, used, (sample,))

    def _can_begin(self, floor: Floor, lane: _Lane, robot: str | None) -> bool:
        if lane.with_robot and robot is None:
            return False
        return not lane.stations or floor.first_free(lane.stations) is not None

    def _order(self, lane: _Lane) -> tuple[float, ...]:
        (bucket, due_s), batch, since_s, number, _ = lane.queue[0]
        return bucket, self._stage(lane), due_s, batch, since_s, number

    def _stage(self, lane: _Lane) -> _Stage:
        if lane.stations == self.critical:
            return _Stage.CRITICAL
        if lane.to_critical and self._at_critical < SAMPLES_AHEAD and not lane.furnaces:
            return _Stage.FOR_THE_CRITICAL
        if not lane.furnaces:
            return _Stage.FINISHING
        hungry = self._furnaces.complete(lane.furnaces) < BATCHES_AHEAD * len(lane.furnaces)
        return _Stage.FOR_A_HUNGRY_FURNACE if hungry else _Stage.FEEDING

    def _aim(self, place: Place) -> tuple[tuple[str, ...], int, Rank]:
        """The furnaces that a sample is to be fired in next, the number and the rank of its batch."""
        step = next((i for i in place.job.firings if i >= place.step), None)
        found = None if step is None else self._furnaces.batch_of(place.job.sample, step)
        if found is None:
            return (), _LAST, rank_of(place.job, self._shop)
        return found[1].fit.furnaces, found[0], found[1].rank

    def _leads_to_critical(self, job: Job, step: int) -> bool:
        until = next((i for i in job.firings if i >= step), len(job.steps))
        return any(s.stations == self.critical for s in job.steps[step:until])
