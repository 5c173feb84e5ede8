from __future__ import annotations

import pytest

from lab.config.addresses import Wire, parse_address


@pytest.mark.parametrize(
    ("text", "wire"),
    [
        ("sim:eurotherm-3216p", Wire.CHOICE),
        ("pty:sim/doser-1", Wire.SERIAL),
        ("socket://sim:7101", Wire.SOCKET),
        ("modbus-tcp://sim:5020/1", Wire.MODBUS_TCP),
        ("modbus-tcp://sim:5020", Wire.MODBUS_TCP),
        ("modbus-rtu:sim/furnace-1/1", Wire.MODBUS_RTU),
        ("dir:sim/results", Wire.FOLDER),
    ],
)
def test_sim_as_host_or_first_folder_is_simulated(text: str, wire: Wire) -> None:
    address = parse_address(text)
    assert (address.text, address.wire, address.simulated) == (text, wire, True)


@pytest.mark.parametrize(
    ("text", "wire"),
    [
        ("/dev/ttyUSB0", Wire.SERIAL),
        ("pty:/tmp/doser", Wire.SERIAL),
        ("socket://127.0.0.1:7101", Wire.SOCKET),
        ("socket://localhost:7101", Wire.SOCKET),
        ("socket://simulator.example.org:7101", Wire.SOCKET),
        ("modbus-tcp://10.0.0.7:502/1", Wire.MODBUS_TCP),
        ("modbus-rtu:/dev/ttyS0/12", Wire.MODBUS_RTU),
        ("modbus-rtu:/dev/sim/1", Wire.MODBUS_RTU),
        ("dir:/data/xrd", Wire.FOLDER),
        ("dir:data/sim", Wire.FOLDER),
    ],
)
def test_every_other_address_is_real_loopback_included(text: str, wire: Wire) -> None:
    address = parse_address(text)
    assert (address.wire, address.simulated) == (wire, False)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "COM3",
        "sim",
        "sim:",
        "socket://sim",
        "socket://:7101",
        "http://sim:1",
        "modbus-rtu:sim/f",
        "dir:",
        "dir:a b",
    ],
)
def test_any_other_form_lists_the_known_ones(text: str) -> None:
    with pytest.raises(ValueError, match=r"has no known form: use sim:MODEL, /dev/NAME, pty:NAME"):
        parse_address(text)
