"""How good the plan of the workload is, and how fast a decision is made."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.execution_harness.first_come import first_come
from benchmarks.execution_harness.laboratory import (
    DIFFRACTOMETER,
    IDENTICAL,
    PEAK_ONLY,
    WITHIN_THE_FURNACE,
    jobs,
    laboratory,
)
from benchmarks.execution_harness.workload import SEED
from benchmarks.report import Figure
from lab.scheduling.planning.bound import Bound, lower_bound, lower_bounds
from lab.scheduling.planning.decide import decide, look_again_s, look_ahead
from lab.scheduling.planning.floor import Floor
from lab.scheduling.planning.gantt import plot_plans
from lab.scheduling.planning.improve import improve
from lab.scheduling.planning.job import Job, Step
from lab.scheduling.planning.programme import Merging
from lab.scheduling.planning.snapshot import Plan, Progress, Snapshot, Start, at_the_start

SOLVER_SEED = 1
DETERMINISTIC_TIME = 10.0
WAITING = 500
TRIES = 7
OTHER_SEEDS = range(1, 6)
SHORT_SCAN_S = 480.0
DAY_S = 86400.0


def planned(*, quick: bool, picture: Path | None) -> tuple[list[Figure], dict[str, Any]]:
    """The figures of the plan, and what they are made of."""
    # Fewer recipes would be other work, with less to share: only the search is shorter.
    effort = DETERMINISTIC_TIME / 10 if quick else DETERMINISTIC_TIME
    listed, shop = jobs(), laboratory(WITHIN_THE_FURNACE)
    snapshot = at_the_start(listed)
    reference, greedy = first_come(shop, snapshot), look_ahead(shop, snapshot)
    started_s = time.process_time()
    better, again = (improve(shop, snapshot, greedy, seed=SOLVER_SEED, deterministic_time=effort) for _ in range(2))
    cpu_s = (time.process_time() - started_s) / 2
    plain, sharp = (lower_bound(listed, shop, company=company) for company in (False, True))
    if picture is not None:
        drawn = {"first in, first out": reference, "greedy": greedy, "improved": better}
        plot_plans(picture, drawn, shop, simulated=True)
    figures = [
        Figure("makespan shorter than first-in-first-out by", _shorter(better, reference), "%", 20.0, False, not quick),
        Figure("makespan over the lower bound", _over(better, plain), "%", 15.0, True, not quick),
        Figure("improved plan later than the greedy one", max(0.0, better.end_s - greedy.end_s), "s", 0.0, True),
        Figure("bookings that differ, same seed twice", _differing(better, again), "", 0, True),
    ]
    facts = {
        "solver": f"ortools {version('ortools')}, one worker, deterministic time {effort:g}, seed {SOLVER_SEED}",
        "workload": f"{len(listed)} recipes, seed {SEED}",
        "first in, first out": _said(reference),
        "greedy": _said(greedy),
        "improved": f"{_said(better)}; {cpu_s:.1f} s of CPU",
        "lower bound": _bound(plain),
        "lower bound, furnaces only as full as programmes allow": _bound(sharp),
        "loads": ", ".join(
            f"{b.stations[0]} {b.total_s / DAY_S:.1f} d" for b in lower_bounds(listed, shop, company=True)
        ),
        "decisions all through the greedy plan": _decided(listed, greedy),
    }
    return figures, facts | _with_less_tolerance(listed, effort) | _otherwise(listed)


def _with_less_tolerance(listed: Sequence[Job], effort: float) -> dict[str, str]:
    """What the tolerance of merging is worth."""
    snapshot = at_the_start(listed)
    identical, peak_only = laboratory(IDENTICAL), laboratory(PEAK_ONLY)
    reference = first_come(identical, snapshot)
    greedy = look_ahead(peak_only, snapshot)
    better = improve(peak_only, snapshot, greedy, seed=SOLVER_SEED, deterministic_time=effort)
    bounds = [lower_bound(listed, peak_only, company=company) for company in (False, True)]
    over = " and ".join(f"{_over(better, bound):.1f} %" for bound in bounds)
    alone = look_ahead(identical, snapshot)
    return {
        "identical programmes only, greedy": f"{_said(alone)}, shorter by {_shorter(alone, reference):.1f} %",
        "peaks within 5 K only, improved": f"{_said(better)}, shorter by {_shorter(better, reference):.1f} %, "
        f"over the two bounds by {over}",
    }


def _otherwise(listed: Sequence[Job]) -> dict[str, str]:
    """The same of other draws of the workload, and with short scans, where furnaces have the most to do."""
    drawn = [_greedy_and_reference(jobs(seed=seed), WITHIN_THE_FURNACE) for seed in OTHER_SEEDS]
    short = [replace(job, steps=tuple(_scanned(step) for step in job.steps)) for job in listed]
    greedy, reference = _greedy_and_reference(short, WITHIN_THE_FURNACE)
    bounds = [lower_bound(short, laboratory(WITHIN_THE_FURNACE), company=company) for company in (False, True)]
    over = " and ".join(f"{_over(greedy, bound):.0f} %" for bound in bounds)
    return {
        f"greedy, workload seeds {OTHER_SEEDS[0]} to {OTHER_SEEDS[-1]}": ", ".join(
            f"{plan.makespan_s / DAY_S:.1f} d (shorter by {_shorter(plan, fifo):.0f} %)" for plan, fifo in drawn
        ),
        f"greedy, scans of {SHORT_SCAN_S / 60:.0f} min": f"{_said(greedy)}, shorter by "
        f"{_shorter(greedy, reference):.1f} %, over the two bounds by {over}",
    }


def _scanned(step: Step) -> Step:
    return replace(step, alone_s=SHORT_SCAN_S) if step.stations == (DIFFRACTOMETER,) else step


def _greedy_and_reference(listed: Sequence[Job], merging: Merging) -> tuple[Plan, Plan]:
    shop, snapshot = laboratory(merging), at_the_start(listed)
    return look_ahead(shop, snapshot), first_come(shop, snapshot)


def _shorter(plan: Plan, reference: Plan) -> float:
    return 100 * (1 - plan.makespan_s / reference.makespan_s)


def _over(plan: Plan, bound: Bound) -> float:
    return 100 * (plan.makespan_s / bound.total_s - 1)


def _differing(one: Plan, other: Plan) -> float:
    return float(len(set(one.bookings) ^ set(other.bookings)) + (one != other))


def _said(plan: Plan) -> str:
    return f"{plan.makespan_s / DAY_S:.2f} d, {len(plan.firings)} batches"


def _bound(bound: Bound) -> str:
    return f"{bound.total_s / DAY_S:.2f} d ({bound.stations[0]})"


class _Bystander:
    """A rule that starts nothing."""

    def enter(self, floor: Floor, sample: str) -> None: ...

    def done(self, floor: Floor, station: str) -> None: ...

    def pick(self, floor: Floor) -> Start | None: ...


def _decided(listed: Sequence[Job], plan: Plan) -> str:
    """Go through all of it by deciding at each event, as a running laboratory does."""
    shop = laboratory(WITHIN_THE_FURNACE)
    floor = Floor(shop, at_the_start(listed), _Bystander())
    took_s, going = [], True
    while going:
        snapshot = floor.snapshot()
        took_s.append(_cpu_s(partial(_start, floor, snapshot, plan)))
        if (wake_s := look_again_s(shop, snapshot)) is not None:
            floor.wake_at(wake_s)
        going = floor.advance()
    as_planned = "as planned" if floor.finished_s == plan.end_s else f"{floor.finished_s / DAY_S:.2f} d"
    mean_ms = 1e3 * sum(took_s) / len(took_s)
    return f"{len(took_s)}, ending {as_planned}; {sum(took_s):.1f} s of CPU, {mean_ms:.1f} ms each"


def _start(floor: Floor, snapshot: Snapshot, plan: Plan) -> None:
    for start in decide(floor.shop, snapshot, following=plan):
        floor.apply(start)


def _cpu_s(work: Callable[[], object]) -> float:
    started_s = time.process_time()
    work()
    return time.process_time() - started_s


def decisions(*, quick: bool) -> list[Figure]:
    """What one decision costs with many samples waiting, the slowest of several situations and tries."""
    took_s = []
    for snapshot, following in _situations():
        shop = laboratory(WITHIN_THE_FURNACE)
        once = partial(decide, shop, snapshot, following=following)
        took_s += [_cpu_s(once) for _ in range(2 if quick else TRIES)]
    return [Figure(f"decision with {WAITING} waiting, slowest, CPU", 1e3 * max(took_s), "ms", 50.0, at_most=True)]


def _situations() -> Iterator[tuple[Snapshot, Plan | None]]:
    """All at the start; the same with a plan to follow; everybody somewhere on the way."""
    many = jobs(WAITING)
    start = at_the_start(many)
    yield start, None
    yield start, look_ahead(laboratory(WITHIN_THE_FURNACE), start)
    draws = random.Random(SEED)
    now_s = 5 * DAY_S
    yield (
        Snapshot(
            now_s, tuple(Progress(job, draws.randrange(len(job.steps)), draws.uniform(0.0, now_s)) for job in many)
        ),
        None,
    )
