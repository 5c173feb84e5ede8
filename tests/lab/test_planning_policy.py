from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.scheduling.planning.bound import lower_bound, lower_bounds
from lab.scheduling.planning.decide import decide, look_ahead
from lab.scheduling.planning.job import Job, Kind, Step
from lab.scheduling.planning.programme import FiringNeed, Merging, Programme, Segment
from lab.scheduling.planning.shop import Cooling, Furnace, PlanningError, Shop
from lab.scheduling.planning.snapshot import Act, Booking, Plan, Progress, Snapshot, Stage, Work, at_the_start

HOUR_S = 3600.0
ROUNDING_S = 1e-6


def need(peak_degc: float = 900.0, dwell_h: float = 4.0, atmosphere: str = "air", gives_off: str = "") -> FiringNeed:
    return FiringNeed(Programme((Segment(5.0, peak_degc, dwell_h * HOUR_S),), atmosphere), gives_off)


def job(sample: str, *needs: FiringNeed, priority: int = 0, released_s: float = 0.0, due_s: float | None = None) -> Job:
    steps = [Step(Kind.DOSE, ("doser-1", "doser-2"), alone_s=600.0, bring_s=60.0, take_s=60.0)]
    for firing in needs:
        steps += [
            Step(Kind.WEIGH, ("balance-1",), bring_s=120.0),
            Step(Kind.FIRE, firing=firing),
            Step(Kind.RECOVER, ("mill-1",), alone_s=300.0, bring_s=60.0, take_s=60.0),
        ]
    steps += [
        Step(Kind.MOUNT, bring_s=120.0),
        Step(Kind.MEASURE, ("xrd-1",), alone_s=900.0, bring_s=60.0, take_s=60.0),
        Step(Kind.ANALYSE, alone_s=30.0),
    ]
    return Job(sample, tuple(steps), priority, released_s, due_s)


def furnace(name: str, places: int = 4, *atmospheres: str) -> Furnace:
    return Furnace(name, places, frozenset(atmospheres or ("air",)), 1200.0, 10.0, Cooling(HOUR_S))


def shop(merging: Merging | None = None, *furnaces: Furnace, robots: tuple[str, ...] = ("robot-1",)) -> Shop:
    return Shop(
        furnaces or (furnace("box-1"), furnace("box-2"), furnace("tube-1", 2, "argon")),
        ("doser-1", "doser-2", "balance-1", "mill-1", "xrd-1"),
        robots,
        merging=merging or Merging(),
    )


def random_jobs(count: int, seed: int) -> list[Job]:
    draws = random.Random(seed)
    found = []
    for i in range(count):
        firings = [
            need(
                draws.choice((800.0, 805.0, 900.0, 1000.0)),
                draws.choice((2.0, 4.0)),
                draws.choice(("air", "air", "argon")),
                draws.choice(("", "lead")),
            )
            for _ in range(draws.choice((1, 1, 2)))
        ]
        due_s = draws.choice((None, 50 * HOUR_S, 100 * HOUR_S))
        found.append(
            job(
                f"s{i}", *firings, priority=draws.choice((0, 0, 1)), released_s=draws.choice((0.0, HOUR_S)), due_s=due_s
            )
        )
    return found


def at(plan: Plan, station: str) -> list[Booking]:
    return [b for b in plan.bookings if b.station == station]


def assert_possible(plan: Plan, jobs: Sequence[Job], there: Shop) -> None:
    """Every step of every sample once, in order, in a place that can do it, one thing at a time."""
    for name in [*there.furnace, *there.stations]:
        assert all(a.end_s <= b.start_s for a, b in pairwise(at(plan, name)))
    for each in jobs:
        way = [b for b in plan.bookings if each.sample in b.samples]
        assert [b.kind for b in way] == [s.kind for s in each.steps]
        assert all(a.end_s <= b.start_s for a, b in pairwise(way))
        assert way[0].start_s >= each.released_s
        for booking, step in zip(way, each.steps, strict=True):
            if step.firing is None:
                assert booking.station in (step.stations or ("",))
                assert booking.end_s - booking.start_s >= step.station_s - ROUNDING_S
                continue
            chosen = there.furnace[booking.station]
            assert booking.programme is not None
            assert chosen.fits(booking.programme)
            assert len(booking.samples) <= chosen.places
            least_s = chosen.closed_s(booking.programme) + len(booking.samples) * (there.load_s + there.unload_s)
            assert booking.end_s - booking.start_s >= least_s - ROUNDING_S
            assert there.merging.may_follow(step.firing, FiringNeed(booking.programme, step.firing.contamination))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("merging", [Merging(), Merging(peak_degc=5.0, dwell_fraction=0.5, longest_wait_s=HOUR_S)])
def test_a_plan_does_every_step_once_in_order_and_ends(seed: int, merging: Merging) -> None:
    there, jobs = shop(merging), random_jobs(30, seed)
    plan = look_ahead(there, at_the_start(jobs))
    assert plan.stranded == ()
    assert_possible(plan, jobs, there)
    assert {key for batch in plan.batches for key in batch.members} == {(j.sample, i) for j in jobs for i in j.firings}


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 25), st.integers(0, 10_000), st.integers(1, 3), st.floats(0.0, 48.0))
def test_no_plan_beats_the_lower_bound(count: int, seed: int, robots: int, wait_h: float) -> None:
    merging = Merging(peak_degc=5.0, dwell_fraction=1.0, longest_wait_s=wait_h * HOUR_S)
    there = shop(merging, robots=tuple(f"robot-{i}" for i in range(robots)))
    jobs = random_jobs(count, seed)
    plan = look_ahead(there, at_the_start(jobs))
    plain, sharp = (lower_bound(jobs, there, company=company) for company in (False, True))
    assert plain.total_s <= sharp.total_s + 1e-6
    assert sharp.total_s <= plan.makespan_s + 1e-6


def test_the_same_snapshot_gives_the_same_plan() -> None:
    there, jobs = shop(), random_jobs(40, 3)
    assert look_ahead(there, at_the_start(jobs)) == look_ahead(there, at_the_start(jobs))


def test_identical_firings_share_a_furnace() -> None:
    plan = look_ahead(shop(), at_the_start([job(f"s{i}", need()) for i in range(4)]))
    (firing,) = plan.firings
    assert len(firing.samples) == 4


def test_contamination_classes_do_not_meet_unless_both_are_harmless() -> None:
    jobs = [job("a", need(gives_off="lead")), job("b", need(gives_off="zinc"))]
    assert len(look_ahead(shop(), at_the_start(jobs)).firings) == 2
    harmless = Merging(harmless=frozenset({"lead", "zinc"}))
    assert len(look_ahead(shop(harmless), at_the_start(jobs)).firings) == 1


def test_a_full_furnace_takes_no_more() -> None:
    plan = look_ahead(shop(None, furnace("box-1", 4)), at_the_start([job(f"s{i}", need()) for i in range(9)]))
    assert sorted(len(firing.samples) for firing in plan.firings) == [1, 4, 4]


def test_company_is_waited_for_and_no_longer_than_allowed() -> None:
    late = job("late", need(), released_s=6 * HOUR_S)
    patient = look_ahead(shop(Merging(longest_wait_s=10 * HOUR_S)), at_the_start([job("early", need()), late]))
    assert len(patient.firings) == 1
    hasty = look_ahead(shop(Merging(longest_wait_s=2 * HOUR_S)), at_the_start([job("early", need()), late]))
    assert len(hasty.firings) == 2
    arrived_s = next(b.end_s for b in hasty.bookings if b.kind is Kind.WEIGH)
    began_s = next(b.start_s for b in hasty.bookings if b.kind is Kind.FIRE)
    assert began_s == pytest.approx(arrived_s + 2 * HOUR_S)


def test_the_late_of_a_batch_whose_leader_is_missing_still_follow_somebody() -> None:
    """900 and 910 may both follow 905 but not each other: without it they are fired apart."""
    merging = Merging(peak_degc=5.0, longest_wait_s=HOUR_S)
    jobs = [job("low", need(900)), job("high", need(910)), job("middle", need(905), released_s=20 * HOUR_S)]
    there = shop(merging)
    plan = look_ahead(there, at_the_start(jobs))
    assert_possible(plan, jobs, there)


def test_a_higher_priority_goes_first() -> None:
    jobs = [job(f"s{i}", need(800.0 + 50 * i)) for i in range(6)] + [job("urgent", need(1150.0), priority=1)]
    plan = look_ahead(shop(), at_the_start(jobs))
    assert plan.bookings[0].samples == ("urgent",)
    ends = {b.samples[0]: b.end_s for b in plan.bookings if b.kind is Kind.MEASURE}
    assert ends["urgent"] <= sorted(ends.values())[1]


def test_an_earlier_due_date_goes_first() -> None:
    jobs = [job("later", need(800.0), due_s=90 * HOUR_S), job("sooner", need(900.0), due_s=40 * HOUR_S)]
    assert look_ahead(shop(), at_the_start(jobs)).bookings[0].samples == ("sooner",)


def test_whoever_has_waited_for_long_passes_later_ones_of_higher_priority() -> None:
    there = replace(shop(None, furnace("box-1", 1)), patience_s=24 * HOUR_S)
    old = job("old", need(1100.0))
    new = [job(f"new{i}", need(900.0), priority=1, released_s=i * 6 * HOUR_S) for i in range(20)]
    plan = look_ahead(there, at_the_start([*new, old]))
    order = [b.samples[0] for b in plan.bookings if b.kind is Kind.FIRE]
    assert order.index("old") < 12


def test_decide_starts_station_and_robot_together_and_nothing_twice() -> None:
    starts = decide(shop(robots=("robot-1", "robot-2")), at_the_start([job(f"s{i}", need()) for i in range(5)]))
    assert [(s.act, s.station, s.robot) for s in starts] == [
        (Act.BEGIN, "doser-1", "robot-1"),
        (Act.BEGIN, "doser-2", "robot-2"),
    ]
    assert len({s.samples for s in starts}) == 2


def test_a_cooled_furnace_is_emptied_before_anything_else_begins() -> None:
    fired, fresh = job("fired", need()), job("fresh", need())
    snapshot = Snapshot(1000.0, (Progress(fired, 2), Progress(fresh)), (Work("box-1", ("fired",), Stage.DONE),))
    (start,) = decide(shop(), snapshot)
    assert (start.act, start.station, start.samples) == (Act.TAKE, "box-1", ("fired",))


def test_with_the_robot_busy_only_what_needs_none_begins() -> None:
    measured, waiting = job("measured", need()), job("waiting", need())
    snapshot = Snapshot(
        1000.0,
        (Progress(measured, 6), Progress(waiting), Progress(job("carried", need()))),
        (Work("doser-1", ("carried",), Stage.BRINGING, 2000.0, "robot-1", 1100.0),),
    )
    (start,) = decide(shop(), snapshot)
    assert (start.kind, start.robot, start.samples) == (Kind.ANALYSE, "", ("measured",))


def test_going_on_from_a_snapshot_in_the_middle_finishes_everything() -> None:
    there, jobs = shop(), [job(f"s{i}", need()) for i in range(4)]
    snapshot = Snapshot(
        5000.0,
        (Progress(jobs[0], 2), Progress(jobs[1], 2), Progress(jobs[2], 5), Progress(jobs[3], 1, 4000.0)),
        (
            Work("box-1", ("s0", "s1"), Stage.ALONE, 40000.0),
            Work("xrd-1", ("s2",), Stage.TAKING, 4990.0, "robot-1", 5030.0),
        ),
    )
    plan = look_ahead(there, snapshot)
    assert plan.stranded == ()
    assert plan.start_s == 5000.0
    emptied = next(b for b in plan.bookings if b.station == "box-1")
    assert emptied.end_s >= 40000.0 + 2 * there.unload_s


def test_a_furnace_out_of_service_is_not_used_and_what_only_it_can_do_is_named() -> None:
    jobs = [job("inert", need(atmosphere="argon")), job("plain", need())]
    plan = look_ahead(shop(), replace(at_the_start(jobs), out_of_service=frozenset({"tube-1", "box-1"})))
    assert plan.stranded == ("inert",)
    assert {b.station for b in plan.bookings if b.kind is Kind.FIRE} == {"box-2"}


def test_a_plan_is_followed_while_it_holds() -> None:
    there = shop(Merging(peak_degc=5.0))
    jobs = random_jobs(30, 5)
    plan = look_ahead(there, at_the_start(jobs))
    again = look_ahead(there, at_the_start(jobs), following=plan)
    assert again == plan


def test_a_plan_that_lost_and_gained_samples_is_followed_in_the_rest() -> None:
    there, jobs = shop(), random_jobs(30, 6)
    plan = look_ahead(there, at_the_start(jobs))
    now = [*jobs[5:], job("new", need(1000.0), need(1100.0))]
    again = look_ahead(there, at_the_start(now), following=plan)
    assert_possible(again, now, there)


def test_a_programme_that_no_furnace_runs_is_said() -> None:
    with pytest.raises(PlanningError, match="no furnace runs 1400 degC in air"):
        lower_bounds([job("hot", need(1400.0))], shop())


@pytest.mark.parametrize(
    ("work", "said"),
    [
        ((Work("box-1", ("b",), Stage.ALONE),), "box-1 is busy with b, which is not in the snapshot"),
        ((Work("box-9", ("a",), Stage.ALONE),), "a is at box-9, which the shop does not have"),
        ((Work("xrd-1", ("a",), Stage.TAKING, robot="robot-9"),), "robot-9 .* is not in the shop"),
        ((Work("xrd-1", ("a",), Stage.TAKING),), "no robot is to be with a"),
        ((Work("", ("a",), Stage.DONE),), "a is done at no station"),
        ((Work("xrd-1", ("a",), Stage.ALONE), Work("xrd-1", ("c",), Stage.ALONE)), "busy with a and with c"),
    ],
)
def test_a_snapshot_that_contradicts_the_shop_or_itself_is_refused(work: tuple[Work, ...], said: str) -> None:
    waiting = (Progress(job("a", need())), Progress(job("c", need())))
    with pytest.raises(PlanningError, match=said):
        decide(shop(robots=("robot-1", "robot-2")), Snapshot(0.0, waiting, work))


def test_a_sample_is_in_a_snapshot_once() -> None:
    with pytest.raises(PlanningError, match="twice"):
        decide(shop(), Snapshot(0.0, (Progress(job("a", need())), Progress(job("a", need())))))


def test_a_firing_has_no_times_of_its_own() -> None:
    with pytest.raises(PlanningError, match=r"60 s of its own"):
        Step(Kind.FIRE, bring_s=60.0, firing=need())


def test_what_is_due_has_not_happened_before_the_snapshot_says_so() -> None:
    """The mill should be done and the robot back: neither is asked for anything yet."""
    there = shop(robots=("robot-1", "robot-2"))
    milled, carried = job("milled", need()), job("carried", need())
    snapshot = Snapshot(
        1000.0,
        (Progress(milled, 3), Progress(carried, 1), Progress(job("next", need()))),
        (
            Work("mill-1", ("milled",), Stage.ALONE, 900.0),
            Work("balance-1", ("carried",), Stage.BRINGING, 950.0, "robot-1", 950.0),
        ),
    )
    (start,) = decide(there, snapshot)
    assert (start.samples, start.robot) == (("next",), "robot-2")
    assert look_ahead(there, snapshot).stranded == ()


def test_what_is_held_stays_and_is_not_waited_for() -> None:
    there = shop(Merging(longest_wait_s=100 * HOUR_S))
    a, b = job("a", need()), job("b", need())
    snapshot = Snapshot(0.0, (Progress(a, 2), Progress(b, held=True)))
    (start,) = decide(there, snapshot)
    assert (start.kind, start.samples) == (Kind.FIRE, ("a",))
    assert look_ahead(there, snapshot).stranded == ("b",)


def test_what_is_held_in_a_furnace_is_taken_out_of_it() -> None:
    snapshot = Snapshot(0.0, (Progress(job("a", need()), 2, held=True),), (Work("box-1", ("a",), Stage.DONE),))
    (start,) = decide(shop(), snapshot)
    assert (start.act, start.station) == (Act.TAKE, "box-1")
    assert look_ahead(shop(), snapshot).stranded == ("a",)


def test_a_robot_out_of_service_is_asked_for_nothing() -> None:
    there, snapshot = shop(robots=("robot-1", "robot-2")), at_the_start([job(f"s{i}", need()) for i in range(3)])
    (start,) = decide(there, replace(snapshot, out_of_service=frozenset({"robot-1"})))
    assert start.robot == "robot-2"
    assert decide(there, replace(snapshot, out_of_service=frozenset(there.robots))) == []


def test_a_plan_for_furnaces_that_are_gone_is_followed_in_what_is_left_of_them() -> None:
    """Four were to share box-1; box-3 takes two, and what only the tube furnace can do stays."""
    there = shop(None, furnace("box-1", 4), furnace("box-3", 2), furnace("tube-1", 2, "argon"))
    jobs = [*(job(f"s{i}", need()) for i in range(4)), job("inert", need(atmosphere="argon"))]
    plan = look_ahead(there, at_the_start(jobs))
    assert max(len(firing.samples) for firing in plan.firings) == 4
    gone = replace(at_the_start(jobs), out_of_service=frozenset({"box-1", "tube-1"}))
    again = look_ahead(there, gone, following=plan)
    assert [len(firing.samples) for firing in again.firings] == [2, 2]
    assert again.stranded == ("inert",)


def test_a_plan_does_not_fire_what_has_got_another_recipe_with_its_old_company() -> None:
    there = shop()
    plan = look_ahead(there, at_the_start([job("a", need(900)), job("b", need(900))]))
    assert len(plan.firings) == 1
    now = [job("a", need(900)), job("b", need(1000))]
    assert_possible(look_ahead(there, at_the_start(now), following=plan), now, there)


def test_a_sample_that_needs_no_robot_is_not_kept_waiting_by_one_that_does() -> None:
    """Both stand in the rack; only the analysis can begin while the robot is away."""
    steps = (Step(Kind.MOUNT, bring_s=120.0), Step(Kind.ANALYSE, alone_s=30.0))
    snapshot = Snapshot(
        100.0,
        (Progress(Job("mount", steps), 0), Progress(Job("analyse", steps), 1, 50.0), Progress(job("x", need()))),
        (Work("doser-1", ("x",), Stage.BRINGING, 900.0, "robot-1", 150.0),),
    )
    assert [start.samples for start in decide(shop(), snapshot)] == [("analyse",)]


def test_names_in_a_shop_are_unique_and_there_is_a_robot() -> None:
    with pytest.raises(PlanningError, match="'box-1' is listed 2 times"):
        shop(None, furnace("box-1"), furnace("box-1"))
    with pytest.raises(PlanningError, match="robot"):
        shop(robots=())
