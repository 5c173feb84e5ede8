"""Fingers, the two simulated grippers, their drivers, and the robot that carries only what they hold."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pymodbus.client import ModbusSerialClient, ModbusTcpClient

from drivers.clock import JumpClock
from drivers.errors import ActionFailedError, BusyError, LimitError
from sim import Instrument, Laboratory, serve
from sim.errors import BadOptionError
from sim.instruments.dh_gripper import DhGripper
from sim.instruments.robotiq_gripper import RobotiqGripper
from sim.plant import Plant
from sim.plant.hand import WIDTH, Hand, Hold
from sim.wire.modbus_pdu import answer
from tests.sim.cell import Cell, working

# ---------------------------------------------------------------- fingers


def test_fingers_move_at_their_speed_whoever_looks() -> None:
    hand, other = Hand("a"), Hand("b")
    for one in (hand, other):
        one.wake(0.0)
        one.go(0.0, 10.0)
    assert [hand.opening(10.0 + t) for t in (0.0, 0.25, 0.5)] == [1.0, 0.75, 0.5]
    assert hand.hold(10.5) is Hold.MOVING
    assert hand.opening(11.0) == other.opening(11.0) == 0.0
    assert hand.hold(11.0) is Hold.ARRIVED


def test_fingers_close_on_what_stands_between_them_and_know_when_it_is_gone() -> None:
    hand = Hand("a")
    hand.wake(0.0)
    assert hand.surround(5.0)
    hand.go(0.0, 5.0)
    assert (hand.opening(9.0), hand.hold(9.0)) == (WIDTH, Hold.GRASPED)
    hand.leave(10.0)
    assert hand.hold(10.1) is Hold.MOVING
    assert (hand.opening(12.0), hand.hold(12.0)) == (0.0, Hold.DROPPED)
    assert not hand.surround(13.0)


def test_a_gripper_that_is_asleep_does_not_move() -> None:
    hand = Hand("a")
    hand.go(0.0, 1.0)
    assert hand.opening(5.0) == 1.0
    hand.wake(5.0)
    assert hand.is_waking(6.0)
    assert hand.is_awake(8.0)


def test_fingers_that_are_halted_stand_where_they_are() -> None:
    hand = Hand("a")
    hand.wake(0.0)
    hand.go(0.0, 10.0)
    hand.halt(10.5)
    assert (hand.opening(99.0), hand.hold(99.0)) == (0.5, Hold.ARRIVED)


# ---------------------------------------------------------------- wires


def test_robotiq_confirms_without_an_end_of_line(plant: Plant, clock: JumpClock) -> None:
    sent: list[bytes] = []
    ear = RobotiqGripper("gripper-1", plant).receiver(sent.append)
    ear.receive(b"GET POS\nSET ACT 1\nGET STA\n")
    assert sent == [b"POS 0\n", b"ack", b"STA 1\n"]
    clock.sleep_until(clock.now() + 5.0)
    ear.receive(b"GET STA\nSET POS 255\nSET GTO 1\nGET OBJ\nGET PRE\n")
    assert sent[3:] == [b"STA 3\n", b"ack", b"ack", b"OBJ 0\n", b"PRE 255\n"]
    clock.sleep_until(clock.now() + 5.0)
    ear.receive(b"GET POS\nGET OBJ\nGET FLT\nSET POS 256\nGET XYZ\nDANCE\n")
    assert sent[8:] == [b"POS 255\n", b"OBJ 3\n", b"FLT 0\n", b"?\n", b"?\n", b"?\n"]


def test_robotiq_takes_several_variables_at_once(plant: Plant, clock: JumpClock) -> None:
    sent: list[bytes] = []
    ear = RobotiqGripper("gripper-1", plant).receiver(sent.append)
    ear.receive(b"SET ACT 1\n")
    clock.sleep_until(clock.now() + 5.0)
    ear.receive(b"SET SPE 255 FOR 100 POS 128 GTO 1\n")
    clock.sleep_until(clock.now() + 5.0)
    ear.receive(b"GET POS\n")
    assert sent == [b"ack", b"ack", b"POS 128\n"]


@pytest.mark.parametrize(
    ("request_hex", "reply_hex"),
    [
        ("03 02 00 00 03", "03 06 00 00 00 01 03 e8"),
        ("03 01 03 00 01", "03 02 03 e8"),
        ("06 01 01 00 1e", "06 01 01 00 1e"),
        ("06 01 01 00 13", "86 03"),
        ("06 01 03 03 e9", "86 03"),
        ("06 01 00 00 02", "86 03"),
        ("06 02 01 00 01", "86 02"),
        ("03 01 02 00 01", "83 02"),
        ("01 00 00 00 01", "81 02"),
    ],
)
def test_dh_registers(plant: Plant, request_hex: str, reply_hex: str) -> None:
    reply = answer(DhGripper("gripper-1", plant), bytes.fromhex(request_hex))
    assert reply is not None
    assert reply.hex(" ") == reply_hex


@pytest.mark.system
@pytest.mark.parametrize("address", ["modbus-rtu:sim/gripper-2/4", "modbus-tcp://sim:5020/4"])
def test_a_plain_pymodbus_client_runs_a_dh_gripper(clock: JumpClock, tmp_path: Path, address: str) -> None:
    told: dict[str, int] = {"device_id": 4}
    one = Instrument("gripper-2", "dh-gripper", address)
    with serve(Laboratory("lab", (one,), {}, seed=1), clock, tmp_path / "wires") as simulation:
        endpoint = simulation.endpoints["gripper-2"].removesuffix("/4")
        client: Any
        if endpoint.startswith("modbus-tcp://"):
            client = ModbusTcpClient("127.0.0.1", port=int(endpoint.rpartition(":")[2]), timeout=1, retries=0)
        else:
            path = endpoint.removeprefix("modbus-rtu:")
            client = ModbusSerialClient(path, baudrate=115200, timeout=1, retries=0)
        assert client.connect()
        try:
            assert client.read_holding_registers(0x0200, count=3, **told).registers == [0, 1, 1000]
            assert not client.write_register(0x0100, 0xA5, **told).isError()
            assert client.read_holding_registers(0x0200, count=1, **told).registers == [2]
            clock.sleep_until(clock.now() + 10.0)
            for register, value in ((0x0101, 40), (0x0104, 50), (0x0103, 250)):
                assert not client.write_register(register, value, **told).isError()
            assert client.read_input_registers(0x0201, count=1, **told).registers == [0]
            clock.sleep_until(clock.now() + 10.0)
            assert client.read_holding_registers(0x0200, count=3, **told).registers == [1, 1, 250]
            assert client.read_holding_registers(0x0103, count=2, **told).registers == [250, 50]
            for refused, code in (
                (client.write_register(0x0101, 10, **told), 3),
                (client.write_register(0x0103, 1001, **told), 3),
                (client.read_holding_registers(0x0300, count=1, **told), 2),
                (client.read_coils(0, count=1, **told), 2),
            ):
                assert (refused.isError(), refused.exception_code) == (True, code)
        finally:
            client.close()


def test_a_dh_goal_while_asleep_does_nothing(plant: Plant, clock: JumpClock) -> None:
    gripper = DhGripper("gripper-1", plant)
    gripper.write_holding(0x0103, [0], single=True)
    clock.sleep_until(clock.now() + 5.0)
    assert gripper.read_holding(0x0200, 3) == [0, 1, 1000]
    gripper.write_holding(0x0100, [0xA5], single=True)
    assert gripper.read_holding(0x0200, 1) == [2]
    clock.sleep_until(clock.now() + 5.0)
    gripper.write_holding(0x0103, [0], single=True)
    assert gripper.read_holding(0x0201, 1) == [0]


# ---------------------------------------------------------------- with their drivers

KINDS = {
    "robotiq-gripper": Instrument("gripper-1", "robotiq-gripper", "socket://sim:63352"),
    "dh-gripper": Instrument("gripper-1", "dh-gripper", "modbus-rtu:sim/gripper-1/1"),
}


@pytest.fixture(params=KINDS)
def cell(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Cell]:
    robot = Instrument("robot-1", "ur-robot", "socket://sim:29999", {"gripper": "gripper-1"})
    told = {"gripper-1": {"limits": {"force": 60.0}}}
    with working(tmp_path, (robot, KINDS[request.param]), told) as cell:
        cell.simulation.plant.move("holders/199", "waste/1")
        yield cell


def close(cell: Cell) -> BaseException | None:
    return cell.do("gripper-1", "close", force_percent=40.0)


@pytest.mark.system
def test_it_is_woken_once_and_then_opens_and_closes(cell: Cell) -> None:
    gripper = cell.look("gripper-1")
    assert gripper.state.get() == "asleep"
    assert isinstance(cell.do("gripper-1", "open"), BusyError)
    assert cell.do("gripper-1", "activate") is None
    assert cell.do("gripper-1", "activate") is None
    assert cell.log().count("gripper-1 wakes") == 1
    assert cell.do("gripper-1", "open") is None
    assert (gripper.state.get(), gripper.holding.get(), gripper.opening_percent.get()) == ("ready", "no", 100.0)


@pytest.mark.system
def test_closing_on_nothing_is_a_failure(cell: Cell) -> None:
    cell.do("gripper-1", "activate")
    error = close(cell)
    assert isinstance(error, ActionFailedError)
    assert str(error) == ("gripper-1: closed and holds nothing, at 0 percent open: look where the labware is")


@pytest.mark.system
def test_what_it_holds_is_noticed_when_it_drops(cell: Cell) -> None:
    cell.do("gripper-1", "activate")
    hand = cell.sim("gripper-1").hand
    hand.surround(cell.clock.now())
    assert close(cell) is None
    assert cell.devices["gripper-1"].holding.get() == "yes"
    hand.leave(cell.clock.now())
    cell.wait(30.0)
    assert cell.devices["gripper-1"].holding.get() == "dropped"
    assert cell.do("gripper-1", "open") is None
    assert cell.devices["gripper-1"].holding.get() == "no"


@pytest.mark.system
@pytest.mark.parametrize("force_percent", [61.0, -1.0, float("nan")])
def test_force_has_a_limit(cell: Cell, force_percent: float) -> None:
    with pytest.raises(LimitError, match=r"gripper-1: force .* percent requested, allowed \d+ to 60 percent"):
        cell.set("gripper-1", "close", force_percent=force_percent)
    assert cell.gate.asked == []


@pytest.mark.system
def test_a_stop_has_the_fingers_stand(cell: Cell) -> None:
    cell.do("gripper-1", "activate")
    status = cell.set("gripper-1", "close", force_percent=40.0)
    cell.wait(0.5)
    assert cell.do("gripper-1", "stop") is None
    assert "was stopped under way" in str(cell.end(status))
    assert cell.look("gripper-1").opening_percent.get() == pytest.approx(50.0, abs=1.0)


@pytest.mark.system
def test_the_robot_carries_what_its_program_grips(cell: Cell) -> None:
    cell.do("gripper-1", "activate")
    status = cell.set("robot-1", "move", from_position="crucibles/7", to_position="holders/199")
    cell.wait(17.0)
    assert cell.look("gripper-1").holding.get() == "yes"
    assert cell.at("robot-1/1") == "C007"
    assert cell.end(status) is None
    assert cell.at("holders/199") == "C007"
    assert cell.look("gripper-1").opening_percent.get() == 100.0


@pytest.mark.system
def test_a_gripper_that_is_asleep_grips_nothing_and_the_program_waits_for_somebody(cell: Cell) -> None:
    status = cell.set("robot-1", "move", from_position="crucibles/7", to_position="holders/199")
    assert "is a message on its pendant" in str(cell.end(status))
    assert "robot-1 shows: nothing gripped at crucibles/7" in cell.log()
    assert cell.at("crucibles/7") == "C007"
    assert cell.devices["robot-1"].carrying.get() == "unknown"


@pytest.mark.system
def test_pick_grip_place_and_let_go(cell: Cell) -> None:
    cell.do("gripper-1", "activate")
    assert cell.do("robot-1", "move", from_position="crucibles/7", to_position="robot-1/1") is None
    assert cell.devices["robot-1"].carrying.get() == "crucibles/7"
    assert close(cell) is None
    assert cell.do("robot-1", "move", from_position="robot-1/1", to_position="holders/199") is None
    assert cell.at("holders/199") == "C007"
    assert cell.do("gripper-1", "open") is None
    assert cell.devices["robot-1"].carrying.get() == ""


@pytest.mark.system
def test_a_place_without_a_grip_moves_nothing(cell: Cell) -> None:
    cell.do("gripper-1", "activate")
    cell.do("robot-1", "move", from_position="crucibles/7", to_position="robot-1/1")
    assert cell.do("robot-1", "move", from_position="robot-1/1", to_position="holders/199") is None
    assert (cell.at("crucibles/7"), cell.at("holders/199")) == ("C007", None)
    assert "robot-1 carries nothing to holders/199" in cell.log()


@pytest.mark.system
def test_what_slips_on_the_way_is_on_the_floor(cell: Cell) -> None:
    cell.do("gripper-1", "activate")
    cell.do("robot-1", "move", from_position="crucibles/7", to_position="robot-1/1")
    close(cell)
    status = cell.set("robot-1", "move", from_position="robot-1/1", to_position="holders/199")
    cell.wait(5.0)
    cell.sim("gripper-1").hand.leave(cell.clock.now())
    assert cell.end(status) is None
    assert (cell.at("crucibles/7"), cell.at("holders/199")) == (None, None)
    assert cell.look("gripper-1").holding.get() == "dropped"


def test_a_gripper_must_be_one(tmp_path: Path) -> None:
    robot = Instrument("robot-1", "ur-robot", "socket://sim:29999", {"gripper": "gripper-9"})
    with (
        pytest.raises(BadOptionError, match=r"robot-1: 'gripper-9' is no gripper of this laboratory: there are none"),
        working(tmp_path, (robot,)),
    ):
        pass
