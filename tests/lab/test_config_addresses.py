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
        ("/dev/serial/by-id/usb-FTDI_A1B2C3-if00-port0", Wire.SERIAL),
        ("/dev/serial/by-path/pci-0000:00:14.0-usb-0:2:1.0-port0", Wire.SERIAL),
        ("pty:/tmp/doser", Wire.SERIAL),
        ("/run/wires/doser", Wire.SERIAL),
        ("pty:/run/wires/a:b", Wire.SERIAL),
        ("modbus-rtu:/dev/serial/by-path/pci-0000:00:14.0-usb-0:2:1.0-port0/3", Wire.MODBUS_RTU),
        ("modbus-rtu:/tmp/furnace/3", Wire.MODBUS_RTU),
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
    with pytest.raises(
        ValueError, match=r"has no known form: use sim:MODEL, a whole path such as /dev/NAME, pty:sim/NAME"
    ):
        parse_address(text)


@pytest.mark.parametrize(
    ("text", "instead"),
    [
        ("serial:/tmp/doser", "/tmp/doser"),
        ("tty:/dev/serial/by-id/usb-FTDI_A1B2C3-0", "/dev/serial/by-id/usb-FTDI_A1B2C3-0"),
    ],
)
def test_a_path_that_is_no_address_is_told_how_to_be_one(text: str, instead: str) -> None:
    with pytest.raises(ValueError, match=rf"address '{text}' is a path: write {instead}$"):
        parse_address(text)
    assert parse_address(instead).wire is Wire.SERIAL


@pytest.mark.parametrize(
    ("text", "simulated"),
    [("pty:ttyUSB0", "pty:sim/ttyUSB0"), ("modbus-rtu:dev/ttyUSB0/1", "modbus-rtu:sim/dev/ttyUSB0/1")],
)
def test_a_real_serial_port_has_a_whole_path(text: str, simulated: str) -> None:
    with pytest.raises(ValueError, match=rf"is written as /dev/serial/by-id/NAME, or .* simulated one as {simulated}$"):
        parse_address(text)
