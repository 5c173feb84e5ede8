"""Decisions one after the other, as a running laboratory asks for them, which is never quite as it was planned."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import pytest

from lab.scheduling.planning.decide import decide, look_again_s, look_ahead
from lab.scheduling.planning.floor import Floor
from lab.scheduling.planning.improve import better_of, improve
from lab.scheduling.planning.job import Job, Kind, Step
from lab.scheduling.planning.programme import FiringNeed, Merging, Programme, Segment
from lab.scheduling.planning.shop import Cooling, Furnace, Shop
from lab.scheduling.planning.snapshot import Act, Booking, Plan, Snapshot, Start, at_the_start

HOUR_S = 3600.0


def need(peak_degc: float, atmosphere: str = "air") -> FiringNeed:
    return FiringNeed(Programme((Segment(5.0, peak_degc, 4 * HOUR_S),), atmosphere))


def steps(*needs: FiringNeed, slow: float = 1.0) -> tuple[Step, ...]:
    """Dosing, then each firing with what goes before and after it, then a measurement."""
    found = [Step(Kind.DOSE, ("doser-1",), alone_s=600.0 * slow, bring_s=60.0, take_s=60.0)]
    for firing in needs:
        found += [
            Step(Kind.WEIGH, ("balance-1",), bring_s=120.0),
            Step(Kind.FIRE, firing=firing),
            Step(Kind.RECOVER, ("mill-1",), alone_s=300.0 * slow, bring_s=60.0, take_s=60.0),
        ]
    found.append(Step(Kind.MEASURE, ("xrd-1",), alone_s=2400.0 * slow, bring_s=60.0, take_s=60.0))
    return (*found, Step(Kind.ANALYSE, alone_s=30.0))


def shop(slow: float = 1.0, longest_wait_s: float = 8 * HOUR_S) -> Shop:
    kinds = (("box-1", 4, "air"), ("box-2", 4, "air"), ("box-3", 2, "air"), ("tube-1", 2, "argon"))
    furnaces = tuple(
        Furnace(name, places, frozenset({atmosphere}), 1200.0, 10.0, Cooling(HOUR_S * slow))
        for name, places, atmosphere in kinds
    )
    return Shop(
        furnaces,
        ("doser-1", "balance-1", "mill-1", "xrd-1"),
        ("robot-1", "person"),
        load_s=90.0 * slow,
        unload_s=60.0 * slow,
        merging=Merging(peak_degc=5.0, longest_wait_s=longest_wait_s),
    )


def needs(draws: random.Random) -> list[FiringNeed]:
    firing = need(draws.choice((800.0, 805.0, 810.0, 900.0)), draws.choice(("air", "air", "air", "argon")))
    return [firing, need(950.0, firing.programme.atmosphere)] if draws.random() < 0.3 else [firing]


class Bystander:
    """A rule that starts nothing: what is started comes from outside."""

    def enter(self, floor: Floor, sample: str) -> None: ...

    def done(self, floor: Floor, station: str) -> None: ...

    def pick(self, floor: Floor) -> Start | None: ...


@dataclass
class Laboratory:
    """What really happens; `believed` is what the planner takes it for."""

    really: Shop
    believed: Shop
    jobs: Sequence[Job]
    plan: Plan | None
    planned: dict[str, Job] = field(default_factory=dict)
    """The job of each sample as the planner knows it, where that differs."""

    def __post_init__(self) -> None:
        self.floor = Floor(self.really, at_the_start(self.jobs), Bystander())

    def snapshot(self) -> Snapshot:
        """As far as the planner can know: what has happened, and no time of what has not."""
        seen = self.floor.snapshot()
        progress = tuple(replace(p, job=self.planned.get(p.job.sample, p.job)) for p in seen.progress)
        work = tuple(replace(w, ready_s=0.0, robot_until_s=0.0) for w in seen.work)
        return replace(seen, progress=progress, work=work)

    def start(self) -> None:
        """Start what is decided, and see that it is possible."""
        snapshot = self.snapshot()
        for start in decide(self.believed, snapshot, following=self.plan):
            if start.act is Act.BEGIN:
                assert start.station not in self.floor.busy
                assert start.station not in self.floor.out_of_service
            assert start.robot not in self.floor.out_of_service
            assert not any(self.floor.places[name].held for name in start.samples if start.act is Act.BEGIN)
            self.floor.apply(start)
        if (wake_s := look_again_s(self.believed, snapshot)) is not None:
            self.floor.wake_at(wake_s)

    def bookings(self) -> tuple[Booking, ...]:
        return tuple(sorted(self.floor.bookings, key=lambda b: (b.start_s, b.station, b.samples)))


def assert_done(lab: Laboratory, jobs: Sequence[Job]) -> None:
    """Each step of each sample once and in order, what shares a furnace within the tolerance and its places."""
    assert not lab.floor.places
    way = {job.sample: [b for b in lab.bookings() if job.sample in b.samples] for job in jobs}
    for job in jobs:
        assert [b.kind for b in way[job.sample]] == [step.kind for step in job.steps]
        assert all(a.end_s <= b.start_s for a, b in pairwise(way[job.sample]))
        for booking, step in zip(way[job.sample], job.steps, strict=True):
            if step.firing is not None:
                furnace = lab.really.furnace[booking.station]
                assert booking.programme is not None
                assert furnace.fits(booking.programme)
                assert len(booking.samples) <= furnace.places
                assert lab.really.merging.may_follow(step.firing, FiringNeed(booking.programme))


@pytest.mark.parametrize("seed", range(3))
def test_deciding_at_each_event_gives_exactly_the_plan_that_is_followed(seed: int) -> None:
    """Nothing else is remembered between decisions, as in a laboratory that is started anew each time."""
    draws = random.Random(seed)
    jobs = [Job(f"s{i}", steps(*needs(draws)), released_s=draws.choice((0.0, 7 * HOUR_S))) for i in range(25)]
    # Where company is late a batch is put together anew, from what is known then.
    there, start = shop(longest_wait_s=100 * HOUR_S), at_the_start(jobs)
    plan = improve(there, start, look_ahead(there, start), seed=seed, deterministic_time=0.3)
    floor = Floor(there, start, Bystander())
    going = True
    while going:
        snapshot = floor.snapshot()
        for each in decide(there, snapshot, following=plan):
            floor.apply(each)
        if (wake_s := look_again_s(there, snapshot)) is not None:
            floor.wake_at(wake_s)
        going = floor.advance()
    assert tuple(sorted(floor.bookings, key=lambda b: (b.start_s, b.station, b.samples))) == plan.bookings


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("with_plan", [False, True])
def test_a_laboratory_where_little_goes_as_planned_finishes_everything(seed: int, with_plan: bool) -> None:
    """Slower than believed; samples are held, furnaces and a robot fail and come back, recipes get another firing."""
    draws = random.Random(seed)
    drawn = [(f"s{i}", needs(draws), draws.choice((0.0, 5 * HOUR_S)), draws.choice((0, 0, 1))) for i in range(24)]
    believed = {s: Job(s, steps(*firings), priority, at_s) for s, firings, at_s, priority in drawn}
    really = {s: Job(s, steps(*firings, slow=1.4), priority, at_s) for s, firings, at_s, priority in drawn}
    plan = look_ahead(shop(), at_the_start(list(believed.values()))) if with_plan else None
    lab = Laboratory(shop(slow=1.3), shop(), list(really.values()), plan, believed)
    mishaps = 0
    for _ in range(10_000):
        lab.start()
        if not lab.floor.advance():
            if not lab.floor.out_of_service and not any(place.held for place in lab.floor.places.values()):
                break
            # Only what is held or out of service is left.
            _repair(lab)
        if mishaps < 40 and draws.random() < 0.1:
            mishaps += 1
            _mishap(lab, draws, drawn, really)
        elif draws.random() < 0.05:
            _repair(lab)
        if with_plan and draws.random() < 0.01:
            snapshot = lab.snapshot()
            assert lab.plan is not None
            found = improve(shop(), snapshot, lab.plan, seed=seed, deterministic_time=0.1)
            lab.plan = better_of(shop(), snapshot, lab.plan, found)
    assert mishaps > 20
    assert_done(lab, list(really.values()))


def _repair(lab: Laboratory) -> None:
    lab.floor.out_of_service = frozenset()
    for place in lab.floor.places.values():
        place.held = False


def _mishap(
    lab: Laboratory,
    draws: random.Random,
    drawn: list[tuple[str, list[FiringNeed], float, int]],
    really: dict[str, Job],
) -> None:
    what = draws.choice(("hold", "out", "refire"))
    if what == "out":
        lab.floor.out_of_service |= {draws.choice([*lab.really.furnace, "robot-1", "mill-1"])}
        return
    if not lab.floor.places:
        return
    place = lab.floor.places[draws.choice(sorted(lab.floor.places))]
    if what == "hold":
        place.held = True
    elif place.job.needs and place.step <= place.job.firings[-1] and len(place.job.needs) < 3:
        sample, firings, at_s, priority = next(entry for entry in drawn if entry[0] == place.job.sample)
        # In between: what is fired last is another step from now on, and the plan does not know it.
        before = [n for i, n in place.job.needs if i <= place.step]
        again = [*before, need(870.0, firings[0].programme.atmosphere), *firings[len(before) :]]
        firings[:] = again
        lab.planned[sample] = Job(sample, steps(*again), priority, at_s)
        place.job = really[sample] = Job(sample, steps(*again, slow=1.4), priority, at_s)
