"""Mill, shaker and door that a laboratory has built itself: their lines, and their drivers on real wires."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from drivers.errors import ActionFailedError, BusyError, CommandDeniedError, LimitError, RefusedError
from sim import Instrument
from sim.chemistry import dispense
from sim.instruments.text_door import TextDoor
from sim.parts.text_motor import TextMotor
from sim.plant import Impossible, Plant, substance
from sim.plant.station import Station
from sim.spec import Lot
from tests.sim.cell import Cell, working

Wait = Callable[[float], None]


class Line:
    """Says a line and gives the one that answers."""

    def __init__(self, machine: TextMotor | TextDoor) -> None:
        self.machine = machine

    def say(self, line: str) -> str:
        heard: list[str] = []
        self.machine.command(line, heard.append)
        assert len(heard) == 1, "one line answers each line"
        return heard[0]


# ---------------------------------------------------------------- the mill, line by line


@pytest.fixture
def mill(plant: Plant) -> Line:
    station = Station("mill-2", 4, plant, shakes=False)
    plant.add(station)
    return Line(TextMotor("mill-2", "text-mill", plant, station, 5000.0))


def fill(plant: Plant, position: str) -> None:
    vessel = plant.labware_at(position)
    assert vessel is not None
    for formula in ("BaCO3", "TiO2"):
        vessel.powder = dispense(vessel.powder, substance(Lot(formula, formula)), 200.0, plant.truth)


def test_a_job_runs_for_its_time(mill: Line, wait: Wait) -> None:
    assert mill.say("ID?") == "ID text-mill 1 SN-mill-2"
    assert mill.say("Status") == "State: STOP; Job: 0; Time: 0 s; Set: 0 rpm; Speed: 0 rpm; Left: 0 s"
    assert mill.say("Start 60 300") == "Job: 1"
    assert mill.say("Start 60 300") == "Error: busy"
    wait(1.0)
    assert mill.say("Status") == "State: RUNNING; Job: 1 running; Time: 60 s; Set: 300 rpm; Speed: 150 rpm; Left: 59 s"
    wait(60.0)
    assert mill.say("Status") == "State: STOP; Job: 1 done; Time: 60 s; Set: 300 rpm; Speed: 0 rpm; Left: 0 s"


def test_it_grinds_what_stands_there_as_far_as_it_came(mill: Line, plant: Plant, wait: Wait) -> None:
    for n in (1, 2):
        fill(plant, f"vials/{n}")
    plant.move("vials/1", "mill-2/1")
    before = plant.labware_at("mill-2/1")
    assert before is not None
    mixing = before.powder.mixing
    mill.say("Start 600 300")
    with pytest.raises(Impossible, match="mill-2 is running"):
        plant.move("mill-2/1", "vials/1")
    wait(300.0)
    assert mill.say("Stop") == "Stopped"
    half = plant.labware_at("mill-2/1")
    assert half is not None
    assert half.powder.mixing > mixing
    mixing = half.powder.mixing
    mill.say("Start 600 300")
    wait(601.0)
    whole = plant.labware_at("mill-2/1")
    assert whole is not None
    assert whole.powder.mixing > mixing
    assert [what for _, what in plant.log if "turned" in what] == [
        "mill-2 turned 300 s at 300 rpm",
        "mill-2 turned 600 s at 300 rpm",
    ]


@pytest.mark.parametrize("line", ["Start", "Start 60", "start 60 300", "", "Dance"])
def test_what_it_does_not_know_is_an_error(mill: Line, line: str) -> None:
    assert mill.say(line) == "Error: unknown command"


@pytest.mark.parametrize("line", ["Start 0 300", "Start 60 0", "Start 60 9999", "Start x 300", "Start nan 300"])
def test_what_it_cannot_do_is_an_error(mill: Line, line: str) -> None:
    assert mill.say(line) == "Error: out of range"


# ---------------------------------------------------------------- the door, line by line


@pytest.fixture
def door(plant: Plant) -> Line:
    return Line(TextDoor("door-1", plant, lambda: {"furnace-1": "A"}, lambda furnace: False))


def test_a_door_opens_and_closes(door: Line, wait: Wait) -> None:
    assert door.say("ID?") == "ID text-door 1 SN-door-1"
    assert door.say("Status") == "State: STOP; Furnace A: Closed"
    assert door.say("Open A") == "Opening A"
    assert door.say("Status") == "State: RUNNING; Furnace A: Moving"
    assert door.say("Close A") == "Error: busy"
    wait(9.0)
    assert door.say("Status") == "State: STOP; Furnace A: Open"
    assert door.say("Open B") == "Error: unknown command"


def test_a_door_that_is_stopped_is_ajar(door: Line, wait: Wait) -> None:
    door.say("Open A")
    wait(4.0)
    assert door.say("Stop") == "Stopped"
    assert door.say("Status") == "State: STOP; Furnace A: Ajar"
    assert door.say("Close A") == "Closing A"


# ---------------------------------------------------------------- with their drivers


@pytest.fixture
def cell(tmp_path: Path) -> Iterator[Cell]:
    instruments = (
        Instrument("mill-2", "text-mill", "socket://sim:7111"),
        Instrument("shaker-1", "text-shaker", "socket://sim:7112"),
        Instrument("door-1", "text-door", "socket://sim:7113", {"doors": {"furnace-1": "A"}}),
        Instrument("furnace-1", "eurotherm-3216p", "modbus-rtu:sim/furnace-1/1", {"watched_by": "safety-1"}),
        Instrument("safety-1", "safety-io", "modbus-tcp://sim:5020/1"),
    )
    told: dict[str, dict[str, object]] = {
        "mill-2": {"limits": {"speed": 600.0}},
        "shaker-1": {"limits": {"speed": 1200.0}},
        "door-1": {"doors": {"furnace-1": "A"}},
        "furnace-1": {"limits": {"setpoint": 1100.0, "ramp": 10.0}},
    }
    with working(tmp_path, instruments, told) as cell:
        yield cell


@pytest.mark.system
@pytest.mark.parametrize(("name", "verb"), [("mill-2", "mill"), ("shaker-1", "shake")])
def test_a_machine_turns_for_its_time(cell: Cell, name: str, verb: str) -> None:
    began_s = cell.clock.now()
    status = cell.set(name, verb, time_s=600.0, speed_rpm=300.0)
    cell.wait(100.0)
    machine = cell.look(name)
    assert (machine.state.get(), machine.speed_rpm.get(), machine.left_s.get()) == ("running", 300.0, 500.0)
    assert cell.end(status) is None
    assert cell.clock.now() - began_s == pytest.approx(600.0, abs=2.0)
    assert cell.gate.asked[-1].describe() == f"{verb} 300 rpm"
    assert cell.devices[name].job.get() == "1 done"
    assert cell.sent(name).count("Start 600 300") == 1


@pytest.mark.system
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"time_s": 60.0, "speed_rpm": 601.0}, "601 rpm requested, allowed above 0 to 600 rpm"),
        ({"time_s": 60.0, "speed_rpm": 0.0}, "0 rpm requested"),
        ({"time_s": 60.0, "speed_rpm": float("nan")}, "nan rpm requested"),
        ({"time_s": 0.0, "speed_rpm": 300.0}, "0 s requested"),
        ({"time_s": float("nan"), "speed_rpm": 300.0}, "nan s requested"),
    ],
)
def test_a_mill_has_limits(cell: Cell, arguments: dict[str, float], said: str) -> None:
    with pytest.raises(LimitError, match=f"mill-2: {said}"):
        cell.set("mill-2", "mill", **arguments)
    assert cell.gate.asked == []


@pytest.mark.system
def test_a_mill_that_is_stopped_has_failed(cell: Cell) -> None:
    status = cell.set("mill-2", "mill", time_s=600.0, speed_rpm=300.0)
    cell.wait(100.0)
    assert cell.do("mill-2", "stop") is None
    assert str(cell.end(status)) == "mill-2: job 1 stopped"


@pytest.mark.system
def test_a_mill_that_breaks_says_why(cell: Cell) -> None:
    status = cell.set("mill-2", "mill", time_s=600.0, speed_rpm=300.0)
    cell.wait(100.0)
    cell.sim("mill-2").fail("lid open")
    assert str(cell.end(status)) == "mill-2: job 1 failed (lid open)"
    assert isinstance(cell.do("mill-2", "mill", time_s=60.0, speed_rpm=300.0), BusyError)
    assert cell.look("mill-2").fault.get() == "mill-2 is in error (lid open)"


@pytest.mark.system
def test_a_power_failure_in_the_middle_is_noticed(cell: Cell) -> None:
    status = cell.set("mill-2", "mill", time_s=600.0, speed_rpm=300.0)
    cell.wait(100.0)
    cell.sim("mill-2").power_cycle()
    assert "job 1 is followed by 0: was it switched off" in str(cell.end(status))


@pytest.mark.system
def test_what_happens_at_its_panel_is_noticed(cell: Cell) -> None:
    cell.look("mill-2")
    cell.sim("mill-2").command("Start 60 300", lambda line: None)
    assert cell.look("mill-2").fault.get() == "mill-2 was started by somebody else"
    assert isinstance(cell.do("mill-2", "mill", time_s=60.0, speed_rpm=300.0), BusyError)


@pytest.mark.system
def test_a_door_opens_as_the_gate_is_asked(cell: Cell) -> None:
    door = cell.devices["door-1"]
    assert cell.do("door-1", "door", furnace="furnace-1", open=True) is None
    assert cell.gate.asked[-1].describe() == "door-open furnace-1.door"
    assert (door.open_doors.get(), door.closed_doors.get()) == ("furnace-1", "")
    assert cell.do("door-1", "door", furnace="furnace-1", open=False) is None
    assert cell.gate.asked[-1].describe() == "door-close furnace-1.door"
    assert (door.open_doors.get(), door.closed_doors.get()) == ("", "furnace-1")
    assert cell.do("door-1", "door", furnace="furnace-1", open=False) is None
    assert cell.sent("door-1").count("Close A") == 1


@pytest.mark.system
def test_a_locked_door_stays_shut(cell: Cell) -> None:
    with cell.simulation.plant.heat:
        cell.sim("safety-1").write_coils(3, [True])
    error = cell.do("door-1", "door", furnace="furnace-1", open=True)
    assert isinstance(error, RefusedError)
    assert str(error) == "door-1: Open A: the machine refused: A locked"


@pytest.mark.system
def test_a_door_that_meets_something_is_ajar(cell: Cell) -> None:
    cell.sim("door-1").jammed.add("furnace-1")
    error = cell.do("door-1", "door", furnace="furnace-1", open=True)
    assert isinstance(error, ActionFailedError)
    assert "Open A was stopped halfway" in str(error)
    assert cell.devices["door-1"].other_doors.get() == "furnace-1"


@pytest.mark.system
def test_a_door_that_is_stopped_stays_where_it_is(cell: Cell) -> None:
    status = cell.set("door-1", "door", furnace="furnace-1", open=True)
    cell.wait(3.5)
    assert cell.do("door-1", "stop") is None
    assert "Open A was stopped halfway" in str(cell.end(status))


@pytest.mark.system
def test_a_furnace_without_a_door_of_this_controller(cell: Cell) -> None:
    assert "it moves no door of furnace-9: there are furnace-1" in str(
        cell.do("door-1", "door", furnace="furnace-9", open=True)
    )


@pytest.mark.system
def test_what_is_denied_or_no_name_is_never_said(cell: Cell) -> None:
    cell.gate.denied["door-open"] = "612 degC"
    with pytest.raises(CommandDeniedError):
        cell.set("door-1", "door", furnace="furnace-1", open=True)
    with pytest.raises(LimitError, match="is no name"):
        cell.set("door-1", "door", furnace="a b", open=False)
    cell.look("door-1")
    assert not any(line.startswith(("Open", "Close")) for line in cell.sent("door-1"))
