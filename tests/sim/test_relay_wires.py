"""The relay under the simulators, on real pseudo-terminals and sockets, met by plain public clients."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import serial
from pymodbus.client import ModbusSerialClient, ModbusTcpClient
from pymodbus.exceptions import ModbusException

from drivers.clock import JumpClock
from sim import Instrument, Laboratory, Simulation, serve
from sim.errors import SimError
from sim.relay import Fault, Schedule, SerialProxy, TcpProxy

pytestmark = pytest.mark.system

WITHIN_S = 5.0


@pytest.fixture
def simulation(clock: JumpClock, tmp_path: Path) -> Iterator[Simulation]:
    instruments = (
        Instrument("furnace-1", "eurotherm-3216p", "modbus-rtu:sim/bus-1/1"),
        Instrument("furnace-2", "eurotherm-3216p", "modbus-rtu:sim/bus-1/2"),
        Instrument("safety-1", "safety-io", "modbus-tcp://sim:5020/1"),
        Instrument("mover-1", "text-mover", "socket://sim:7101"),
    )
    with serve(Laboratory("powder-1", instruments, {}, seed=4), clock, tmp_path / "wires") as simulation:
        yield simulation


def port_of(endpoint: str) -> int:
    return int(endpoint.split(":")[2].split("/")[0])


def until(true: Callable[[], object]) -> None:
    deadline_s = time.monotonic() + WITHIN_S
    while not (found := true()) and time.monotonic() < deadline_s:
        time.sleep(0.005)
    assert found


@pytest.fixture
def rtu(simulation: Simulation, tmp_path: Path) -> Iterator[ModbusSerialClient]:
    client = ModbusSerialClient(str(tmp_path / "wires" / "bus-1"), baudrate=9600, timeout=0.2, retries=0)
    assert client.connect()
    yield client
    client.close()  # type: ignore[no-untyped-call]


@pytest.fixture
def tcp(simulation: Simulation) -> Iterator[ModbusTcpClient]:
    port = port_of(simulation.endpoints["safety-1"])
    client = ModbusTcpClient("127.0.0.1", port=port, timeout=0.2, retries=0)
    assert client.connect()  # type: ignore[no-untyped-call]
    yield client
    client.close()  # type: ignore[no-untyped-call]


def silent(client: ModbusSerialClient | ModbusTcpClient, unit: int = 1) -> bool:
    try:
        return client.read_coils(0, count=1, device_id=unit).isError()
    except (ModbusException, OSError):
        return True


def test_a_pulled_cable_hangs_up_and_comes_back_behind_the_same_symlink(
    simulation: Simulation, rtu: ModbusSerialClient, tmp_path: Path
) -> None:
    path = tmp_path / "wires" / "bus-1"
    assert rtu.read_holding_registers(131, count=1, device_id=1).registers == [1]
    simulation.relay.inject("furnace-1", Fault.DISCONNECT)
    with pytest.raises((ModbusException, OSError)):
        rtu.read_holding_registers(131, count=1, device_id=1)
    rtu.close()  # type: ignore[no-untyped-call]
    until(path.exists)
    assert rtu.connect()
    assert rtu.read_holding_registers(131, count=1, device_id=1).registers == [1]
    assert rtu.read_holding_registers(131, count=1, device_id=2).registers == [2]


def test_a_serial_instrument_goes_on_while_its_cable_is_out(
    simulation: Simulation, rtu: ModbusSerialClient, clock: JumpClock
) -> None:
    assert not rtu.write_register(24, 200, device_id=1).isError()
    simulation.relay.inject("furnace-1", Fault.DISCONNECT, variant="request")
    with pytest.raises((ModbusException, OSError)):
        rtu.read_holding_registers(1, count=1, device_id=1)
    rtu.close()  # type: ignore[no-untyped-call]
    until(rtu.connect)
    assert rtu.read_holding_registers(24, count=1, device_id=1).registers == [200]


def test_a_reset_connection_breaks_and_the_next_one_is_good(simulation: Simulation, tcp: ModbusTcpClient) -> None:
    simulation.relay.inject("safety-1", Fault.DEAD_CONNECTION, variant="reset")
    assert silent(tcp)
    tcp.close()  # type: ignore[no-untyped-call]
    assert tcp.connect()  # type: ignore[no-untyped-call]
    assert not silent(tcp)


def test_a_reset_is_one_to_whoever_reads(simulation: Simulation) -> None:
    simulation.relay.inject("mover-1", Fault.DEAD_CONNECTION, variant="reset")
    with socket.create_connection(("127.0.0.1", port_of(simulation.endpoints["mover-1"])), 2.0) as connection:
        connection.sendall(b"ID?\n")
        with pytest.raises(ConnectionResetError):
            connection.recv(100)


def test_a_half_open_connection_is_silent_for_ever_and_a_new_one_is_not(
    simulation: Simulation, tcp: ModbusTcpClient
) -> None:
    simulation.relay.inject("safety-1", Fault.DEAD_CONNECTION, variant="half-open")
    assert silent(tcp)
    assert silent(tcp)
    tcp.close()  # type: ignore[no-untyped-call]
    assert tcp.connect()  # type: ignore[no-untyped-call]
    assert not silent(tcp)


def test_who_comes_while_all_connections_are_taken_is_turned_away(simulation: Simulation, tcp: ModbusTcpClient) -> None:
    simulation.relay.inject("safety-1", Fault.TWO_MASTERS)
    assert silent(tcp)
    tcp.close()  # type: ignore[no-untyped-call]
    assert not tcp.connect() or silent(tcp)  # type: ignore[no-untyped-call]
    tcp.close()  # type: ignore[no-untyped-call]
    time.sleep(0.25)
    assert tcp.connect()  # type: ignore[no-untyped-call]
    assert not silent(tcp)


def test_a_late_reply_is_there_for_the_next_question(simulation: Simulation) -> None:
    simulation.relay.inject("mover-1", Fault.LATE_REPLY, late_s=0.1)
    with socket.create_connection(("127.0.0.1", port_of(simulation.endpoints["mover-1"])), 2.0) as connection:
        connection.sendall(b"ID?\n")
        connection.settimeout(0.05)
        with pytest.raises(TimeoutError):
            connection.recv(100)
        connection.settimeout(2.0)
        connection.sendall(b"AT? vials/1\n")
        stream = connection.makefile("rb")
        assert stream.readline() == b"ID text-mover 1 SN-mover-1\n"
        assert stream.readline().startswith(b"AT vials/1 ")


def test_dripping_bytes_arrive(simulation: Simulation, rtu: ModbusSerialClient) -> None:
    simulation.relay.inject("furnace-2", Fault.SLOW_DRIP)
    began_s = time.monotonic()
    assert rtu.read_holding_registers(131, count=1, device_id=2).registers == [2]
    assert time.monotonic() - began_s > 0.02


def test_a_broken_sensor_is_one_of_the_instrument(simulation: Simulation, rtu: ModbusSerialClient) -> None:
    simulation.relay.inject("furnace-1", Fault.SENSOR_BREAK, lasting=None)
    assert rtu.read_holding_registers(258, count=1, device_id=1).registers == [1]
    assert rtu.read_holding_registers(258, count=1, device_id=2).registers == [0]
    simulation.relay.stop()
    assert rtu.read_holding_registers(258, count=1, device_id=1).registers == [0]


def test_faults_by_chance_are_written_down(clock: JumpClock, tmp_path: Path) -> None:
    lab = Laboratory("powder-1", (Instrument("mover-1", "text-mover", "socket://sim:7101"),), {})
    with serve(lab, clock, tmp_path, faults=tmp_path / "faults.jsonl") as simulation:
        simulation.relay.start(Schedule(rate=1.0, faults=(Fault.SLOW_DRIP,)))
        with socket.create_connection(("127.0.0.1", port_of(simulation.endpoints["mover-1"])), 2.0) as connection:
            connection.sendall(b"ID?\n")
            assert connection.makefile("rb").readline() == b"ID text-mover 1 SN-mover-1\n"
    assert (tmp_path / "faults.jsonl").read_text().count('"fault": "slow-drip", "number": 25') == 1


def test_a_relay_without_orders_costs_next_to_nothing(simulation: Simulation) -> None:
    from sim.relay.wire import TappedWire

    wire = simulation.relay._wires[0]
    assert isinstance(wire, TappedWire)

    class Nobody:
        framing = "lines-lf"

        def receive(self, data: bytes) -> None:
            return None

    tap = wire.through(lambda _: Nobody())(lambda _: None)
    began_s = time.perf_counter()
    for _ in range(10_000):
        tap.receive(b"x")
    assert (time.perf_counter() - began_s) / 10_000 < 50e-6  # a microsecond, on a machine that does nothing else


def test_nothing_is_left_of_wires_whose_cables_were_pulled(clock: JumpClock, tmp_path: Path) -> None:
    lab = Laboratory("powder-1", (Instrument("doser-1", "eurotherm-3216p", "modbus-rtu:sim/bus-1/1"),), {})
    files, threads = len(os.listdir("/proc/self/fd")), threading.active_count()
    with serve(lab, clock, tmp_path / "w") as simulation:
        plug = simulation.relay._wires[0].plug
        assert plug is not None
        for _ in range(50):
            plug.pull()
        until((tmp_path / "w" / "bus-1").exists)
        time.sleep(0.05)
    assert (len(os.listdir("/proc/self/fd")), threading.active_count()) == (files, threads)
    assert not (tmp_path / "w" / "bus-1").is_symlink()


# -- stand-alone


def test_a_proxy_stands_before_a_port_and_passes_all_it_hears(simulation: Simulation) -> None:
    with TcpProxy("127.0.0.1", port_of(simulation.endpoints["mover-1"]), "lines-lf") as proxy:
        with socket.create_connection(("127.0.0.1", port_of(proxy.address)), 2.0) as connection:
            stream = connection.makefile("rb")
            connection.sendall(b"ID?\n")
            assert stream.readline() == b"ID text-mover 1 SN-mover-1\n"
            proxy.relay.inject("instrument", Fault.DUPLICATE_REPLY)
            connection.sendall(b"ID?\n")
            assert [stream.readline() for _ in range(2)] == [b"ID text-mover 1 SN-mover-1\n"] * 2
            proxy.relay.inject("instrument", Fault.DISCONNECT, variant="request")
            connection.sendall(b"ID?\n")
            assert stream.readline() == b""
        assert [injection.fault for injection in proxy.relay.history] == [Fault.DUPLICATE_REPLY, Fault.DISCONNECT]


def test_a_proxy_reads_registers_and_has_no_hooks(simulation: Simulation) -> None:
    with TcpProxy("127.0.0.1", port_of(simulation.endpoints["safety-1"]), "modbus-tcp") as proxy:
        client = ModbusTcpClient("127.0.0.1", port=port_of(proxy.address), timeout=1.0, retries=0)
        assert client.connect()  # type: ignore[no-untyped-call]
        try:
            proxy.relay.inject("instrument", Fault.EXCEPTION, variant="6")
            assert client.read_coils(0, count=1, device_id=1).exception_code == 6
            assert not silent(client)
        finally:
            client.close()  # type: ignore[no-untyped-call]
        with pytest.raises(SimError, match="sensor-break cannot be done to it"):
            proxy.relay.inject("instrument", Fault.SENSOR_BREAK)


def test_a_proxy_before_nobody_hangs_up(simulation: Simulation) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with (
        TcpProxy("127.0.0.1", port, "lines-lf") as proxy,
        socket.create_connection(("127.0.0.1", port_of(proxy.address)), 2.0) as connection,
    ):
        assert connection.recv(10) == b""


def test_a_proxy_stands_before_a_serial_port(simulation: Simulation, tmp_path: Path) -> None:
    real = str(tmp_path / "wires" / "bus-1")
    with SerialProxy(real, tmp_path / "proxied", "modbus-rtu", log=tmp_path / "faults.jsonl") as proxy:
        client = ModbusSerialClient(proxy.address, baudrate=9600, timeout=0.3, retries=0)
        assert client.connect()
        try:
            assert client.read_holding_registers(131, count=1, device_id=2).registers == [2]
            proxy.relay.inject("instrument", Fault.NO_REPLY, variant="reply")
            assert silent(client)
            assert client.read_holding_registers(131, count=1, device_id=2).registers == [2]
            proxy.relay.inject("instrument", Fault.SLOW_DRIP)
            assert client.read_holding_registers(131, count=1, device_id=2).registers == [2]
        finally:
            client.close()  # type: ignore[no-untyped-call]
    assert (tmp_path / "faults.jsonl").read_text().count("\n") == 2


@pytest.mark.parametrize(("path", "framing"), [("/dev/nowhere", "lines-lf"), (None, "morse")])
def test_a_serial_proxy_that_cannot_be_leaves_nothing(
    simulation: Simulation, tmp_path: Path, path: str | None, framing: str
) -> None:
    files = len(os.listdir("/proc/self/fd"))
    with pytest.raises((SimError, serial.SerialException)):
        SerialProxy(path or str(tmp_path / "wires" / "bus-1"), tmp_path / "proxied", framing)
    assert len(os.listdir("/proc/self/fd")) == files
