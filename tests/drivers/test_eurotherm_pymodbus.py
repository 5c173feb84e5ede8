"""The Eurotherm drivers against pymodbus' own servers, with registers in which a setpoint is followed at once."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from drivers.bus import Bus
from drivers.clock import JumpClock
from drivers.furnaces.programmed import ProgrammedFurnace
from drivers.registry import build
from tests.drivers.fakes import FakeGate, Noted, end_of, look_at
from tests.drivers.test_modbus_link import Cable, Server

pytestmark = pytest.mark.system

UNIT = 5
FIRING = ((10.0, 420.0, 3600.0), (5.0, 40.0, 0.0))
READING_DEGC = 21.25

STATES = {"eurotherm-3216p": (0, 1, 2), "eurotherm-2416": (1, 2, 4), "eurotherm-epc3016": (1, 2, 4)}
"""What register 23 says of reset, run and hold."""
BUTTONS = {10573: 1, 10574: 2, 10575: 0}
"""Register of an EPC3016 -> which of the states it leads to."""


TYPES = {"eurotherm-3216p": 0xF3, "eurotherm-2416": 0x2410, "eurotherm-epc3016": 0xE316}


class Image:
    """The registers of one controller, from 0 to the end of the 32-bit forms that are looked at."""

    def __init__(self, driver: str) -> None:
        self.states = STATES[driver]
        words = {1: round(READING_DEGC), 12: 1372, 23: self.states[0], 107: 0x0100, 122: TYPES[driver], 131: UNIT}
        self.words = [words.get(address, 0) for address in range(0x8000 + 24)]
        self.words[0x8002:0x8004] = struct.unpack(">HH", struct.pack(">f", READING_DEGC))
        self.written: list[tuple[int, list[int]]] = []

    def device(self) -> SimDevice:
        data = SimData(0, values=list(self.words), datatype=DataType.REGISTERS)
        return SimDevice(UNIT, simdata=[data], action=self.act)

    async def act(
        self, function: int, start: int, address: int, count: int, words: list[int], values: Any
    ) -> ExcCodes | None:
        if values is None:
            return None
        self.written.append((address, list(values)))
        if address in (2, 24):
            for at in (2, 5, 24):
                words[at - start] = values[0]
                wide = struct.unpack(">HH", struct.pack(">f", float(values[0])))
                words[0x8000 + 2 * at - start : 0x8000 + 2 * at - start + 2] = wide
        if address in BUTTONS:
            words[23 - start] = self.states[BUTTONS[address]]
        return None

    def at(self, address: int) -> list[list[int]]:
        """What was written to a register."""
        return [values for where, values in self.written if where == address]


MakeFurnace = Callable[[str, str], tuple[ProgrammedFurnace, Image]]


@pytest.fixture
def furnace_on(clock: JumpClock, gate: FakeGate, noted: Noted, bus: Bus) -> Iterator[MakeFurnace]:
    opened: list[Any] = []

    def make(driver: str, wire: str) -> tuple[ProgrammedFurnace, Image]:
        image = Image(driver)
        if wire == "tcp":
            opened.append(Server(lambda _: ModbusTcpServer(image.device(), address=("127.0.0.1", 0))))
            address = f"modbus-tcp://127.0.0.1:{opened[-1].port}/{UNIT}"
        else:
            cable = Cable()
            opened.append(cable)
            opened.append(Server(lambda _: ModbusSerialServer(image.device(), port=cable.paths[0], baudrate=9600)))
            address = f"modbus-rtu:{cable.paths[1]}/{UNIT}"
        limits = {"limits": {"setpoint": 1100.0, "ramp": 10.0}}
        furnace = build("furnace-1", driver, address, limits, gate, clock, noted, bus)
        assert isinstance(furnace, ProgrammedFurnace)
        return furnace, image

    yield make
    bus.close()
    for server in reversed(opened):
        server.close()


WIRES = [
    ("eurotherm-3216p", "rtu"),
    ("eurotherm-3216p", "tcp"),
    ("eurotherm-2416", "rtu"),
    ("eurotherm-epc3016", "rtu"),
    ("eurotherm-epc3016", "tcp"),
]


@pytest.mark.parametrize(("driver", "wire"), WIRES)
def test_every_verb_is_understood(furnace_on: MakeFurnace, clock: JumpClock, driver: str, wire: str) -> None:
    furnace, image = furnace_on(driver, wire)
    assert furnace.identify().startswith(f"Eurotherm type {TYPES[driver]:#x}, firmware 0x100")
    look_at(furnace)
    fine = driver != "eurotherm-3216p"
    assert furnace.reading_degc.get() == (READING_DEGC if fine else round(READING_DEGC))
    assert furnace.program_status.get() == "reset"
    assert end_of(clock, furnace.set("set-setpoint", degc=300.0)) is None
    assert furnace.setpoint_degc.get() == 300.0
    running = furnace.set("run-program", steps=FIRING)
    clock.sleep_until(clock.now() + 1.0)
    assert furnace.program_status.get() == "run"
    assert end_of(clock, furnace.set("hold-program")) is None
    assert furnace.program_status.get() == "hold"
    assert end_of(clock, furnace.set("continue-program")) is None
    assert end_of(clock, furnace.set("reset-program")) is None
    assert "was ended by a stop" in str(end_of(clock, running))
    assert furnace.setpoint_degc.get() == 0.0
    assert end_of(clock, furnace.set("wait-cooled", below_degc=60.0)) is None
    assert image.at(2) == [[300], [0]]


def test_a_3216p_is_loaded_with_one_block(furnace_on: MakeFurnace, clock: JumpClock) -> None:
    furnace, image = furnace_on("eurotherm-3216p", "rtu")
    furnace.set("run-program", steps=FIRING)
    clock.sleep_until(clock.now() + 1.0)
    assert image.at(1280) == [[60, 420, 100, 0, 40, 50, *[0, 40, 0] * 6]]
    assert [image.at(at) for at in (23, 321, 328, 332, 531)] == [[[0], [1]], [[1]], [[1]], [[1]], [[0]]]


@pytest.mark.parametrize(
    ("driver", "dwell", "settings"),
    [
        ("eurotherm-2416", 600, {8328: 0, 8330: 1, 8331: 1, 8332: 1, 22: 1}),
        ("eurotherm-epc3016", 3600, {8328: 0, 8330: 1, 8331: 0, 8332: 1, 8333: 0, 8334: 0, 22: 1, 1169: 600}),
    ],
)
def test_segments_are_loaded_one_by_one(
    furnace_on: MakeFurnace, clock: JumpClock, driver: str, dwell: int, settings: dict[int, int]
) -> None:
    furnace, image = furnace_on(driver, "rtu")
    furnace.set("run-program", steps=FIRING)
    clock.sleep_until(clock.now() + 1.0)
    segments = {8336: 1, 8337: 420, 8338: 100, 8344: 3, 8346: dwell, 8352: 1, 8353: 40, 8354: 50, 8360: 0}
    for address, value in {**settings, **segments}.items():
        assert image.at(address)[-1] == [value], address
    assert furnace.program_status.get() == "run"
