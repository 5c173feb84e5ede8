"""What the driver of a 3216P makes of a plain 3216, which has the same map and no programmer: nothing is heated."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer

from drivers.bus import Bus
from drivers.clock import JumpClock
from drivers.errors import WrongInstrumentError
from drivers.furnaces.programmed import ProgrammedFurnace
from drivers.registry import build
from tests.drivers.fakes import FakeGate, Noted, end_of, look_at
from tests.drivers.test_eurotherm_pymodbus import UNIT, Image
from tests.drivers.test_modbus_link import Server

pytestmark = pytest.mark.system

PROGRAMMER = frozenset({23, 321, 325, 326, 327, 328, 332, 531, *range(1280, 1304)})
MEANINGLESS = 40505
DOCUMENTED = Path(__file__).resolve().parents[2] / "docs" / "wires.md"


class PlainImage(Image):
    """The registers of a 3216; those of a programmer are refused, or read as some number and take nothing."""

    def __init__(self, refuses: ExcCodes | None) -> None:
        super().__init__("eurotherm-3216p")
        self._refuses = refuses
        for address in PROGRAMMER:
            self.words[address] = MEANINGLESS

    async def act(
        self, function: int, start: int, address: int, count: int, words: list[int], values: Any
    ) -> ExcCodes | None:
        if not PROGRAMMER.isdisjoint(range(address, address + count)):
            if self._refuses is not None:
                return self._refuses
            if values is not None:
                return ExcCodes.ILLEGAL_VALUE
        return await super().act(function, start, address, count, words, values)


Meet = Callable[[PlainImage], ProgrammedFurnace]


@pytest.fixture
def meet(clock: JumpClock, gate: FakeGate, noted: Noted, bus: Bus) -> Iterator[Meet]:
    servers: list[Server] = []

    def make(image: PlainImage) -> ProgrammedFurnace:
        servers.append(Server(lambda _: ModbusTcpServer(image.device(), address=("127.0.0.1", 0))))
        address = f"modbus-tcp://127.0.0.1:{servers[-1].port}/{UNIT}"
        limits = {"limits": {"setpoint": 1100.0, "ramp": 10.0}}
        furnace = build("furnace-1", "eurotherm-3216p", address, limits, gate, clock, noted, bus)
        assert isinstance(furnace, ProgrammedFurnace)
        return furnace

    yield make
    bus.close()
    for server in servers:
        server.close()


@pytest.mark.parametrize(
    ("refuses", "said"),
    [
        (ExcCodes.ILLEGAL_ADDRESS, "refused register 23 (function 3) with Modbus exception 2"),
        (None, "says programme status 40505, there are 0, 1, 2, 3: is it another model?"),
    ],
)
def test_a_controller_without_a_programmer_is_said_and_not_heated(
    meet: Meet, clock: JumpClock, refuses: ExcCodes | None, said: str
) -> None:
    image = PlainImage(refuses)
    furnace = meet(image)
    look_at(furnace)
    assert furnace.comm_ok.get() == 0
    assert math.isnan(furnace.reading_degc.get())
    assert said in str(furnace.last_error)
    for verb, arguments in (("set-setpoint", {"degc": 300.0}), ("run-program", {"steps": ((10.0, 420.0, 60.0),)})):
        assert said in str(end_of(clock, furnace.set(verb, **arguments)))
    assert image.written == []


def test_one_of_another_type_is_refused_at_once(meet: Meet) -> None:
    image = PlainImage(ExcCodes.ILLEGAL_ADDRESS)
    image.words[122] = 0xF1
    with pytest.raises(WrongInstrumentError, match=r"furnace-1: .* is of type 0xf1, not 0xf3: is this the address of"):
        meet(image).identify()


@pytest.mark.parametrize("said", ["refused register 23", "says programme status", "is of type ..., not 0xf3"])
def test_what_it_says_is_what_the_manual_of_wires_says(said: str) -> None:
    assert f"`{said}" in DOCUMENTED.read_text(encoding="utf-8")
