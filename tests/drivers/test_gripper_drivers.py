"""Both grippers' drivers against wires that lose what is said, and codecs against the printed values."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from drivers.bus import Bus
from drivers.clock import JumpClock
from drivers.codecs import dh_gripper, robotiq
from drivers.codecs.dh_gripper import Layout, State, Woken
from drivers.devices.dh_gripper import DHGripper
from drivers.devices.robotiq_gripper import RobotiqGripper
from drivers.errors import ActionFailedError, CodecError, UnknownDriverError, WrongInstrumentError
from drivers.registry import build
from tests.drivers.fakes import FakeGate, FakePty, FakeSocket, Noted, RtuSlave, end_of, look_at

LIMITS = {"limits": {"force": 60.0}}


# ---------------------------------------------------------------- codecs


def test_robotiq_lines() -> None:
    assert (robotiq.get("POS"), robotiq.put("POS", 255)) == ("GET POS", "SET POS 255")
    assert robotiq.parse("POS", "POS 3") == 3
    assert robotiq.parse("POS", "ackackPOS 255") == 255
    assert [robotiq.position(p) for p in (0.0, 50.0, 100.0)] == [255, 128, 0]
    assert robotiq.opening_percent(0) == 100.0
    assert robotiq.share(40.0) == 102


@pytest.mark.parametrize("line", ["", "ack", "OBJ 3", "POS", "POS 256", "POS -1", "POS 3 4", "?"])
def test_a_line_that_tells_of_no_position_is_an_error(line: str) -> None:
    with pytest.raises(CodecError, match="does not answer GET POS"):
        robotiq.parse("POS", line)


def test_dh_registers_are_read() -> None:
    assert dh_gripper.parse((1, 2, 400), Layout()) == (Woken.YES, State.GRASPED, 40.0)
    assert dh_gripper.parse((1, 2, 400), Layout(open_at=0, closed_at=1000)) == (Woken.YES, State.GRASPED, 60.0)
    assert dh_gripper.parse((1, 1, 0xFFFE), Layout()) == (Woken.YES, State.ARRIVED, 0.0)
    assert Layout().together
    assert not Layout(position=0x0210).together


@pytest.mark.parametrize("words", [(3, 1, 0), (1, 4, 0), (1, 1, 1100), (1, 1, 0x8000)])
def test_registers_that_mean_nothing_are_an_error(words: tuple[int, ...]) -> None:
    with pytest.raises(CodecError):
        dh_gripper.parse(words, Layout())


# ---------------------------------------------------------------- Robotiq


class Fingers:
    """A gripper that is awake and grips whatever it closes on."""

    def __init__(self) -> None:
        self.values = {"ACT": 1, "GTO": 0, "POS": 0, "SPE": 0, "FOR": 0, "STA": 3, "OBJ": 3, "FLT": 0}
        self.lines: list[str] = []
        self.lost = 0
        """Settings that do not arrive."""
        self._rest = b""

    def answer(self, data: bytes) -> bytes:
        self._rest += data
        reply = b""
        while b"\n" in self._rest:
            line, _, self._rest = self._rest.partition(b"\n")
            reply += self._one(line.decode())
        return reply

    def _one(self, line: str) -> bytes:
        self.lines.append(line)
        verb, name, *value = line.split()
        if verb == "GET":
            return f"{name} {self.values['POS' if name == 'PRE' else name]}\n".encode()
        if self.lost and name == "POS":
            self.lost -= 1
            return b""
        self.values[name] = int(value[0])
        if name == "GTO" and value == ["1"]:
            self.values["OBJ"] = 2 if self.values["POS"] else 3
        return b"ack"


@pytest.fixture
def fingers() -> Fingers:
    return Fingers()


@pytest.fixture
def gripper(
    fingers: Fingers,
    serve_socket: Callable[..., FakeSocket],
    gate: FakeGate,
    clock: JumpClock,
    noted: Noted,
    bus: Bus,
) -> RobotiqGripper:
    server = serve_socket(lambda data: fingers.answer(data))
    told = {"quiet": 0.01, "speed": 50.0, **LIMITS}
    gripper = build("gripper-1", "robotiq-gripper", f"socket://127.0.0.1:{server.port}", told, gate, clock, noted, bus)
    assert isinstance(gripper, RobotiqGripper)
    return gripper


def test_closing_sets_speed_force_and_goal_and_asks_the_gate_for_the_force(
    gripper: RobotiqGripper, fingers: Fingers, clock: JumpClock, gate: FakeGate
) -> None:
    assert end_of(clock, gripper.set("close", force_percent=40.0)) is None
    assert [line for line in fingers.lines if line.startswith("SET")] == [
        "SET SPE 128",
        "SET FOR 102",
        "SET POS 255",
        "SET GTO 1",
    ]
    assert gate.asked[-1].describe() == "close 40 percent"
    assert gripper.holding.get() == "yes"


def test_a_goal_that_did_not_arrive_is_read_back_and_set_again(
    gripper: RobotiqGripper, fingers: Fingers, clock: JumpClock
) -> None:
    fingers.lost = 1
    assert end_of(clock, gripper.set("close", force_percent=40.0)) is None
    assert fingers.lines.count("SET POS 255") == 2


def test_a_goal_that_is_never_taken_is_a_failure(gripper: RobotiqGripper, fingers: Fingers, clock: JumpClock) -> None:
    fingers.lost = 99
    assert "3 times and holds another goal" in str(end_of(clock, gripper.set("close", force_percent=40.0)))


def test_something_that_holds_its_fingers_is_a_failure(
    gripper: RobotiqGripper, fingers: Fingers, clock: JumpClock
) -> None:
    assert end_of(clock, gripper.set("close", force_percent=40.0)) is None
    one = fingers._one
    fingers._one = lambda line: b"OBJ 1\n" if line == "GET OBJ" else one(line)  # type: ignore[method-assign]
    assert "does not open, something holds its fingers" in str(end_of(clock, gripper.set("open")))


def test_a_fault_is_named(gripper: RobotiqGripper, fingers: Fingers, clock: JumpClock) -> None:
    fingers.values["FLT"] = 8
    assert "is ready (it is too hot): activate it first" in str(end_of(clock, gripper.set("open")))
    assert gripper.fault.get() == "it is too hot"


def test_a_stop_is_read_back(gripper: RobotiqGripper, fingers: Fingers, clock: JumpClock) -> None:
    fingers.values["GTO"] = 1
    assert end_of(clock, gripper.set("stop")) is None
    assert fingers.values["GTO"] == 0


def test_a_value_that_means_nothing_is_no_reading(gripper: RobotiqGripper, fingers: Fingers) -> None:
    fingers.values["STA"] = 2
    look_at(gripper)
    assert (gripper.comm_ok.get(), gripper.holding.get()) == (0, "unknown")


# ---------------------------------------------------------------- DH


@pytest.fixture
def slave() -> RtuSlave:
    return RtuSlave({0x0101: 100, 0x0103: 1000, 0x0104: 100, 0x0200: 1, 0x0201: 1, 0x0202: 1000})


@pytest.fixture
def dh(
    slave: RtuSlave, serve_pty: Callable[..., FakePty], gate: FakeGate, clock: JumpClock, noted: Noted, bus: Bus
) -> DHGripper:
    pty = serve_pty(slave.answer)
    told = {"timeout": 0.1, "quiet": 0.02, **LIMITS}
    dh = build("gripper-2", "dh-gripper", f"modbus-rtu:{pty.path}/1", told, gate, clock, noted, bus)
    assert isinstance(dh, DHGripper)
    return dh


def grips(slave: RtuSlave) -> None:
    def take(address: int, values: list[int]) -> None:
        slave.registers_take(address, values)
        if address == 0x0103:
            slave.registers |= {0x0201: 2, 0x0202: 400}

    slave.on_write = take


def test_dh_closes_with_speed_force_and_goal(dh: DHGripper, slave: RtuSlave, clock: JumpClock) -> None:
    grips(slave)
    assert end_of(clock, dh.set("close", force_percent=40.0)) is None
    assert slave.writes == [(0x0104, [50]), (0x0101, [40]), (0x0103, [0])]
    assert (dh.holding.get(), dh.opening_percent.get()) == ("yes", 40.0)


def test_dh_is_woken_fully(dh: DHGripper, slave: RtuSlave, clock: JumpClock) -> None:
    slave.registers[0x0200] = 0
    status = dh.set("activate")
    clock.sleep_until(clock.now() + 5.0)
    slave.registers[0x0200] = 1
    assert end_of(clock, status) is None
    assert slave.writes == [(0x0100, [0xA5])]


def test_dh_that_does_not_wake_is_a_failure(dh: DHGripper, slave: RtuSlave, clock: JumpClock) -> None:
    slave.registers[0x0200] = 2
    assert "is waking 30 s after it was activated" in str(end_of(clock, dh.set("activate")))


def test_dh_that_drops_says_so(dh: DHGripper, slave: RtuSlave) -> None:
    slave.registers[0x0201] = 3
    look_at(dh)
    assert dh.holding.get() == "dropped"


def test_dh_keeps_its_grip_when_it_is_stopped(dh: DHGripper, slave: RtuSlave, clock: JumpClock) -> None:
    slave.registers |= {0x0201: 2, 0x0202: 400}
    assert end_of(clock, dh.set("stop")) is None
    assert slave.writes == []
    slave.registers |= {0x0201: 0, 0x0202: 700}
    assert end_of(clock, dh.set("stop")) is None
    assert slave.writes == [(0x0103, [700])]


def test_what_is_no_dh_gripper_is_said_so(dh: DHGripper, slave: RtuSlave) -> None:
    slave.registers[0x0200] = 77
    with pytest.raises(WrongInstrumentError, match=r"gripper-2: modbus-rtu:.*/1 is no DH gripper"):
        dh.identify()


def test_fingers_that_never_arrive_are_a_failure(dh: DHGripper, slave: RtuSlave, clock: JumpClock) -> None:
    slave.registers[0x0201] = 0
    error = end_of(clock, dh.set("close", force_percent=40.0))
    assert isinstance(error, ActionFailedError)
    assert "its fingers still move after 15 s" in str(error)


def test_open_and_closed_must_differ(
    serve_pty: Callable[..., FakePty], gate: FakeGate, clock: JumpClock, noted: Noted, bus: Bus
) -> None:
    with pytest.raises(UnknownDriverError, match="open_at and closed_at are both 0"):
        build("gripper-2", "dh-gripper", "modbus-rtu:/nowhere/1", {"open_at": 0, **LIMITS}, gate, clock, noted, bus)
