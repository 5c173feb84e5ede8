"""How short a plan could be at best: for each group of stations what it has to do, and what must be before and after.

No plan is shorter than the load of a station, plus the shortest way to its first task, plus the shortest way from its
last one. A furnace counts with all its places filled (`load by capacity`), and, sharper, only with as many as there
are crucibles that may share it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from lab.scheduling.planning.grouping import followers
from lab.scheduling.planning.job import Job
from lab.scheduling.planning.programme import FiringNeed
from lab.scheduling.planning.shop import PlanningError, Shop


@dataclass(frozen=True)
class Bound:
    """The least time that some stations need from the first job's release to the last one's end."""

    stations: tuple[str, ...]
    load_s: float
    """By capacity: what there is to do divided by how much can be done at once."""
    head_s: float
    """The shortest way to a first task there."""
    tail_s: float
    """The shortest way from a last task there to the end."""

    @property
    def total_s(self) -> float:
        """All three."""
        return self.head_s + self.load_s + self.tail_s


@dataclass(frozen=True)
class _Task:
    group: tuple[str, ...]
    work_s: float
    """Its share of the load; of a shared firing its part."""
    head_s: float
    tail_s: float


@dataclass(frozen=True)
class _Least:
    """What a firing takes at the very least, whoever leads its batch."""

    closed_s: float = math.inf
    share_s: float = math.inf
    """Its part of the time of a batch."""


def lower_bound(jobs: Sequence[Job], shop: Shop, *, company: bool = False) -> Bound:
    """The largest of `lower_bounds`."""
    return max(lower_bounds(jobs, shop, company=company), key=lambda bound: (bound.total_s, bound.stations))


def lower_bounds(jobs: Sequence[Job], shop: Shop, *, company: bool = False) -> list[Bound]:
    """One bound for each group of stations that some step can choose from, and for the robots.

    Args:
        jobs: What is to be done, from the beginning.
        shop: The laboratory.
        company: Whether a firing counts with as many others at most as may share its programme, instead of a full
            furnace. Both are bounds; this one is the sharper, never the smaller.

    Raises:
        PlanningError: Where no furnace can run a firing.
    """
    least = _least(jobs, shop, company=company)
    tasks = [task for job in jobs for task in _tasks(job, shop, least)]
    groups = sorted({task.group for task in tasks})
    return [_bound(group, [t for t in tasks if set(t.group) <= set(group)]) for group in groups]


def _bound(group: tuple[str, ...], tasks: Sequence[_Task]) -> Bound:
    load_s = sum(task.work_s for task in tasks) / len(group)
    return Bound(group, load_s, min(t.head_s for t in tasks), min(t.tail_s for t in tasks))


def _tasks(job: Job, shop: Shop, least: Mapping[FiringNeed, _Least]) -> Iterator[_Task]:
    by_robot_s = shop.load_s + shop.unload_s
    lengths = [s.station_s if s.firing is None else least[s.firing].closed_s + by_robot_s for s in job.steps]
    head_s = job.released_s
    for i, step in enumerate(job.steps):
        tail_s = sum(lengths[i + 1 :])
        if step.firing is not None:
            group = shop.fit(step.firing, step.stations).furnaces
            if not group:
                raise PlanningError(_no_furnace(job, step.firing))
            yield _Task(group, least[step.firing].share_s + by_robot_s, head_s, tail_s)
            yield _Task(shop.robots, by_robot_s, head_s, tail_s)
        elif step.stations:
            yield _Task(step.stations, step.station_s, head_s, tail_s)
        if step.robot_s > 0:
            # What a station still does alone after the robot has brought it its last sample is part of the tail.
            alone_s = step.alone_s if step.take_s == 0 else 0.0
            yield _Task(shop.robots, step.robot_s, head_s, tail_s + alone_s)
        head_s += lengths[i]


def _least(jobs: Sequence[Job], shop: Shop, *, company: bool) -> dict[FiringNeed, _Least]:
    """The least time, and the least part of a batch's time, that falls to each kind of firing.

    A batch of n crucibles led by l takes the time p(l). With at most m(l) places or, sharper, crucibles that may
    follow l, p(l)/m(l) for each of the n adds up to no more than p(l). Each counts with the least over its leaders.
    """
    count = Counter(need for job in jobs for _, need in job.needs)
    needs = list(count)
    least = dict.fromkeys(needs, _Least())
    for leader, members in zip(needs, followers(needs, shop.merging), strict=True):
        together = sum(count[needs[i]] for i in members) if company else math.inf
        for furnace in (shop.furnace[name] for name in shop.fit(leader).furnaces):
            closed_s = furnace.closed_s(leader.programme)
            share_s = closed_s / min(together, furnace.places)
            for need in (needs[i] for i in members):
                old = least[need]
                least[need] = _Least(min(old.closed_s, closed_s), min(old.share_s, share_s))
    return least


def _no_furnace(job: Job, need: FiringNeed) -> str:
    programme = need.programme
    return (
        f"{job.sample}: no furnace runs {programme.peak_degc:g} degC in {programme.atmosphere} at "
        f"{programme.fastest_degc_per_min:g} degC/min: change the recipe, or add a furnace that does"
    )
