"""The simulated Eurotherms answer masters that are none of ours: pymodbus' client, and minimalmodbus."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import minimalmodbus  # type: ignore[import-untyped]
import pytest
from pymodbus.client import ModbusSerialClient, ModbusTcpClient
from pymodbus.exceptions import ModbusIOException

from drivers.clock import JumpClock
from sim import Instrument, Laboratory, Simulation, serve

pytestmark = pytest.mark.system

MODELS = {
    "old": Instrument("old", "eurotherm-2416", "modbus-rtu:sim/line/3"),
    "eight": Instrument("eight", "eurotherm-3216p", "modbus-rtu:sim/line/1"),
    "new": Instrument("new", "eurotherm-epc3016", "modbus-tcp://sim:5316/1"),
    "wired": Instrument("wired", "eurotherm-epc3016", "modbus-rtu:sim/line/7"),
}
UNITS = {"old": 3, "eight": 1, "new": 1, "wired": 7}
TYPES = {"old": 0x2410, "eight": 0xF3, "new": 0xE316, "wired": 0xE316}
RUN = {"old": (23, 2, 2), "eight": (23, 1, 1), "new": (10573, 1, 2), "wired": (10573, 1, 2)}
"""Where what is to be written so that a programme runs, and what register 23 says then."""


@pytest.fixture
def simulation(tmp_path: Path) -> Iterator[Simulation]:
    with serve(Laboratory("lab", tuple(MODELS.values()), {}, seed=1), JumpClock(), tmp_path / "wires") as simulation:
        yield simulation


@pytest.fixture
def client(simulation: Simulation, name: str) -> Iterator[ModbusTcpClient | ModbusSerialClient]:
    endpoint = simulation.endpoints[name]
    client: ModbusTcpClient | ModbusSerialClient
    if endpoint.startswith("modbus-tcp://"):
        host, _, port = endpoint.removeprefix("modbus-tcp://").partition("/")[0].partition(":")
        client = ModbusTcpClient(host, port=int(port), timeout=1, retries=0)
    else:
        path = endpoint.removeprefix("modbus-rtu:").rpartition("/")[0]
        client = ModbusSerialClient(path, baudrate=9600, timeout=1, retries=0)
    assert client.connect()
    yield client
    client.close()  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("name", list(MODELS))
def test_pymodbus_reads_and_writes(name: str, client: ModbusTcpClient) -> None:
    unit = UNITS[name]
    assert client.read_holding_registers(122, count=1, device_id=unit).registers == [TYPES[name]]
    assert client.read_input_registers(1, count=5, device_id=unit).registers == [22, 0, 0, 0, 0]
    assert not client.write_register(2, 400, device_id=unit).isError()
    assert client.read_holding_registers(2, count=1, device_id=unit).registers == [400]
    words = client.read_holding_registers(32772, count=2, device_id=unit).registers
    assert client.convert_from_registers(words, client.DATATYPE.FLOAT32) == 400.0
    words = client.convert_to_registers(1.001, client.DATATYPE.FLOAT32)
    assert words == [0x3F80, 0x20C5]
    assert not client.write_registers(32772, words, device_id=unit).isError()
    assert client.read_holding_registers(32772, count=2, device_id=unit).registers == words


@pytest.mark.parametrize("name", list(MODELS))
def test_pymodbus_runs_a_programme(name: str, client: ModbusTcpClient) -> None:
    unit, (address, value, running) = UNITS[name], RUN[name]
    if name == "eight":
        assert not client.write_registers(1280, [30, 222, 100], device_id=unit).isError()
    else:
        for at, word in ((8336, 1), (8337, 222), (8338, 100)):
            assert not client.write_register(at, word, device_id=unit).isError()
    assert not client.write_register(address, value, device_id=unit).isError()
    assert client.read_holding_registers(23, count=1, device_id=unit).registers == [running]
    locked = client.write_register(1281 if name == "eight" else 8337, 300, device_id=unit)
    assert (locked.isError(), locked.exception_code) == (True, 3)


@pytest.mark.parametrize("name", list(MODELS))
def test_pymodbus_is_refused_as_by_the_manual(name: str, client: ModbusTcpClient) -> None:
    unit = UNITS[name]
    for reply, code in (
        (client.read_holding_registers(20000, count=1, device_id=unit), 2),
        (client.read_coils(0, count=1, device_id=unit), 2),
        (client.write_register(1, 5, device_id=unit), 3),
        (client.write_register(400, 5, device_id=unit), 3),
        (client.write_register(32772, 5, device_id=unit), 3),
        (client.write_registers(1, [5], device_id=unit), 3),
    ):
        assert (reply.isError(), reply.exception_code) == (True, code)
    assert not client.write_registers(400, [1, 2, 3], device_id=unit).isError()
    assert not client.read_holding_registers(400, count=3, device_id=unit).isError()


@pytest.mark.parametrize("name", list(MODELS))
def test_nobody_answers_for_another_unit(name: str, client: ModbusTcpClient) -> None:
    client.comm_params.timeout_connect = 0.05
    with pytest.raises(ModbusIOException):
        client.read_holding_registers(1, count=1, device_id=99)


@pytest.mark.parametrize("name", ["old", "eight", "wired"])
def test_minimalmodbus_reads_and_writes(simulation: Simulation, name: str) -> None:
    path = simulation.endpoints[name].removeprefix("modbus-rtu:").rpartition("/")[0]
    instrument = minimalmodbus.Instrument(path, UNITS[name])
    try:
        instrument.serial.baudrate = 9600
        instrument.serial.timeout = 1.0
        assert instrument.read_registers(1, 5) == [22, 0, 0, 0, 0]
        assert instrument.read_register(131) == UNITS[name]
        instrument.write_register(2, 400, functioncode=6)
        instrument.write_registers(24, [350])
        assert instrument.read_float(32772) == 350.0
        assert instrument.read_long(0x8000 + 2 * 8) == 1_500_000
        with pytest.raises(minimalmodbus.IllegalRequestError, match="Slave reported illegal data value"):
            instrument.write_register(2, 5000, functioncode=6)
    finally:
        instrument.serial.close()
