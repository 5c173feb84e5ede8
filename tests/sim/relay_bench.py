"""A relay on one wire in memory: what a client says and hears, and what is to come later."""

from __future__ import annotations

import struct
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from drivers.clock import JumpClock
from sim.addresses import Carrier, Spot
from sim.relay import Fault, Relay, Schedule
from sim.relay.modbus import crc16
from sim.wire.modbus_pdu import IllegalAddress
from sim.wire.modbus_rtu import RtuReceiver
from sim.wire.modbus_tcp import TcpReceiver
from sim.wire.receiver import OpenReceiver, Receiver, Send


def rtu(text: str) -> bytes:
    """A frame from its hex digits, with its CRC."""
    body = bytes.fromhex(text)
    return body + crc16(body)


READ = rtu("01 03 0001 0002")
WRITE = rtu("01 06 0002 0384")


class Registers:
    """Holding registers, and the hooks of an instrument that has all of them."""

    def __init__(self) -> None:
        self.words = [0, 250, 400, 7, 8]
        self.sensor_broken = self.other_device = False
        self.decimals = 1
        self.acts: list[str] = []

    def power_cycle(self) -> None:
        self.acts.append("power")

    def panel_setpoint(self, degc: float) -> None:
        self.acts.append(f"panel {degc:g}")

    def expire_watchdog(self) -> None:
        self.acts.append("watchdog")

    def read_coils(self, address: int, count: int) -> list[bool]:
        return [True] * count

    def read_inputs(self, address: int, count: int) -> list[bool]:
        return [True] * count

    def read_holding(self, address: int, count: int) -> list[int]:
        if address + count > len(self.words):
            raise IllegalAddress
        return self.words[address : address + count]

    def read_input_registers(self, address: int, count: int) -> list[int]:
        return self.read_holding(address, count)

    def write_coils(self, address: int, values: Sequence[bool]) -> None:
        return None

    def write_holding(self, address: int, values: Sequence[int], *, single: bool) -> None:
        self.words[address : address + len(values)] = values


class Talker:
    """Lines: ``LIST`` gives three, ``GO`` begins something that `end` ends, anything else is echoed."""

    framing = "lines-crlf"

    def __init__(self, send: Send) -> None:
        self.send = send
        self.heard: list[bytes] = []
        self._buffer = b""

    def receive(self, data: bytes) -> None:
        self._buffer += data
        *lines, self._buffer = self._buffer.split(b"\n")
        for line in lines:
            self.heard.append(line)
            words = line.strip()
            replies = {b"LIST": [b"L 1", b"L 2", b"L 3"], b"GO": [b"GO 1 B"]}.get(words, [b"> " + words])
            for reply in replies:
                self.send(reply + b"\r\n")

    def end(self) -> None:
        self.send(b"GO 1 A\r\n")


class Cable:
    """A plug that notes what is done to it."""

    def __init__(self) -> None:
        self.done: list[tuple[str, float]] = []

    def pull(self, gone_s: float = 0.0) -> None:
        self.done.append(("pull", gone_s))

    def reset(self) -> None:
        self.done.append(("reset", 0.0))


class Bench:
    """One wire with the relay on it, and one client."""

    def __init__(
        self,
        inner: OpenReceiver,
        spot: Spot,
        instrument: object | None = None,
        others: dict[str, Spot] | None = None,
        log: Path | None = None,
    ) -> None:
        self.heard = b""
        """What has come to the client."""
        self.later: list[tuple[float, Callable[[], None]]] = []
        self.cable = Cable()
        name = "furnace-1"
        instruments = {name: instrument} if instrument is not None else {name: object()}
        self.relay = Relay(JumpClock(), instruments, seed=3, locks=(threading.RLock(),), log=log)
        self.wire = self.relay.join({name: spot, **(others or {})}, self)
        self.wire.plug = self.cable
        self._open = self.wire.through(inner)
        self.client: Receiver = self._open(self._hear)

    def call_later(self, delay_s: float, act: Callable[[], None]) -> None:
        self.later.append((delay_s, act))

    def connect(self) -> None:
        """Close, and open another connection."""
        self.client = self._open(self._hear)

    def ask(self, request: bytes) -> bytes:
        """Say something; give what came at once."""
        self.heard = b""
        self.client.receive(request)
        return self.heard

    def inject(self, fault: Fault, variant: str | None = None, times: int = 1, lasting: int | None = 10) -> None:
        self.relay.inject("furnace-1", fault, times, variant=variant, lasting=lasting)

    def start(self, schedule: Schedule) -> None:
        self.relay.start(schedule)

    @property
    def done(self) -> list[tuple[Fault, str]]:
        return [(injection.fault, injection.detail) for injection in self.relay.history]

    def _hear(self, data: bytes) -> None:
        self.heard += data


def serial_bench(registers: Registers | None = None, others: dict[str, Spot] | None = None) -> Bench:
    """Modbus RTU, units 1 and 2 of the same registers."""
    found = registers or Registers()
    units = {1: found, 2: found}
    spot = Spot(Carrier.PTY, "furnace-1", unit=1)
    return Bench(lambda send: RtuReceiver(send, units), spot, found, others)


def tcp_bench(registers: Registers | None = None, log: Path | None = None) -> Bench:
    """Modbus TCP."""
    found = registers or Registers()
    spot = Spot(Carrier.TCP, "sim:502", 502, unit=1)
    return Bench(lambda send: TcpReceiver(send, {1: found}), spot, found, log=log)


def mbap(transaction: int, text: str) -> bytes:
    """A frame of Modbus TCP from unit and PDU."""
    body = bytes.fromhex(text)
    return struct.pack(">HHH", transaction, 0, len(body)) + body


def line_bench(carrier: Carrier = Carrier.PTY) -> tuple[Bench, list[Talker]]:
    """Lines; the last of the talkers serves the client."""
    talkers: list[Talker] = []

    def open_talker(send: Send) -> Talker:
        talkers.append(Talker(send))
        return talkers[-1]

    return Bench(open_talker, Spot(carrier, "talker")), talkers
