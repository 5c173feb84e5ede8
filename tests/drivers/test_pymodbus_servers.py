"""The drivers of the DH gripper and of the safety module against pymodbus' own servers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

import pytest
from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from drivers.bus import Bus
from drivers.clock import JumpClock
from drivers.errors import ActionFailedError, RefusedError, WrongInstrumentError
from drivers.instrument import Instrument
from drivers.registry import build
from tests.drivers.fakes import FakeGate, Noted, end_of, look_at
from tests.drivers.test_modbus_link import Cable, Server

pytestmark = pytest.mark.system

UNIT = 3


class Image(Protocol):
    """What a server is filled with."""

    driver: str
    options: dict[str, Any]

    def device(self) -> SimDevice: ...


Connect = Callable[[Image, str], Any]


@pytest.fixture
def connect(clock: JumpClock, gate: FakeGate, noted: Noted, bus: Bus) -> Iterator[Connect]:
    opened: list[Any] = []

    def make(image: Image, wire: str) -> Instrument:
        if wire == "tcp":
            opened.append(Server(lambda _: ModbusTcpServer(image.device(), address=("127.0.0.1", 0))))
            address = f"modbus-tcp://127.0.0.1:{opened[-1].port}/{UNIT}"
        else:
            cable = Cable()
            opened.append(cable)
            opened.append(Server(lambda _: ModbusSerialServer(image.device(), port=cable.paths[0], baudrate=9600)))
            address = f"modbus-rtu:{cable.paths[1]}/{UNIT}"
        return build("it", image.driver, address, image.options, gate, clock, noted, bus)

    yield make
    bus.close()
    for server in reversed(opened):
        server.close()


# ---------------------------------------------------------------- DH gripper

WAKE, FORCE, GOAL, SPEED, WAKING, STATE, POSITION = 0x0100, 0x0101, 0x0103, 0x0104, 0x0200, 0x0201, 0x0202


class Gripper:
    """Fingers that are at once where they are to be, or at what they close on."""

    driver = "dh-gripper"

    def __init__(self) -> None:
        self.options: dict[str, Any] = {"limits": {"force": 60.0}, "speed": 30.0}
        self.written: list[tuple[int, int]] = []
        self.between = True
        """Whether something is between the fingers."""
        self.slow = False

    def device(self) -> SimDevice:
        told = SimData(WAKE, values=[0, 100, 0, 1000, 100], datatype=DataType.REGISTERS)
        found = SimData(WAKING, values=[0, 1, 1000], datatype=DataType.REGISTERS)
        return SimDevice(UNIT, simdata=[told, found], action=self.act)

    async def act(
        self, function: int, start: int, address: int, count: int, words: list[int], values: Any
    ) -> ExcCodes | None:
        if values is None:
            return None
        self.written.append((address, values[0]))
        if address == WAKE:
            words[WAKING - start] = 1
        if address == GOAL:
            grips = self.between and values[0] == 0
            words[STATE - start] = 0 if self.slow else 2 if grips else 1
            words[POSITION - start] = 500 if self.slow else 400 if grips else values[0]
        return None


@pytest.mark.parametrize("wire", ["rtu", "tcp"])
def test_a_gripper_wakes_closes_and_opens(connect: Connect, clock: JumpClock, wire: str) -> None:
    image = Gripper()
    gripper = connect(image, wire)
    assert gripper.identify() == "DH gripper, asleep"
    assert end_of(clock, gripper.set("activate")) is None
    look_at(gripper)
    assert (gripper.state.get(), gripper.holding.get(), gripper.opening_percent.get()) == ("ready", "no", 100.0)
    assert end_of(clock, gripper.set("close", force_percent=40.0)) is None
    look_at(gripper)
    assert (gripper.holding.get(), gripper.opening_percent.get()) == ("yes", 40.0)
    assert end_of(clock, gripper.set("open")) is None
    look_at(gripper)
    assert (gripper.holding.get(), gripper.opening_percent.get()) == ("no", 100.0)
    assert image.written == [
        (WAKE, 0xA5),
        *[(SPEED, 30), (FORCE, 40), (GOAL, 0)],
        *[(SPEED, 30), (FORCE, 60), (GOAL, 1000)],
    ]


def test_a_gripper_that_closes_on_nothing_is_told(connect: Connect, clock: JumpClock) -> None:
    image = Gripper()
    image.between = False
    gripper = connect(image, "rtu")
    assert end_of(clock, gripper.set("activate")) is None
    error = end_of(clock, gripper.set("close", force_percent=40.0))
    assert isinstance(error, ActionFailedError)
    assert "closed and holds nothing, at 0 percent open" in str(error)


def test_fingers_that_are_stopped_are_told_to_be_where_they_are(connect: Connect, clock: JumpClock) -> None:
    image = Gripper()
    gripper = connect(image, "rtu")
    assert end_of(clock, gripper.set("activate")) is None
    image.slow = True
    closing = gripper.set("close", force_percent=40.0)
    clock.sleep_until(clock.now() + 2.0)
    assert end_of(clock, gripper.set("stop")) is None
    assert image.written[-1] == (GOAL, 500)
    assert "was stopped under way" in str(end_of(clock, closing))


# ---------------------------------------------------------------- safety module

CONTACTOR, FEEDBACK = 0, 5
TRIGGER, TIMEOUT, STATUS, TRIPS, RESET = range(5)
OFF, RUNNING, EXPIRED = range(3)


class Module:
    """A module whose contactor follows its permit, and whose watchdog expires when a test says so."""

    driver = "safety-io"

    def __init__(self) -> None:
        self.options: dict[str, Any] = {"poll": 60.0}
        self.written: list[tuple[int, int, int]] = []
        """Function, address and value."""
        self.expired = False
        self._permitted = False

    def device(self) -> SimDevice:
        coils = SimData(0, values=[False, True, False, False], datatype=DataType.BITS)
        inputs = SimData(0, values=[True] * 5 + [False, True, True], datatype=DataType.BITS)
        holding = SimData(0, values=[0] * 5, datatype=DataType.REGISTERS)
        analogue = SimData(0, values=[253, 209, 65521, *[0] * 14, 1, *[0] * 6], datatype=DataType.REGISTERS)
        return SimDevice(UNIT, simdata=([coils], [inputs], [holding], [analogue]), action=self.act)

    async def act(
        self, function: int, start: int, address: int, count: int, words: list[int], values: Any
    ) -> ExcCodes | None:
        if function == 2:
            words[0] = words[0] & ~(1 << FEEDBACK) | self._permitted << FEEDBACK
        if values is None:
            return None
        self.written.append((function, address, int(values[0])))
        if function == 5:
            if values[0] and self.expired:
                return ExcCodes.DEVICE_FAILURE
            self._permitted = bool(values[0])
        elif (address, values[0]) == (RESET, 0x5AFE):
            self.expired = False
            words[STATUS] = RUNNING
        elif address == TIMEOUT:
            words[STATUS] = RUNNING
        return None


@pytest.mark.parametrize("wire", ["tcp", "rtu"])
def test_a_safety_module_is_read_and_switched(connect: Connect, clock: JumpClock, wire: str) -> None:
    image = Module()
    safety = connect(image, wire)
    assert safety.identify() == "safety module, watchdog off"
    look_at(safety)
    assert (safety.ai1_degc.get(), safety.ai3.get()) == (25.3, -1.5)
    assert safety.ai2.get() != safety.ai2.get(), "its status says that it is none"
    assert [safety.door_closed.get(), safety.contactor_closed.get(), safety.beacon.get()] == [1, 0, 1]
    assert end_of(clock, safety.set("start-watchdog", timeout_s=60.0)) is None
    assert end_of(clock, safety.set("close-contactor")) is None
    look_at(safety)
    assert (safety.contactor_permit.get(), safety.contactor_closed.get(), safety.watchdog.get()) == (1, 1, "running")
    assert end_of(clock, safety.set("pet")) is None
    assert end_of(clock, safety.set("open-contactor")) is None
    look_at(safety)
    assert (safety.contactor_permit.get(), safety.contactor_closed.get()) == (0, 0)
    assert image.written == [
        (6, TIMEOUT, 600),
        (6, TRIGGER, 1),
        (5, CONTACTOR, 1),
        (6, TRIGGER, 2),
        (5, CONTACTOR, 0),
    ]


def test_an_expired_module_refuses_until_it_is_rearmed(connect: Connect, clock: JumpClock) -> None:
    image = Module()
    image.expired = True
    safety = connect(image, "tcp")
    error = end_of(clock, safety.set("close-contactor"))
    assert isinstance(error, RefusedError)
    assert "device failure" in str(error)
    assert end_of(clock, safety.set("rearm")) is None
    assert end_of(clock, safety.set("close-contactor")) is None
    assert image.written[1] == (6, RESET, 0x5AFE)


@pytest.mark.parametrize("wire", ["tcp", "rtu"])
@pytest.mark.parametrize(("image", "driver"), [(Gripper, "safety-io"), (Module, "dh-gripper")])
def test_one_is_not_taken_for_the_other(
    connect: Connect, image: type[Gripper | Module], driver: str, wire: str
) -> None:
    wrong = image()
    wrong.driver = driver
    wrong.options = {"limits": {"force": 60.0}} if driver == "dh-gripper" else {}
    with pytest.raises(WrongInstrumentError, match="is the address right in the lab file"):
        connect(wrong, wire).identify()
    assert wrong.written == []
