"""What reading costs: how long one takes, what a poll takes of the processor, and what many reconnects leave behind.

The simulated instruments answer from a process of their own; a bare pymodbus client reads the same registers beside
ours, so that both see the same machine.
"""

from __future__ import annotations

import gc
import json
import resource
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from pymodbus.client import ModbusSerialClient, ModbusTcpClient

from benchmarks.safety_harness.line_process import LineProcess
from drivers.address import ModbusAddress, SocketAddress, parse_address, port_of
from drivers.bus import Bus
from drivers.clock import RealClock
from drivers.gate import Command, Denied, Granted
from drivers.links import open_line, open_modbus
from drivers.registry import build
from drivers.transcript import NoTranscript

PLANT = "benchmarks.instruments_harness.plant_process"
BAUD = 9600
BATCHES, BETWEEN_S = 20, 0.2
REGISTERS = 5
"""As many are read as a furnace is looked at with."""


class NoGate:
    """Denies everything: what is measured here only looks."""

    def request(self, command: Command, lease: str | None, actor: str) -> Granted | Denied:
        """Deny."""
        return Denied(command, ("a benchmark of reading commands nothing",))


@contextmanager
def plant(entries: Sequence[Mapping[str, object]]) -> Iterator[dict[str, str]]:
    """Serve instruments in another process inside the block; gives where they are."""
    with LineProcess(PLANT, json.dumps(entries)) as process:
        yield json.loads(process.hear())


def furnaces(count: int, carrier: str = "modbus-rtu:sim/furnace-{0}/1") -> list[dict[str, object]]:
    """Entries of so many furnace controllers, each on a wire of its own."""
    return [
        {"name": f"furnace-{i}", "model": "eurotherm-3216p", "address": carrier.format(i), "options": {}}
        for i in range(count)
    ]


def modules(count: int) -> list[dict[str, object]]:
    """Entries of so many safety modules on TCP ports."""
    return [
        {"name": f"safety-{i}", "model": "safety-io", "address": f"modbus-tcp://sim:{1000 + i}/1", "options": {}}
        for i in range(count)
    ]


def movers(count: int) -> list[dict[str, object]]:
    """Entries of so many text movers on TCP ports."""
    return [
        {"name": f"mover-{i}", "model": "text-mover", "address": f"socket://sim:{2000 + i}", "options": {}}
        for i in range(count)
    ]


def median_read_s(address: str, reads: int) -> tuple[float, float]:
    """Read registers again and again, ours and bare pymodbus in turn; gives both medians in seconds."""
    bus = Bus("speed", RealClock())
    link = open_modbus("speed", address, NoTranscript(), bus, baudrate=BAUD)
    ours = _timed(lambda: link.read_registers(0, REGISTERS), reads)
    bus.close()
    client = _bare(address)
    client.connect()
    bare = _timed(lambda: client.read_holding_registers(0, count=REGISTERS, device_id=1), reads)
    client.close()  # type: ignore[no-untyped-call]
    return statistics.median(ours), statistics.median(bare)


def _bare(address: str) -> ModbusTcpClient | ModbusSerialClient:
    where = parse_address(address)
    if not isinstance(where, ModbusAddress):
        raise TypeError(f"{address} is no Modbus address")
    if isinstance(where.wire, SocketAddress):
        return ModbusTcpClient(where.wire.host, port=where.wire.tcp_port)
    return ModbusSerialClient(where.wire.path, baudrate=BAUD)


def _timed(read: Callable[[], object], reads: int) -> list[float]:
    for _ in range(20):
        read()
    took_s = []
    for _ in range(reads):
        begun_s = time.perf_counter()
        read()
        took_s.append(time.perf_counter() - begun_s)
    return took_s


def poll_cpu_s(driver: str, address: str, options: Mapping[str, object], polls: int) -> float:
    """Processor seconds of one look at an instrument and what is published of it.

    The median of batches that are spread over some seconds: whoever shares the processor slows all of a batch.
    """
    clock = RealClock()
    bus = Bus("speed", clock)
    device = build("speed", driver, address, options, NoGate(), clock, NoTranscript(), bus)
    device.identify()

    def look() -> float:
        took_s = []
        for _ in range(BATCHES):
            time.sleep(BETWEEN_S)
            for _ in range(20):
                device.poll()
            begun_s = time.thread_time()
            for _ in range(polls // BATCHES):
                device.poll()
            took_s.append((time.thread_time() - begun_s) / (polls // BATCHES))
        return statistics.median(took_s)

    took_s = bus.call("speed", look)
    assert device.comm_ok.get() == 1, device.last_error  # noqa: S101 - a poll that fails is no measurement
    bus.close()
    return took_s


def share_of_core(
    entries: Sequence[tuple[str, str]], options: Mapping[str, Mapping[str, object]], for_s: float
) -> float:
    """Poll instruments once a second each, as the lab does; gives the part of one core that this process takes.

    Args:
        entries: Driver and address of each.
        options: Driver to its options.
        for_s: Wall seconds.
    """
    clock = RealClock()
    buses: dict[str, Bus] = {}
    devices = []
    for i, (driver, address) in enumerate(entries):
        bus = buses.setdefault(port_of(address), Bus(f"bus-{i}", clock))
        devices.append(
            build(f"device-{i}", driver, address, options.get(driver, {}), NoGate(), clock, NoTranscript(), bus)
        )
    for device in devices:
        device.identify()
    before_s, end_s = _cpu_s(), time.monotonic() + for_s
    next_s = time.monotonic()
    while next_s < end_s:
        for device in devices:
            device.bus.hasten(device.name)
        next_s += 1.0
        time.sleep(max(0.0, next_s - time.monotonic()))
    took_s = _cpu_s() - before_s
    lost = [device.name for device in devices if device.comm_ok.get() != 1]
    for bus in buses.values():
        bus.close()
    if lost:
        raise RuntimeError(f"{', '.join(lost)} did not answer, so this was no measurement")
    return took_s / for_s


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def left_behind(modbus_addresses: Sequence[str], line_address: str, reconnects: int) -> dict[str, int]:
    """Open and close wires again and again; gives how many more threads and descriptors there are afterwards."""
    gc.collect()
    before = _held()
    bus = Bus("leaks", RealClock())
    links = [open_modbus(f"leak-{i}", address, NoTranscript(), bus) for i, address in enumerate(modbus_addresses)]
    line = open_line("leak-line", line_address, NoTranscript(), bus, terminator=b"\n")
    for i in range(reconnects):
        link = links[i % len(links)]
        link.read_registers(0, 1)
        link._port.close()  # noqa: SLF001 - a cable that is pulled, as the driver sees it
        if i % 10 == 0:
            line.query("ID?")
            line.close()
    bus.close()
    gc.collect()
    after = _held()
    return {name: after[name] - before[name] for name in before}


def _held() -> dict[str, int]:
    return {"threads": threading.active_count(), "descriptors": len(list(Path("/proc/self/fd").iterdir()))}
