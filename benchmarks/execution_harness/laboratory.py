"""The laboratory that the workload is planned for, and how long each thing takes there.

Robot times are those of one collaborative arm that reads a barcode at every hand-over: about a minute for a pick
and place, two where a door or a clamp has to be opened first, minutes where it handles powder itself.
"""

from __future__ import annotations

from benchmarks.execution_harness.targets import Target
from benchmarks.execution_harness.workload import RECIPES, SEED, workload
from lab.scheduling.planning.job import Job, Kind, Step
from lab.scheduling.planning.programme import FiringNeed, Merging, programme_of
from lab.scheduling.planning.shop import Cooling, Furnace, Shop
from protocols.recipe import Recipe

IDENTICAL = Merging()
"""What a laboratory does that says nothing about it."""
PEAK_ONLY = Merging(peak_degc=5.0)
"""What a good box furnace, calibrated to +-5 K over its useful space, cannot tell from what was asked."""
WITHIN_THE_FURNACE = Merging(peak_degc=5.0, dwell_fraction=0.25, rate_fraction=0.25)
"""The same, and dwells that matter no more than the furnace's places do.

Two places, each within 5 K, may differ by 10 K. With 300 kJ/mol at 930 degC that changes a rate by 25 %, as much as
25 % of the dwell. The ramp is a small part of the time near the peak; here all ramps are equal."""

DISPENSERS = ("doser-1", "doser-2")
MILL, BALANCE, DIFFRACTOMETER, SPECTROMETER = "mill-1", "balance-1", "xrd-1", "spectrometer-1"
DOSE_S = 240.0
"""For each precursor: change the head, dose, settle."""


def laboratory(merging: Merging) -> Shop:
    """6 box furnaces of 8 crucibles, 2 tube furnaces of 2, one of most things, one robot."""
    boxes = [
        Furnace(f"box-{i}", 8, frozenset({"air"}), 1300.0, 10.0, Cooling(time_constant_s=1.5 * 3600.0))
        for i in range(1, 7)
    ]
    tubes = [
        Furnace(f"tube-{i}", 2, frozenset({"oxygen", "argon"}), 1300.0, 10.0, Cooling(time_constant_s=3600.0))
        for i in range(1, 3)
    ]
    return Shop(
        (*boxes, *tubes),
        (*DISPENSERS, MILL, BALANCE, DIFFRACTOMETER, SPECTROMETER),
        load_s=120.0,
        unload_s=120.0,
        merging=merging,
    )


def jobs(count: int = RECIPES, seed: int = SEED) -> list[Job]:
    """The workload as jobs, in the order in which it is handed in."""
    listed = workload(count, seed)
    return [Job(f"sample-{n:03d}", steps_of(recipe, target)) for n, (recipe, target) in enumerate(listed, 1)]


def steps_of(recipe: Recipe, target: Target) -> tuple[Step, ...]:
    """What is to be done for one recipe."""
    steps = [
        Step(Kind.DOSE, DISPENSERS, alone_s=DOSE_S * len(recipe.precursors), bring_s=120.0, take_s=60.0),
        Step(Kind.MIX, (MILL,), alone_s=recipe.mixing.time_s, bring_s=120.0, take_s=120.0),
    ]
    regrind = recipe.regrind or recipe.mixing
    for i, firing in enumerate(recipe.firings):
        if i > 0:
            steps.append(Step(Kind.REGRIND, (MILL,), alone_s=regrind.time_s, bring_s=120.0, take_s=120.0))
        steps += [
            # Powder from the jar into the crucible, tared and weighed on the way.
            Step(Kind.LOAD, (BALANCE,), bring_s=420.0),
            Step(Kind.FIRE, firing=FiringNeed(programme_of(firing), target.volatile)),
            Step(Kind.WEIGH, (BALANCE,), bring_s=150.0),
        ]
    return (
        *steps,
        Step(Kind.RECOVER, (MILL,), alone_s=300.0, bring_s=120.0, take_s=120.0),
        Step(Kind.MOUNT, bring_s=360.0),
        Step(Kind.MEASURE, (DIFFRACTOMETER,), alone_s=recipe.measure[0].time_s, bring_s=90.0, take_s=60.0),
        Step(Kind.MEASURE, (SPECTROMETER,), alone_s=1200.0, bring_s=90.0, take_s=90.0),
        # Jar, crucible and holder are emptied, brushed and wiped by the robot.
        Step(Kind.CLEAN, bring_s=300.0),
        Step(Kind.ANALYSE, alone_s=60.0),
    )
