"""Instruments of a few lines each, on real pseudo-terminals and sockets."""

from __future__ import annotations

import os
import select
import socket
import struct
import threading
import tty
from collections.abc import Callable
from pathlib import Path

from drivers.clock import Clock
from drivers.gate import Command, Denied, Granted
from drivers.instrument import Instrument
from drivers.status import ActionStatus
from drivers.transcript import Direction

Answer = Callable[[bytes], bytes]
"""Gives the reply to what has arrived; empty for silence."""


class FakeGate:
    """Grants everything except what `denied` names, and remembers who asked for what."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.granted_ago_s = 0.0
        self.denied: dict[str, str] = {}
        self.asked: list[Command] = []
        self.actors: list[str] = []

    def request(self, command: Command, lease: str | None, actor: str) -> Granted | Denied:
        self.asked.append(command)
        self.actors.append(actor)
        if command.verb in self.denied:
            return Denied(command, (self.denied[command.verb],))
        return Granted(command, self._clock.now() - self.granted_ago_s)


class Noted:
    """A transcript in memory."""

    def __init__(self) -> None:
        self.frames: list[tuple[str, Direction, bytes]] = []
        self.files: list[tuple[str, str, bytes]] = []

    def frame(self, link: str, direction: Direction, data: bytes) -> None:
        self.frames.append((link, direction, data))

    def file(self, link: str, name: str, content: bytes) -> None:
        self.files.append((link, name, content))

    def sent(self) -> list[bytes]:
        return [data for _, direction, data in self.frames if direction == "tx"]


class FakePty:
    """Something at the far end of a pseudo-terminal."""

    def __init__(self, answer: Answer, symlink: Path) -> None:
        self._answer = answer
        self.near, self._far = os.openpty()
        tty.setraw(self._far)
        symlink.symlink_to(os.ttyname(self._far))
        self.path = str(symlink)
        self._ended, self._end = os.pipe()
        self._thread = threading.Thread(target=self._serve, name="fake pty")
        self._thread.start()

    def say(self, data: bytes) -> None:
        """Send something unasked, while nobody is reading."""
        os.write(self.near, data)
        # The kernel passes bytes on in its own time: have them there when this returns.
        select.select([self._far], [], [], 1.0)

    def close(self) -> None:
        os.write(self._end, b"x")
        self._thread.join()
        for descriptor in (self.near, self._far, self._ended, self._end):
            os.close(descriptor)

    def _serve(self) -> None:
        while True:
            ready, _, _ = select.select([self.near, self._ended], [], [])
            if self._ended in ready:
                return
            reply = self._answer(os.read(self.near, 4096))
            if reply:
                os.write(self.near, reply)


class FakeSocket:
    """Something that listens on a loopback port, for one client after the other."""

    def __init__(self, answer: Answer, *, close_after_reply: bool = False) -> None:
        self._answer, self._close_after_reply = answer, close_after_reply
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.connections = 0
        self._ended, self._end = os.pipe()
        self._dropped = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="fake socket")
        self._thread.start()

    def drop(self) -> None:
        """Close the connection of the present client."""
        self._dropped.clear()
        os.write(self._end, b"d")
        self._dropped.wait(1.0)

    def close(self) -> None:
        os.write(self._end, b"x")
        self._thread.join()
        self._listener.close()
        os.close(self._ended)
        os.close(self._end)

    def _serve(self) -> None:
        client: socket.socket | None = None
        while True:
            sources: list[socket.socket | int] = [self._listener, self._ended, *([client] if client else [])]
            ready, _, _ = select.select(sources, [], [])
            if self._ended in ready:
                if os.read(self._ended, 1) == b"x":
                    break
                if client is not None:
                    client.close()
                client = None
                self._dropped.set()
            elif client is not None and client in ready:
                client = self._talk(client)
            elif self._listener in ready:
                if client is not None:
                    client.close()
                client, _ = self._listener.accept()
                self.connections += 1
        if client is not None:
            client.close()

    def _talk(self, client: socket.socket) -> socket.socket | None:
        try:
            data = client.recv(4096)
            reply = self._answer(data) if data else b""
            client.sendall(reply)
        except ConnectionError:
            data, reply = b"", b""
        if data and not (reply and self._close_after_reply):
            return client
        client.close()
        return None


def by_line(respond: Callable[[str], list[str]], end: bytes = b"\r\n") -> Answer:
    """Make an answer from a function that answers a line in lines."""
    pending = bytearray()

    def answer(data: bytes) -> bytes:
        nonlocal pending
        pending += data
        reply = b""
        while b"\n" in pending:
            line, _, rest = bytes(pending).partition(b"\n")
            pending = bytearray(rest)
            reply += b"".join(text.encode("latin-1") + end for text in respond(line.decode("latin-1").rstrip("\r")))
        return reply

    return answer


def crc(data: bytes) -> bytes:
    """The checksum of Modbus RTU, low byte first."""
    value = 0xFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = (value >> 1) ^ (0xA001 if value & 1 else 0)
    return struct.pack("<H", value)


class RtuSlave:
    """Holding registers behind Modbus RTU frames, functions 3, 6 and 16."""

    def __init__(self, registers: dict[int, int]) -> None:
        self.registers = registers
        self.writes: list[tuple[int, list[int]]] = []
        self.refresh: Callable[[], None] = lambda: None
        self.on_write: Callable[[int, list[int]], None] = self.registers_take
        self.mute = False
        self._pending = b""

    def registers_take(self, address: int, values: list[int]) -> None:
        self.registers.update(enumerate(values, start=address))

    def answer(self, data: bytes) -> bytes:
        self._pending += data
        size = 9 + self._pending[6] if len(self._pending) > 6 and self._pending[1] == 16 else 8
        if len(self._pending) < size:
            return b""
        frame, self._pending = self._pending[:size], b""
        if self.mute or crc(frame[:-2]) != frame[-2:]:
            return b""
        self.refresh()
        reply = frame[:2] + self._body(frame)
        return reply + crc(reply)

    def _body(self, frame: bytes) -> bytes:
        address, word = struct.unpack(">HH", frame[2:6])
        if frame[1] == 3:
            values = [self.registers.get(address + i, 0) & 0xFFFF for i in range(word)]
            return bytes([2 * word]) + struct.pack(f">{word}H", *values)
        values = [word] if frame[1] == 6 else list(struct.unpack(f">{word}H", frame[7:-2]))
        self.writes.append((address, values))
        self.on_write(address, values)
        return frame[2:6]


def look_at(device: Instrument) -> None:
    """Have a device polled, and wait in lab time until its signals are fresh."""
    device.bus.call(device.name, device.poll)


def end_of(clock: Clock, status: ActionStatus, within_s: float = 1e6) -> BaseException | None:
    """Wait in lab time for an action, and give how it failed."""
    done = clock.event()
    status.add_callback(lambda _: done.set())
    assert done.wait(clock.now() + within_s), f"{status.action} did not end"
    return status.exception()
