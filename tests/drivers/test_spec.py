"""What a lab file says of a wire, and what reaches the wire of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from drivers.bus import Bus
from drivers.clock import JumpClock
from drivers.errors import BadAddressError, UnknownDriverError
from drivers.links import LineSettings
from drivers.spec import LINK_OPTIONS, Parts
from tests.drivers.fakes import FakeGate, Noted

MakeParts = Callable[..., Parts]


@pytest.fixture
def parts(gate: FakeGate, clock: JumpClock, noted: Noted, bus: Bus) -> MakeParts:
    def make(address: str, **options: Any) -> Parts:
        return Parts("device-1", address, options, gate, clock, noted, bus)

    return make


def test_a_line_has_the_settings_of_the_lab_file(parts: MakeParts) -> None:
    link = parts("/dev/ttyS7", baud=19200, parity="E", stop_bits=2, timeout=0.3, quiet=0.1).line(data_bits=7)
    assert link._port.settings == LineSettings(19200, 7, "E", 2)
    assert (link.timeout_s, link._port.quiet_s) == (0.3, 0.1)


def test_what_the_driver_says_gives_way_to_the_lab_file(parts: MakeParts) -> None:
    by_driver = parts("/dev/ttyS7").line(baudrate=38400, timeout_s=0.2, quiet_s=0.4)
    assert (by_driver._port.settings.baudrate, by_driver.timeout_s, by_driver._port.quiet_s) == (38400, 0.2, 0.4)
    told = parts("/dev/ttyS8", baud=1200, timeout=3.0).line(baudrate=38400, timeout_s=0.2, software_flow=True)
    assert (told._port.settings, told.timeout_s) == (LineSettings(1200, software_flow=True), 3.0)


def test_frames_and_modbus_have_them_too(parts: MakeParts) -> None:
    assert parts("/dev/ttyS7", stop_bits=2).frames(pause_s=0.05)._port.settings == LineSettings(stop_bits=2)
    modbus = parts("modbus-rtu:/dev/ttyS8/3", parity="O", quiet=0.05).modbus(never_write=frozenset({199}))
    assert (modbus._port.settings, modbus._port.quiet_s) == (LineSettings(parity="O"), 0.05)


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("baud", 0, "device-1: baud is 0, write a number above 0"),
        ("baud", "fast", "device-1: baud is 'fast', write a number above 0"),
        ("timeout", float("nan"), "device-1: timeout is nan, write a number above 0"),
        ("timeout", -1, "device-1: timeout is -1, write a number above 0"),
        ("quiet", 0.0, r"device-1: quiet is 0\.0, write a number above 0"),
        ("parity", "X", "device-1: parity is 'X', write one of N, E, O"),
        ("stop_bits", 3, "device-1: stop_bits is 3, write one of 1, 2"),
        ("stop_bits", True, "device-1: stop_bits is True, write one of 1, 2"),
    ],
)
def test_a_setting_that_there_is_not_is_told(parts: MakeParts, option: str, value: object, said: str) -> None:
    with pytest.raises(UnknownDriverError, match=said):
        parts("/dev/ttyS7", **{option: value}).line()


def test_an_address_of_another_kind_is_told(parts: MakeParts) -> None:
    with pytest.raises(BadAddressError, match="'dir:/x' is no serial port and no socket:// address"):
        parts("dir:/x").frames()
    with pytest.raises(BadAddressError, match="'/dev/ttyS7' is no modbus-rtu: or modbus-tcp:// address"):
        parts("/dev/ttyS7").modbus()


def test_every_setting_of_a_wire_is_known_for_every_driver() -> None:
    assert set(LINK_OPTIONS) == {"timeout", "act_timeout", "quiet", "baud", "parity", "stop_bits"}
