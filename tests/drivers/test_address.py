"""Addresses of instruments."""

from __future__ import annotations

from pathlib import Path

import pytest

from drivers.address import (
    Address,
    FolderAddress,
    ModbusAddress,
    SerialAddress,
    SocketAddress,
    parse_address,
    port_of,
)
from drivers.errors import BadAddressError


@pytest.mark.parametrize(
    ("text", "address", "port"),
    [
        ("/dev/ttyUSB0", SerialAddress("/dev/ttyUSB0"), "/dev/ttyUSB0"),
        ("socket://10.0.0.7:702", SocketAddress("10.0.0.7", 702), "10.0.0.7:702"),
        (
            "modbus-tcp://127.0.0.1:5020/1",
            ModbusAddress(SocketAddress("127.0.0.1", 5020), 1),
            "127.0.0.1:5020",
        ),
        ("modbus-rtu:/dev/ttyS1/12", ModbusAddress(SerialAddress("/dev/ttyS1"), 12), "/dev/ttyS1"),
        ("dir:/data/xrd", FolderAddress(Path("/data/xrd")), "/data/xrd"),
    ],
)
def test_an_address_says_its_wire_and_what_is_shared(text: str, address: Address, port: str) -> None:
    assert parse_address(text) == address
    assert port_of(text) == port


def test_two_units_on_one_line_share_its_port() -> None:
    assert port_of("modbus-rtu:/dev/ttyS1/1") == port_of("modbus-rtu:/dev/ttyS1/2")


@pytest.mark.parametrize("text", ["", "ttyUSB0", "socket://host", "http://host:1", "modbus-rtu:/dev/ttyS1/", "dir:"])
def test_what_is_no_address_is_told_what_one_looks_like(text: str) -> None:
    with pytest.raises(BadAddressError, match="write a device path, socket://HOST:PORT"):
        parse_address(text)


@pytest.mark.parametrize("unit", [0, 248])
def test_a_unit_is_1_to_247(unit: int) -> None:
    with pytest.raises(BadAddressError, match=f"unit {unit} is outside 1 to 247"):
        parse_address(f"modbus-tcp://host:502/{unit}")


@pytest.mark.parametrize("text", ["socket://host:0", "socket://host:65536", "modbus-tcp://host:99999/1"])
def test_a_port_is_1_to_65535(text: str) -> None:
    with pytest.raises(BadAddressError, match=r"port \d+ is outside 1 to 65535"):
        parse_address(text)
