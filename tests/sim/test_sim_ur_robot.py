"""The simulated robot at its dashboard, and the production driver that commands it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from drivers.errors import ActionFailedError, BusyError, CommandDeniedError, LimitError, WrongInstrumentError
from sim import Instrument
from sim.instruments.ur_robot import Programs, UrRobot
from sim.parts.robot_arm import Arm
from sim.plant import Plant
from sim.plant.places import Place
from tests.sim.cell import Cell, working

Wait = Callable[[float], None]
MOVE = {"from_position": "crucibles/7", "to_position": "holders/199"}
PROGRAM = "crucibles-7_to_holders-199.urp"


# ---------------------------------------------------------------- the dashboard, line by line


class Pendant:
    def __init__(self, plant: Plant, series: str = "e") -> None:
        plant.add(Place("robot-1", 1, 1))
        programs = Programs("{from}_to_{to}.urp", {"home.urp": []}, lambda at: at.split("/")[0] in plant.places)
        arm = Arm("robot-1", plant, None, 30.0)
        self.robot = UrRobot("robot-1", plant, arm, programs, serial="20205500123", model="UR5", series=series)

    def say(self, line: str) -> str:
        heard: list[str] = []
        self.robot.command(line, heard.append)
        assert len(heard) == 1, "one reply line for each command"
        return heard[0]


@pytest.fixture
def pendant(plant: Plant) -> Pendant:
    return Pendant(plant)


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        ("robotmode", "Robotmode: RUNNING"),
        ("safetystatus", "Safetystatus: NORMAL"),
        ("safetymode", "Safetymode: NORMAL"),
        ("is in remote control", "true"),
        ("programState", "STOPPED <unnamed>"),
        ("running", "Program running: false"),
        ("get loaded program", "No program loaded"),
        ("load home.urp", "Loading program: /programs/home.urp"),
        (f"load {PROGRAM}", f"Loading program: /programs/{PROGRAM}"),
        ("load dance.urp", "File not found: dance.urp"),
        ("load a-1_to_b-1.urp", "File not found: a-1_to_b-1.urp"),
        ("play", "Failed to execute: play"),
        ("pause", "Failed to execute: pause"),
        ("stop", "Stopped"),
        ("power on", "Powering on"),
        ("brake release", "Brake releasing"),
        ("unlock protective stop", "Failed to execute: unlock protective stop"),
        ("close popup", "closing popup"),
        ("close safety popup", "closing safety popup"),
        ("restart safety", "Restarting safety"),
        ("get serial number", "20205500123"),
        ("get robot model", "UR5"),
        ("quit", "Disconnected"),
        ("dance", "could not understand: 'dance'"),
    ],
)
def test_it_answers_as_the_reference_has_it(pendant: Pendant, line: str, reply: str) -> None:
    assert pendant.say(line) == reply


def test_its_version_tells_the_series(pendant: Pendant, plant: Plant) -> None:
    assert pendant.say("PolyscopeVersion").startswith("URSoftware 5.")
    cb3 = Pendant(plant, "CB3")
    assert cb3.say("PolyscopeVersion").startswith("URSoftware 3.")
    assert cb3.say("is in remote control").startswith("could not understand")
    assert cb3.say("safetystatus").startswith("could not understand")


def test_a_program_plays_pauses_goes_on_and_ends(pendant: Pendant, plant: Plant, wait: Wait) -> None:
    pendant.say(f"load {PROGRAM}")
    plant.move("holders/199", "waste/1")
    assert pendant.say("play") == "Starting program"
    assert pendant.say("programState") == f"PLAYING {PROGRAM}"
    assert pendant.say("play") == "Failed to execute: play"
    wait(10.0)
    assert pendant.say("pause") == "Pausing program"
    wait(100.0)
    assert pendant.say("programState") == f"PAUSED {PROGRAM}"
    assert pendant.say("play") == "Starting program"
    wait(19.0)
    assert pendant.say("running") == "Program running: true"
    wait(2.0)
    assert pendant.say("programState") == f"STOPPED {PROGRAM}"
    assert plant.standing_at("holders/199") is not None


def test_powering_takes_its_time(pendant: Pendant, wait: Wait) -> None:
    assert pendant.say("power off") == "Powering off"
    assert pendant.say("robotmode") == "Robotmode: POWER_OFF"
    pendant.say("power on")
    wait(6.0)
    assert pendant.say("robotmode") == "Robotmode: IDLE"
    pendant.say("brake release")
    wait(4.0)
    assert pendant.say("robotmode") == "Robotmode: RUNNING"


def test_a_protective_stop_is_unlocked_after_a_while(pendant: Pendant, wait: Wait) -> None:
    pendant.robot.protective_stop()
    assert pendant.say("unlock protective stop").startswith("Cannot unlock protective stop until 5s after occurrence")
    wait(6.0)
    assert pendant.say("unlock protective stop") == "Protective stop releasing"
    assert pendant.say("safetystatus") == "Safetystatus: NORMAL"


def test_under_local_control_nothing_is_done(pendant: Pendant) -> None:
    pendant.robot.remote = False
    assert pendant.say("load home.urp") == "Error while loading program: home.urp"
    assert pendant.say("power on") == "Failed to execute: power on"


# ---------------------------------------------------------------- with the driver


@pytest.fixture
def cell(tmp_path: Path) -> Iterator[Cell]:
    robot = Instrument("robot-1", "ur-robot", "socket://sim:29999")
    furnace = Instrument("furnace-1", "eurotherm-3216p", "modbus-rtu:sim/furnace-1/1")
    limits = {"limits": {"setpoint": 1100.0, "ramp": 10.0}}
    with working(tmp_path, (robot, furnace), {"furnace-1": limits}) as cell:
        cell.simulation.plant.move("holders/199", "waste/1")
        yield cell


def played(cell: Cell) -> int:
    return cell.sent("robot-1").count("play")


@pytest.mark.system
def test_a_move_loads_plays_and_is_done_when_the_labware_is_there(cell: Cell) -> None:
    robot = cell.devices["robot-1"]
    status = cell.set("robot-1", "move", **MOVE)
    cell.wait(10.0)
    assert (robot.inside.get(), robot.carrying.get()) == ("crucibles holders", "crucibles/7")
    assert robot.program_state.get() == "PLAYING"
    assert cell.end(status) is None
    assert cell.at("holders/199") == "C007"
    assert cell.at("crucibles/7") is None
    assert (robot.inside.get(), robot.carrying.get(), robot.program.get()) == ("", "", PROGRAM)
    assert [command.describe() for command in cell.gate.asked] == ["move crucibles/7 holders/199"]
    assert cell.sent("robot-1").count(f"load {PROGRAM}") == played(cell) == 1


@pytest.mark.system
def test_it_says_who_it_is_and_stays_that_one(cell: Cell) -> None:
    said = cell.devices["robot-1"].identify()
    assert said.startswith("UR5 2020")
    cell.sim("robot-1")._serial = "20209999999"
    with pytest.raises(WrongInstrumentError, match=r"has the serial number 20209999999, not 2020\d+: is this the addr"):
        cell.devices["robot-1"].identify()


@pytest.mark.system
def test_a_closed_furnace_stops_it_and_nobody_unlocks_it(cell: Cell) -> None:
    error = cell.do("robot-1", "move", from_position="crucibles/7", to_position="furnace-1/1")
    assert isinstance(error, ActionFailedError)
    assert "was interrupted, its safety status is PROTECTIVE_STOP, which a person must look at" in str(error)
    assert cell.devices["robot-1"].inside.get() == "unknown"
    assert cell.devices["robot-1"].carrying.get() == "unknown"
    assert "robot-1 collides: furnace-1 door closed" in cell.log()
    assert isinstance(cell.do("robot-1", "move", **MOVE), BusyError)
    assert not any("unlock" in line for line in cell.sent("robot-1"))


@pytest.mark.system
def test_a_message_on_its_pendant_blocks_it_until_the_deadline_names_it(cell: Cell) -> None:
    status = cell.set("robot-1", "move", **MOVE)
    cell.wait(10.0)
    cell.sim("robot-1").show_popup("Is the tray in place?")
    error = cell.end(status)
    assert "is playing and not done after 600 s: is a message on its pendant?" in str(error)
    assert played(cell) == 1


@pytest.mark.system
def test_a_message_that_is_closed_lets_the_program_go_on(cell: Cell) -> None:
    status = cell.set("robot-1", "move", **MOVE)
    cell.wait(10.0)
    cell.sim("robot-1").show_popup("Is the tray in place?")
    cell.wait(60.0)
    assert cell.do("robot-1", "close-popup") is None
    assert cell.end(status) is None
    assert cell.at("holders/199") == "C007"


@pytest.mark.system
def test_pausing_costs_no_time_and_going_on_is_asked_as_the_move_that_it_is(cell: Cell) -> None:
    status = cell.set("robot-1", "move", **MOVE)
    cell.wait(10.0)
    assert cell.do("robot-1", "pause") is None
    cell.wait(3600.0)
    assert cell.devices["robot-1"].program_state.get() == "PAUSED"
    assert cell.do("robot-1", "resume") is None
    assert cell.gate.asked[-1].describe() == "move crucibles/7 holders/199"
    assert cell.end(status) is None
    assert cell.at("holders/199") == "C007"


@pytest.mark.system
def test_what_is_not_paused_does_not_go_on(cell: Cell) -> None:
    cell.look("robot-1")
    assert "nothing is not paused, no program is stopped" in str(cell.do("robot-1", "resume"))
    assert played(cell) == 0


@pytest.mark.system
def test_a_stop_ends_the_program_and_leaves_the_arm_anywhere(cell: Cell) -> None:
    status = cell.set("robot-1", "move", **MOVE)
    cell.wait(10.0)
    assert cell.do("robot-1", "stop") is None
    assert "was stopped under way: look where the labware is" in str(cell.end(status))
    assert cell.devices["robot-1"].inside.get() == "unknown"
    assert cell.do("robot-1", "move", **MOVE) is None
    assert cell.devices["robot-1"].inside.get() == ""


@pytest.mark.system
def test_stopping_after_success_does_nothing(cell: Cell) -> None:
    status = cell.set("robot-1", "move", **MOVE)
    cell.wait(10.0)
    cell.devices["robot-1"].stop(success=True)
    assert cell.end(status) is None


@pytest.mark.system
def test_a_move_that_waits_does_not_begin_after_a_stop(cell: Cell) -> None:
    status = cell.set("robot-1", "move", **MOVE)
    cell.devices["robot-1"].stop()
    assert "was given up, because it was stopped after" in str(cell.end(status))
    assert played(cell) == 0


@pytest.mark.system
def test_somebody_at_the_pendant_is_noticed(cell: Cell) -> None:
    status = cell.set("robot-1", "move", **MOVE)
    cell.wait(10.0)
    cell.sim("robot-1").remote = False
    assert "was interrupted, it is under local control" in str(cell.end(status))
    robot = cell.look("robot-1")
    assert robot.remote.get() == "no"
    assert robot.fault.get().startswith("robot-1 does not move: it is under local control")


@pytest.mark.system
def test_a_program_that_somebody_stops_early_is_no_move(cell: Cell) -> None:
    status = cell.set("robot-1", "move", **MOVE)
    cell.wait(1.5)
    cell.sim("robot-1").stop_at_pendant()
    assert "ended after 2 s, and a move takes 3 s at least" in str(cell.end(status))


@pytest.mark.system
def test_a_power_failure_ends_the_move(cell: Cell) -> None:
    status = cell.set("robot-1", "move", **MOVE)
    cell.wait(10.0)
    cell.sim("robot-1").power_cycle()
    assert "its mode is POWER_OFF: it needs power-on and brake-release" in str(cell.end(status))
    assert cell.do("robot-1", "power-on") is None
    assert cell.devices["robot-1"].robot_mode.get() == "IDLE"
    assert cell.do("robot-1", "brake-release") is None
    assert cell.do("robot-1", "move", **MOVE) is None


@pytest.mark.system
def test_a_program_that_the_controller_does_not_have_is_refused(cell: Cell) -> None:
    error = cell.do("robot-1", "play", program="dance.urp")
    assert "the robot refused: File not found: dance.urp" in str(error)
    assert cell.devices["robot-1"].inside.get() == ""


@pytest.mark.system
def test_a_program_whose_places_nobody_named_may_be_anywhere(cell: Cell) -> None:
    status = cell.set("robot-1", "play", program="home.urp")
    cell.wait(5.0)
    assert cell.devices["robot-1"].inside.get() == "unknown"
    assert cell.end(status) is None
    assert cell.devices["robot-1"].inside.get() == "unknown"


@pytest.mark.system
def test_labware_is_carried_by_move_alone(cell: Cell) -> None:
    with pytest.raises(LimitError, match=r"carries labware from crucibles/7 to holders/199: use move"):
        cell.set("robot-1", "play", program=PROGRAM)
    with pytest.raises(LimitError, match=r"'furnace-1' is no position"):
        cell.set("robot-1", "move", from_position="furnace-1", to_position="holders/1")
    assert cell.gate.asked == []


@pytest.mark.system
def test_a_denied_move_reaches_no_wire(cell: Cell) -> None:
    cell.gate.denied["move"] = "f1.over is 612 degC"
    with pytest.raises(CommandDeniedError):
        cell.set("robot-1", "move", **MOVE)
    cell.look("robot-1")
    assert not any(line.startswith(("load", "play")) for line in cell.sent("robot-1"))


@pytest.mark.system
def test_a_program_of_an_earlier_life_of_the_lab_is_seen(cell: Cell) -> None:
    cell.sim("robot-1")._load(PROGRAM)
    cell.sim("robot-1")._play()
    robot = cell.look("robot-1")
    assert robot.inside.get() == "crucibles holders"
    assert isinstance(cell.do("robot-1", "move", **MOVE), BusyError)
    cell.wait(120.0)
    assert robot.inside.get() == ""


@pytest.mark.system
def test_silence_is_no_state(cell: Cell) -> None:
    cell.look("robot-1")
    cell.devices["robot-1"].dashboard.link.timeout_s = 0.05
    cell.simulation.deafen("robot-1")
    robot = cell.look("robot-1")
    assert (robot.comm_ok.get(), robot.safety_status.get(), robot.program_state.get()) == (0, "unknown", "unknown")
