"""What goes over one connection to a module."""

from __future__ import annotations

import pytest

from drivers.errors import BadAddressError, WrongInstrumentError
from lab.safety.supervisor.wire import is_serial, open_wire
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
