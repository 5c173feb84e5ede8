"""What moves powder and labware: each job must be done once."""

from __future__ import annotations

from benchmarks.instruments_harness.rig import Action, Rig
from sim import Simulation

FAST = 300.0
"""Lab seconds for each second: jobs take about a lab minute."""


def take_back(simulation: Simulation) -> None:
    """Have the vial stand where the next move begins."""
    vials, mill = simulation.plant.places["vials"], simulation.plant.places["mill-1"]
    if 1 in mill.holds and 1 not in vials.holds:
        vials.put(1, mill.take(1))


RIGS = (
    Rig(
        "text-mover",
        beside=("safety-io", "eurotherm-3216p"),
        actions=(
            Action("move", ".* moved vials/1 to mill-1/1"),
            Action("door", "never noted"),
        ),
        prepare=take_back,
        checked=False,
        speed=FAST,
    ),
    Rig("text-mill", actions=(Action("mill", "mill-2 starts: .*"),), checked=False, speed=FAST),
    Rig("text-shaker", actions=(Action("shake", "shaker-1 starts: .*"),), checked=False, speed=FAST),
    Rig(
        "text-door",
        beside=("safety-io", "eurotherm-3216p"),
        actions=(Action("door", "furnace-1 door open"),),
        checked=False,
        speed=FAST,
    ),
    Rig(
        "ur-robot",
        beside=("aeris",),
        actions=(Action("play", "robot-1 plays home.urp"),),
        checked=False,
        speed=FAST,
    ),
    Rig(
        "robotiq-gripper",
        actions=(Action("activate", "gripper-1 wakes"), Action("close", "never noted"), Action("open", "never noted")),
        checked=False,
    ),
    Rig(
        "dh-gripper",
        actions=(Action("activate", "gripper-2 wakes"), Action("close", "never noted"), Action("open", "never noted")),
    ),
)
