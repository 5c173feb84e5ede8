"""What goes over one connection to a module."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers.clock import RealClock
from drivers.codecs import safety_io
from drivers.errors import BadAddressError, RefusedError, WrongInstrumentError
from lab.safety.supervisor.wire import SafetyWire, is_serial, open_wire
from sim import Instrument, Laboratory, Simulation, serve
from sim.relay import Fault
from tests.lab.guarded import EXPIRED, OFF, RUNNING, MemoryModule


def test_the_first_toggle_differs_from_what_the_one_before_us_left() -> None:
    module = MemoryModule()
    module.words[0] = 1
    wire = module.wire()
    wire.toggle()
    wire.toggle()
    assert module.pets == [2, 3]


def test_the_trigger_goes_round_and_is_never_zero() -> None:
    module = MemoryModule()
    module.words[0] = 65535
    module.wire().toggle()
    assert module.pets == [1]


@pytest.mark.parametrize(
    ("state", "ticks", "watched"),
    [(RUNNING, 10, True), (EXPIRED, 10, True), (OFF, 10, False), (RUNNING, 11, False)],
)
def test_a_watchdog_counts_with_the_right_time_alone(state: int, ticks: int, watched: bool) -> None:
    module = MemoryModule()
    module.words[1:3] = [ticks, state]
    wire = module.wire()
    assert wire.watches(wire.read(), 1.0) is watched


def test_a_watchdog_is_set_and_read_back() -> None:
    module = MemoryModule()
    module.wire().set_watchdog(1.5)
    assert (module.words[1], module.words[2]) == (15, RUNNING)
    assert module.pets == []


def test_a_module_that_keeps_another_time_is_none() -> None:
    module = MemoryModule()
    wire = module.wire()
    keep = module.write_register
    module.write_register = lambda address, value: keep(address, 20)  # type: ignore[method-assign]
    with pytest.raises(WrongInstrumentError, match=r"set to 15 x 100 ms and holds 20"):
        wire.set_watchdog(1.5)


def test_a_person_restores_an_expired_module() -> None:
    module = MemoryModule()
    module.expire()
    module.wire().restore()
    assert module.words[2] == RUNNING


def test_only_modbus_addresses_lead_to_a_module() -> None:
    with pytest.raises(BadAddressError, match="no modbus-rtu"):
        open_wire("safety-1", "socket://127.0.0.1:5020", lambda: 0.0, 0.1)


def test_a_serial_port_can_be_held_once() -> None:
    assert is_serial("modbus-rtu:/dev/ttyUSB0/1")
    assert not is_serial("modbus-tcp://127.0.0.1:5020/1")


@pytest.mark.parametrize(
    ("address", "timeout_s"), [("modbus-tcp://127.0.0.1:5020/1", 0.1), ("modbus-rtu:/dev/ttyUSB0/1", 0.25)]
)
def test_a_serial_line_has_the_time_that_its_replies_need(address: str, timeout_s: float) -> None:
    assert open_wire("safety-1", address, lambda: 0.0, 0.1)._port.timeout_s == timeout_s


# ---------------------------------------------------------------- a module that is busy


@pytest.fixture
def simulation(tmp_path: Path) -> Iterator[Simulation]:
    module = Instrument("safety-1", "safety-io", "modbus-tcp://sim:5020/1")
    with serve(Laboratory("lab", (module,), {}), RealClock(), tmp_path / "wires") as simulation:
        yield simulation


@pytest.fixture
def wire(simulation: Simulation) -> Iterator[SafetyWire]:
    wire = open_wire("safety-1", simulation.endpoints["safety-1"], time.time, 1.0)
    wire.set_watchdog(600.0)
    yield wire
    wire.close()


def busy(simulation: Simulation, times: int) -> None:
    simulation.relay.inject("safety-1", Fault.BUSY, times)


def last_trigger(wire: SafetyWire) -> int:
    return wire.link.read_registers(safety_io.WATCHDOG_TRIGGER, 1)[0]


@pytest.mark.system
def test_a_busy_module_is_told_again_to_open(simulation: Simulation, wire: SafetyWire) -> None:
    wire.set_output(1, closed=True)
    busy(simulation, 2)
    wire.set_output(1, closed=False)
    assert wire.output(1) is False


@pytest.mark.system
def test_a_busy_module_is_told_again_that_a_scan_was_judged(simulation: Simulation, wire: SafetyWire) -> None:
    wire.toggle()
    before = last_trigger(wire)
    busy(simulation, 2)
    wire.toggle()
    assert last_trigger(wire) == before + 1


@pytest.mark.system
def test_a_busy_module_is_told_its_watchdog_again(simulation: Simulation, wire: SafetyWire) -> None:
    busy(simulation, 2)
    wire.set_watchdog(60.0)
    assert wire.watches(wire.read(), 60.0)


@pytest.mark.system
def test_a_module_that_goes_on_being_busy_is_said_so(simulation: Simulation, wire: SafetyWire) -> None:
    busy(simulation, 3)
    with pytest.raises(RefusedError, match=r"safety-1: .*busy"):
        wire.set_output(1, closed=False)


@pytest.mark.system
def test_a_busy_module_is_told_once_to_close(simulation: Simulation, wire: SafetyWire) -> None:
    busy(simulation, 1)
    with pytest.raises(RefusedError, match=r"safety-1: .*busy"):
        wire.set_output(1, closed=True)
    assert wire.output(1) is False
