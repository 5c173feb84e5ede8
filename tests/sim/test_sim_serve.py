"""The whole simulated laboratory over real pseudo-terminals and sockets, asked by plain public clients."""

import dataclasses
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import serial
from pymodbus.client import ModbusSerialClient, ModbusTcpClient

from drivers.clock import JumpClock, ScaledClock
from sim import Instrument, Laboratory, Lot, SimError, Simulation, serve

pytestmark = pytest.mark.system


@pytest.fixture
def laboratory(tmp_path: Path) -> Laboratory:
    instruments = (
        Instrument("furnace-1", "eurotherm-3216p", "modbus-rtu:sim/bus-1/1", {"watched_by": "safety-1"}),
        Instrument("furnace-2", "eurotherm-3216p", "modbus-rtu:sim/bus-1/2", {"slots": 4}),
        Instrument("safety-1", "safety-io", "modbus-tcp://sim:5020/1"),
        Instrument("doser-1", "quantos", "pty:sim/doser-1", {"heads": {1: "BaCO3-lot7"}}),
        Instrument("mover-1", "text-mover", "socket://sim:7101"),
        Instrument("xrd-1", "aeris", "socket://sim:7702", {"dir": str(tmp_path / "results")}),
    )
    return Laboratory("powder-1", instruments, {"BaCO3-lot7": Lot("BaCO3-lot7", "BaCO3")}, seed=4)


@pytest.fixture
def simulation(laboratory: Laboratory, clock: JumpClock, tmp_path: Path) -> Iterator[Simulation]:
    with serve(laboratory, clock, tmp_path / "wires") as simulation:
        yield simulation


def port_of(endpoint: str) -> int:
    return int(endpoint.split(":")[2].split("/")[0])


def one_wire_less(laboratory: Laboratory, name: str, **changes: object) -> Laboratory:
    """The laboratory with one instrument changed."""
    instruments = tuple(
        dataclasses.replace(i, **changes) if i.name == name else i  # type: ignore[arg-type]
        for i in laboratory.instruments
    )
    return dataclasses.replace(laboratory, instruments=instruments)


def test_every_instrument_has_an_endpoint_of_its_kind(simulation: Simulation, tmp_path: Path) -> None:
    endpoints = simulation.endpoints
    assert endpoints["furnace-2"] == f"modbus-rtu:{tmp_path}/wires/bus-1/2"
    assert endpoints["doser-1"] == f"{tmp_path}/wires/doser-1"
    assert endpoints["mover-1"].startswith("socket://127.0.0.1:")
    assert endpoints["safety-1"].startswith("modbus-tcp://127.0.0.1:")
    assert len(endpoints) == 6


def test_a_plain_pymodbus_client_runs_a_furnace(simulation: Simulation, clock: JumpClock, tmp_path: Path) -> None:
    client = ModbusSerialClient(str(tmp_path / "wires" / "bus-1"), baudrate=9600, timeout=1.0, retries=0)
    assert client.connect()
    try:
        assert client.read_holding_registers(131, count=1, device_id=2).registers == [2]
        assert not client.write_registers(1280, [10, 122, 100], device_id=2).isError()
        assert not client.write_register(23, 1, device_id=2).isError()
        clock.sleep_until(clock.now() + 1150.0)
        block = client.read_holding_registers(1, count=5, device_id=2).registers
        assert block[0] == pytest.approx(122, abs=4)
        refusal = client.write_register(131, 9, device_id=2)
        assert refusal.isError()
        assert refusal.exception_code == 3
    finally:
        client.close()  # type: ignore[no-untyped-call]


def test_a_plain_pymodbus_client_reads_and_switches_the_safety_module(simulation: Simulation) -> None:
    client = ModbusTcpClient("127.0.0.1", port=port_of(simulation.endpoints["safety-1"]), timeout=1.0, retries=0)
    assert client.connect()  # type: ignore[no-untyped-call]
    try:
        assert not client.write_coils(0, [True, True], device_id=1).isError()
        assert client.read_coils(0, count=4, device_id=1).bits[:4] == [True, True, False, False]
        assert client.read_discrete_inputs(0, count=8, device_id=1).bits == [True] * 8
        assert client.read_input_registers(0, count=1, device_id=1).registers[0] == pytest.approx(220, abs=10)
        assert client.read_holding_registers(40, count=1, device_id=1).exception_code == 2
    finally:
        client.close()  # type: ignore[no-untyped-call]


def test_furnaces_and_safety_modules_answer_while_the_chemistry_is_computed(simulation: Simulation) -> None:
    client = ModbusTcpClient("127.0.0.1", port=port_of(simulation.endpoints["safety-1"]), timeout=1.0, retries=0)
    furnace = ModbusSerialClient(simulation.endpoints["furnace-1"].split(":")[1][:-2], timeout=1.0, retries=0)
    try:
        with simulation.plant.lock:
            assert client.connect()  # type: ignore[no-untyped-call]
            assert furnace.connect()
            assert client.read_discrete_inputs(0, count=1, device_id=1).bits[0]
            assert furnace.read_holding_registers(131, count=1, device_id=1).registers == [1]
    finally:
        client.close()  # type: ignore[no-untyped-call]
        furnace.close()  # type: ignore[no-untyped-call]


def test_a_pyserial_client_speaks_to_the_balance(simulation: Simulation, clock: JumpClock) -> None:
    with serial.Serial(simulation.endpoints["doser-1"], 9600, timeout=2.0, exclusive=True) as port:
        port.write(b"I4\r\n")
        assert port.readline() == b'I4 A "SIM-doser-1"\r\n'
        port.write(b"QRA 60 7 2\r\n")
        assert port.readline() == b"QRA 60 7 B\r\n"
        clock.sleep_until(clock.now() + 10.0)
        assert port.readline() == b"QRA 60 7 A\r\n"


def test_a_port_may_be_closed_and_opened_again_by_its_path(simulation: Simulation) -> None:
    for _ in range(3):
        with serial.Serial(simulation.endpoints["doser-1"], 9600, timeout=2.0) as port:
            port.write(b"I4\r\n")
            assert port.readline().startswith(b"I4 A")


def test_mover_and_diffractometer_answer_on_their_sockets(simulation: Simulation) -> None:
    for name, request, reply in (
        ("mover-1", b"ID?\n", b"ID text-mover 1 SN-mover-1\n"),
        ("xrd-1", b"@STATUS_REQUEST@SYSTEM@END", b"@STATUS_REPORT@SYSTEM=remote@END"),
    ):
        for _ in range(2):
            with socket.create_connection(("127.0.0.1", port_of(simulation.endpoints[name])), 2.0) as connection:
                connection.sendall(request)
                assert connection.recv(1000) == reply


def test_equal_seeds_give_equal_bytes(laboratory: Laboratory, tmp_path: Path) -> None:
    def weigh(folder: Path) -> bytes:
        clock = JumpClock()
        with (
            serve(laboratory, clock, folder) as simulation,
            serial.Serial(simulation.endpoints["doser-1"], 9600, timeout=2.0) as port,
        ):
            heard = b""
            for _ in range(5):
                clock.sleep_until(clock.now() + 10.0)
                port.write(b"S\r\n")
                heard += port.readline()
            return heard

    assert weigh(tmp_path / "a") == weigh(tmp_path / "b")


def test_timed_replies_come_by_themselves_when_time_does_not_jump(laboratory: Laboratory, tmp_path: Path) -> None:
    clock = ScaledClock(200.0)
    with (
        serve(laboratory, clock, tmp_path / "wires") as simulation,
        serial.Serial(simulation.endpoints["doser-1"], 9600, timeout=5.0) as port,
    ):
        port.write(b"QRA 60 7 2\r\n")
        assert [port.readline() for _ in range(2)] == [b"QRA 60 7 B\r\n", b"QRA 60 7 A\r\n"]


def test_a_watchdog_acts_by_itself_when_time_does_not_jump(laboratory: Laboratory, tmp_path: Path) -> None:
    clock = ScaledClock(20.0)
    log = tmp_path / "plant.jsonl"
    log.write_text('{"kind": "note", "what": "kept"}\n')
    with serve(laboratory, clock, tmp_path / "wires", log=log) as simulation:
        client = ModbusTcpClient("127.0.0.1", port=port_of(simulation.endpoints["safety-1"]), timeout=1.0, retries=0)
        assert client.connect()  # type: ignore[no-untyped-call]
        assert not client.write_registers(1, [30], device_id=1).isError()
        assert not client.write_coil(0, True, device_id=1).isError()
        client.close()  # type: ignore[no-untyped-call]
        clock.sleep_until(clock.now() + 4.0)
        lines = [json.loads(line) for line in log.read_text().splitlines()]
    closed, opened = (line for line in lines if line.get("output") == "contactor")
    assert lines[0] == {"kind": "note", "what": "kept"}
    assert (opened["module"], opened["closed"], opened["why"]) == ("safety-1", False, "watchdog")
    assert 2.8 / 20.0 < opened["monotonic_s"] - closed["monotonic_s"] < 4.0 / 20.0
    assert "safety-1 watchdog expired" in [line.get("what") for line in lines]


def test_a_log_that_cannot_be_written_is_refused(laboratory: Laboratory, clock: JumpClock, tmp_path: Path) -> None:
    with pytest.raises(SimError, match=r"the log .*/none/log cannot be written \(No such file"):
        serve(laboratory, clock, tmp_path / "wires", log=tmp_path / "none" / "log")


def test_a_deaf_instrument_takes_a_connection_and_answers_nothing(simulation: Simulation) -> None:
    def ask(name: str, request: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", port_of(simulation.endpoints[name])), 0.05) as connection:
            connection.sendall(request)
            try:
                return connection.recv(1000)
            except TimeoutError:
                return b""

    read_inputs = bytes.fromhex("0001 0000 0006 01 02 0000 0008")
    for name, request in (("mover-1", b"ID?\n"), ("safety-1", read_inputs)):
        before = ask(name, request)
        assert before
        simulation.deafen(name)
        simulation.deafen(name)
        assert ask(name, request) == b""
        simulation.deafen(name, deaf=False)
        assert ask(name, request) == before


def test_a_paced_line_takes_as_long_as_a_real_one(laboratory: Laboratory, clock: JumpClock, tmp_path: Path) -> None:
    paced = one_wire_less(laboratory, "doser-1", options={"pace_baud": 1200})
    with (
        serve(paced, clock, tmp_path / "wires") as simulation,
        serial.Serial(simulation.endpoints["doser-1"], 1200, timeout=5.0) as port,
    ):
        began_s = time.monotonic()
        port.write(b"I4\r\n")
        line = port.readline()
        assert line == b'I4 A "SIM-doser-1"\r\n'
        assert time.monotonic() - began_s >= len(line) * 10 / 1200 * 0.9


def test_closing_takes_wires_threads_and_descriptors_away(
    laboratory: Laboratory, clock: JumpClock, tmp_path: Path
) -> None:
    before = len(os.listdir("/proc/self/fd")), threading.active_count()
    simulation = serve(laboratory, clock, tmp_path / "wires")
    assert (tmp_path / "wires" / "doser-1").is_symlink()
    simulation.close()
    simulation.close()
    assert list((tmp_path / "wires").iterdir()) == []
    assert (len(os.listdir("/proc/self/fd")), threading.active_count()) == before


@pytest.mark.parametrize(
    ("name", "changes", "sentence"),
    [
        ("mover-1", {"model": "butler"}, r"mover-1: no simulator speaks for a 'butler'"),
        ("mover-1", {"address": "pty:sim/doser-1"}, r"doser-1 answers at the same pseudo-terminal as pty:sim/doser-1"),
        ("furnace-2", {"address": "modbus-rtu:sim/bus-1/1"}, r"furnace-2: furnace-1 answers at the same"),
        ("furnace-1", {"options": {"watched_by": "nobody"}}, r"watched_by 'nobody' is no safety-io .* safety-1"),
        ("furnace-1", {"options": {"slots": 0}}, r"furnace-1: slots 0 is no whole number"),
        ("doser-1", {"options": {"heads": {1: "gold"}}}, r"doser-1: a head holds lot 'gold'.*BaCO3-lot7"),
        ("xrd-1", {"options": {}}, r"xrd-1: an aeris needs the option dir"),
    ],
)
def test_a_laboratory_that_cannot_be_is_refused_in_one_sentence(
    laboratory: Laboratory, clock: JumpClock, tmp_path: Path, name: str, changes: dict[str, object], sentence: str
) -> None:
    with pytest.raises(SimError, match=sentence):
        serve(one_wire_less(laboratory, name, **changes), clock, tmp_path / "wires")


def test_a_lot_that_the_chemistry_does_not_know_is_refused(
    laboratory: Laboratory, clock: JumpClock, tmp_path: Path
) -> None:
    unknown = dataclasses.replace(laboratory, lots={**laboratory.lots, "x": Lot("x", "UO2")})
    with pytest.raises(SimError, match=r"lot x: .*U"):
        serve(unknown, clock, tmp_path / "wires")


def test_a_truth_that_cannot_be_read_is_refused(laboratory: Laboratory, clock: JumpClock, tmp_path: Path) -> None:
    with pytest.raises(SimError, match="cannot be read"):
        serve(dataclasses.replace(laboratory, truth=str(tmp_path)), clock, tmp_path / "wires")


def test_a_port_in_use_is_named(laboratory: Laboratory, clock: JumpClock, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        wanted = one_wire_less(laboratory, "mover-1", address=f"socket://sim:{port}")
        one = dataclasses.replace(wanted, instruments=tuple(i for i in wanted.instruments if i.name == "mover-1"))
        with pytest.raises(SimError, match=f"^mover-1: socket://sim:{port}: port {port} of .* cannot be") as caught:
            serve(one, clock, tmp_path / "wires", ports="exact")
        assert caught.value.instrument == "mover-1"


def test_a_file_in_the_way_of_a_symlink_is_not_overwritten(
    laboratory: Laboratory, clock: JumpClock, tmp_path: Path
) -> None:
    (tmp_path / "doser-1").write_text("precious")
    with pytest.raises(SimError, match="is in the way"):
        serve(laboratory, clock, tmp_path)
    assert (tmp_path / "doser-1").read_text() == "precious"
