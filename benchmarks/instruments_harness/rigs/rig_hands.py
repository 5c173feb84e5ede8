"""What moves powder and labware: each job must be done once, and nothing be said to stand where it does not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from benchmarks.instruments_harness.rig import Action, Measure, Rig, Truths
from drivers.instrument import Instrument as Device
from sim import Simulation
from sim.plant import DoorState
from sim.plant.hand import Hand, Hold
from tests.cases.case import all_cases

FAST = 300.0
"""Lab seconds for each second: jobs take about a lab minute."""
FURNACE = all_cases()["eurotherm-3216p"].name
SPIN_RPM_PER_S = 150.0
SPIN_AGREES = 0.1
"""Part of a speed by which two readings may differ; of the time that is left likewise."""
STROKE_PERCENT_PER_S = 120.0
STEP_PERCENT = 100.0 * 13 / 255
"""How far fingers may have gone between two readings that are taken to agree."""


def take_back(simulation: Simulation) -> None:
    """Have the vial stand where the next move begins."""
    vials, mill = simulation.plant.places["vials"], simulation.plant.places["mill-1"]
    if 1 in mill.holds and 1 not in vials.holds:
        vials.put(1, mill.take(1))


def true_of_mover(simulation: Simulation) -> Truths:
    """What stands where the mover looks."""
    labware = simulation.plant.standing_at("vials/1")
    return {"labware": labware.barcode if labware else ""}


def close_door(simulation: Simulation) -> None:
    """Have the door that is to be opened be closed, unless it moves."""
    if simulation.plant.check_door(FURNACE).door is DoorState.OPEN:
        simulation.plant.set_door(FURNACE, DoorState.CLOSED)


def is_door_open(simulation: Simulation, device: Device, told: Mapping[str, Any]) -> str:
    """Look at the door that is said to be open."""
    door = simulation.plant.check_door(FURNACE).door
    return "" if door is DoorState.OPEN else f"and the door is {door.lower()}"


def true_of_doors(simulation: Simulation) -> Truths:
    """Where the door is."""
    door = simulation.plant.check_door(FURNACE).door
    return {
        "open_doors": FURNACE if door is DoorState.OPEN else "",
        "closed_doors": FURNACE if door is DoorState.CLOSED else "",
        "other_doors": FURNACE if door is DoorState.MOVING else "",
    }


def motor(driver: str, verb: str) -> Rig:
    """A mill or a shaker."""
    case = all_cases()[driver]
    most_rpm, told = case.limits["speed"], case.arguments[verb]

    def true(simulation: Simulation) -> Truths:
        machine: Any = simulation.instruments[case.name]
        number, fate = machine.last_job
        return {
            "state": "error" if machine.error else "running" if fate == "running" else "stop",
            "speed_rpm": machine.speed_rpm,
            "left_s": machine.left_s,
            "job": f"{number} {fate}",
        }

    return Rig(
        driver,
        actions=(Action(verb, f"{case.name} starts: .*"),),
        true=true,
        measures={
            "state": Measure(),
            "speed_rpm": Measure(1.0, 0.0, most_rpm, SPIN_RPM_PER_S, SPIN_AGREES * told["speed_rpm"]),
            "left_s": Measure(2.0, 0.0, told["time_s"], agreement=SPIN_AGREES * told["time_s"]),
            "job": Measure(),
        },
        checked=False,
        speed=FAST,
    )


def gripper(driver: str, *, checked: bool) -> Rig:
    """A gripper that has something to take."""
    name = all_cases()[driver].name

    def hand_of(simulation: Simulation) -> Hand:
        instrument: Any = simulation.instruments[name]
        found: Hand = instrument.hand
        return found

    def true(simulation: Simulation) -> Truths:
        hand, now_s = hand_of(simulation), simulation.plant.now()
        awake = hand.is_awake(now_s)
        return {
            "opening_percent": 100.0 * hand.opening(now_s),
            "holding": _HOLDING[hand.hold(now_s)] if awake else _ASLEEP,
            "state": "ready" if awake else "waking" if hand.is_waking(now_s) else "asleep",
        }

    def surround(simulation: Simulation) -> None:
        hand_of(simulation).surround(simulation.plant.now())

    def holds(simulation: Simulation, device: Device, told: Mapping[str, Any]) -> str:
        found = hand_of(simulation).hold(simulation.plant.now())
        return "" if found is Hold.GRASPED else f"and its fingers have {found.name.lower()}"

    def is_open(simulation: Simulation, device: Device, told: Mapping[str, Any]) -> str:
        opening = hand_of(simulation).opening(simulation.plant.now())
        return "" if opening > 0.9 else f"and its fingers are {opening:.0%} open"

    return Rig(
        driver,
        actions=(
            Action("activate", f"{name} wakes", always=False),
            Action("close", prepare=surround, check=holds),
            Action("open", check=is_open),
        ),
        true=true,
        measures={
            "opening_percent": Measure(1.0, 0.0, 100.0, STROKE_PERCENT_PER_S, STEP_PERCENT),
            "holding": Measure(),
            "state": Measure(),
        },
        checked=checked,
        crowd=2 if checked else 1,
    )


_ASLEEP = frozenset({"unknown", "moving"})
"""One that lost its power says that it moves, and its device may have asked before whether it is awake."""
_HOLDING: Mapping[Hold, str | frozenset[str]] = {
    Hold.MOVING: "moving",
    # A gripper that let go because it lost its power does not know it: its device does.
    Hold.ARRIVED: frozenset({"no", "dropped"}),
    Hold.GRASPED: "yes",
    Hold.DROPPED: "dropped",
}


def true_of_robot(simulation: Simulation) -> Truths:
    """What the dashboard tells."""
    robot: Any = simulation.instruments["robot-1"]
    return {
        "robot_mode": robot.mode,
        "safety_status": robot.safety,
        "program_state": robot.arm.state,
        "program": robot.loaded,
        "remote": "yes" if robot.remote else "no",
    }


def switch_on(simulation: Simulation) -> None:
    """Have the robot be ready to move."""
    robot: Any = simulation.instruments["robot-1"]
    robot.mode = "RUNNING"


def exactly(true: Callable[[Simulation], Truths], *signals: str) -> dict[str, Any]:
    """Say what is true of signals that are words."""
    return {"true": true, "measures": {signal: Measure() for signal in signals}}


RIGS = (
    Rig(
        "text-mover",
        beside=("safety-io", "eurotherm-3216p"),
        actions=(
            Action("move", "mover-1 begins MOVE .*", prepare=take_back),
            Action("door", "mover-1 begins DOOR .*", prepare=close_door, check=is_door_open),
            Action("look-at"),
        ),
        **exactly(true_of_mover, "labware"),
        checked=False,
        speed=FAST,
    ),
    motor("text-mill", "mill"),
    motor("text-shaker", "shake"),
    Rig(
        "text-door",
        beside=("safety-io", "eurotherm-3216p"),
        actions=(Action("door", f"{FURNACE} door open", prepare=close_door, check=is_door_open, always=False),),
        **exactly(true_of_doors, "open_doors", "closed_doors", "other_doors"),
        checked=False,
        speed=FAST,
    ),
    Rig(
        "ur-robot",
        beside=("aeris",),
        actions=(Action("play", "robot-1 plays home.urp"),),
        prepare=switch_on,
        **exactly(true_of_robot, "robot_mode", "safety_status", "program_state", "program", "remote"),
        checked=False,
        rate=0.04,
        speed=FAST,
    ),
    gripper("robotiq-gripper", checked=False),
    gripper("dh-gripper", checked=True),
)
