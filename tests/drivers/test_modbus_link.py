"""Modbus against pymodbus' own server, and against wires that misbehave."""

from __future__ import annotations

import asyncio
import os
import select
import socket
import struct
import threading
import time
import tty
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from drivers.address import ModbusAddress, SerialAddress, SocketAddress
from drivers.bus import Bus
from drivers.errors import CodecError, GrantError, LinkError, RefusedError
from drivers.gate import Command, Granted
from drivers.links import ModbusLink, ModbusPort, open_modbus
from drivers.links.modbus import ModbusRefusedError
from tests.drivers.fakes import Answer, FakePty, FakeSocket, Noted, RtuSlave, crc

GRANT = Granted(Command("furnace-1", "set-setpoint", 400.0, "degC"), 0.0)
MakeLink = Callable[..., ModbusLink]


def device() -> SimDevice:
    """Five registers from 1 on, coils and inputs in tables of their own."""
    coils = SimData(0, count=8, values=False, datatype=DataType.BITS)
    inputs = SimData(0, values=[True, False, True, True, False, False, True, True], datatype=DataType.BITS)
    holding = SimData(1, values=[25, 400, 0, 33, 65521], datatype=DataType.REGISTERS)
    analogue = SimData(0, values=[251, 65521], datatype=DataType.REGISTERS)
    return SimDevice(1, simdata=([coils], [inputs], [holding], [analogue]))


class Server:
    """pymodbus' server in a thread of its own."""

    def __init__(self, make: Callable[[SimDevice], Any]) -> None:
        self._make = make
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="pymodbus server")
        self._thread.start()
        self._ready.wait(5.0)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._server = self._make(device())
        await self._server.serve_forever(background=True)
        self._over = asyncio.Event()
        self._ready.set()
        await self._over.wait()
        await self._server.shutdown()

    @property
    def port(self) -> int:
        return int(self._server.transport.sockets[0].getsockname()[1])

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()


class Cable:
    """Two pseudo-terminals whose near ends are joined."""

    def __init__(self) -> None:
        pairs = [os.openpty(), os.openpty()]
        self._near, self._far = [list(ends) for ends in zip(*pairs, strict=True)]
        for far in self._far:
            tty.setraw(far)
        self.paths = [os.ttyname(far) for far in self._far]
        self._ended, self._end = os.pipe()
        self._thread = threading.Thread(target=self._relay, name="cable")
        self._thread.start()

    def close(self) -> None:
        os.write(self._end, b"x")
        self._thread.join()
        for descriptor in (*self._near, *self._far, self._ended, self._end):
            os.close(descriptor)

    def _relay(self) -> None:
        while True:
            ready, _, _ = select.select([*self._near, self._ended], [], [])
            if self._ended in ready:
                return
            for source, sink in (self._near, self._near[::-1]):
                if source in ready:
                    os.write(sink, os.read(source, 4096))


@pytest.fixture
def link_to(noted: Noted) -> Iterator[MakeLink]:
    ports: list[ModbusPort] = []

    def make(wire: SerialAddress | SocketAddress, **settings: Any) -> ModbusLink:
        never_write = settings.pop("never_write", frozenset())
        timing = {"timeout_s": 0.05, "quiet_s": 0.02, **settings}
        ports.append(ModbusPort(ModbusAddress(wire, 1), noted, **timing))
        return ModbusLink("furnace-1", "modbus-rtu:/dev/f1/1", 1, ports[-1], never_write=never_write)

    yield make
    for port in ports:
        port.close()


@pytest.fixture(params=["tcp", "rtu"])
def link(request: pytest.FixtureRequest, link_to: MakeLink) -> Iterator[ModbusLink]:
    if request.param == "tcp":
        server = Server(lambda unit: ModbusTcpServer(unit, address=("127.0.0.1", 0)))
        yield link_to(SocketAddress("127.0.0.1", server.port), timeout_s=1.0)
        server.close()
    else:
        cable = Cable()
        server = Server(lambda unit: ModbusSerialServer(unit, port=cable.paths[0], baudrate=9600))
        yield link_to(SerialAddress(cable.paths[1]), timeout_s=1.0)
        server.close()
        cable.close()


@pytest.mark.system
def test_pymodbus_own_server_is_understood(link: ModbusLink) -> None:
    assert link.read_registers(1, 5) == (25, 400, 0, 33, 65521)
    assert link.read_inputs(0, 2) == (251, 65521)
    assert link.read_discrete(0, 8) == (True, False, True, True, False, False, True, True)
    assert link.read_coils(0, 4) == (False,) * 4


@pytest.mark.system
def test_pymodbus_own_server_takes_what_is_written(link: ModbusLink) -> None:
    link.write_register(2, 900, GRANT)
    link.write_registers(3, [1, 2, 3], GRANT)
    link.write_coil(0, True, GRANT)
    assert link.read_registers(1, 5) == (25, 900, 1, 2, 3)
    assert link.read_coils(0, 4) == (True, False, False, False)


@pytest.mark.system
def test_an_address_that_there_is_not_is_refused_at_once(link: ModbusLink) -> None:
    began_s = time.monotonic()
    with pytest.raises(
        RefusedError,
        match=r"furnace-1: .* refused register 9000 \(function 3\) with Modbus exception 2 \(illegal address\)",
    ):
        link.read_registers(9000, 1)
    assert time.monotonic() - began_s < 0.9


# ---------------------------------------------------------------- wires that misbehave


ServePty = Callable[[Answer], FakePty]
ServeSocket = Callable[..., FakeSocket]


def test_frames_are_those_of_the_standard(serve_pty: ServePty, link_to: MakeLink, noted: Noted) -> None:
    far = serve_pty(RtuSlave({1: 25}).answer)
    assert link_to(SerialAddress(far.path)).read_registers(1, 1) == (25,)
    assert noted.frames == [
        ("furnace-1", "tx", bytes.fromhex("010300010001d5ca")),
        ("furnace-1", "rx", bytes.fromhex("0103020019798e")),
    ]


def test_a_silent_unit_is_asked_three_times_and_then_nobody_is_there(
    serve_pty: ServePty, link_to: MakeLink, noted: Noted
) -> None:
    far = serve_pty(lambda _: b"")
    with pytest.raises(LinkError) as caught:
        link_to(SerialAddress(far.path)).read_registers(1, 1)
    assert str(caught.value) == (
        "furnace-1: nobody answers at modbus-rtu:/dev/f1/1 (3 tries of 0.05 s): "
        "is the instrument on and the address right in the lab file?"
    )
    assert len(noted.sent()) == 3


def test_a_command_is_written_once_whatever_happens(serve_pty: ServePty, link_to: MakeLink, noted: Noted) -> None:
    far = serve_pty(lambda _: b"")
    with pytest.raises(LinkError, match="1 try"):
        link_to(SerialAddress(far.path)).write_register(2, 400, GRANT)
    assert len(noted.sent()) == 1


def test_a_late_reply_does_not_answer_the_next_question(serve_pty: ServePty, link_to: MakeLink) -> None:
    slave = RtuSlave({1: 25, 2: 400})
    late: list[threading.Timer] = []

    def answer(data: bytes) -> bytes:
        reply = slave.answer(data)
        if late:
            return reply
        late.append(threading.Timer(0.08, lambda: os.write(far.near, reply)))
        late[0].start()
        return b""

    far = serve_pty(answer)
    link = link_to(SerialAddress(far.path), quiet_s=0.1)
    assert link.read_registers(1, 1) == (25,)
    assert link.read_registers(2, 1) == (400,)
    late[0].join()


def test_a_corrupted_reply_is_asked_for_again(serve_pty: ServePty, link_to: MakeLink) -> None:
    slave = RtuSlave({1: 25})
    replies = 0

    def answer(data: bytes) -> bytes:
        nonlocal replies
        replies += 1
        reply = slave.answer(data)
        return reply[:-1] + bytes([reply[-1] ^ 1]) if replies == 1 else reply

    assert link_to(SerialAddress(serve_pty(answer).path)).read_registers(1, 1) == (25,)
    assert replies == 2


def test_a_reply_in_pieces_is_put_together(serve_pty: ServePty, link_to: MakeLink) -> None:
    slave = RtuSlave({1: 25})

    def answer(data: bytes) -> bytes:
        for byte in slave.answer(data):
            os.write(far.near, bytes([byte]))
            time.sleep(0.001)
        return b""

    far = serve_pty(answer)
    assert link_to(SerialAddress(far.path), timeout_s=0.5).read_registers(1, 1) == (25,)


def test_a_sound_reply_of_another_length_is_not_believed(serve_pty: ServePty, link_to: MakeLink) -> None:
    def answer(_: bytes) -> bytes:
        reply = bytes([1, 3, 4]) + struct.pack(">HH", 1, 2)
        return reply + crc(reply)

    with pytest.raises(LinkError, match="answered 2 values from address 1, not 1"):
        link_to(SerialAddress(serve_pty(answer).path)).read_registers(1, 1)


@pytest.mark.parametrize(("code", "questions"), [(1, 1), (2, 1), (3, 1), (4, 1), (7, 1), (8, 1), (5, 3), (6, 3)])
def test_only_a_busy_unit_is_asked_again(
    serve_pty: ServePty, link_to: MakeLink, noted: Noted, code: int, questions: int
) -> None:
    reply = bytes([1, 0x83, code])
    with pytest.raises(ModbusRefusedError, match=f"Modbus exception {code}") as caught:
        link_to(SerialAddress(serve_pty(lambda _: reply + crc(reply)).path)).read_registers(1, 1)
    assert caught.value.code == code
    assert len(noted.sent()) == questions


@pytest.mark.parametrize("code", [10, 11])
def test_a_gateway_that_does_not_reach_the_unit_is_nobody_there(
    serve_pty: ServePty, link_to: MakeLink, noted: Noted, code: int
) -> None:
    reply = bytes([1, 0x83, code])
    with pytest.raises(LinkError, match=r"the gateway at modbus-rtu:/dev/f1/1 does not reach unit 1 \(Modbus exc"):
        link_to(SerialAddress(serve_pty(lambda _: reply + crc(reply)).path)).read_registers(1, 1)
    assert len(noted.sent()) == 3


def test_an_echo_of_another_command_is_not_taken_for_its_own(serve_pty: ServePty, link_to: MakeLink) -> None:
    echo = bytes([1, 6, 0, 3, 0, 9])
    link = link_to(SerialAddress(serve_pty(lambda _: echo + crc(echo)).path))
    with pytest.raises(LinkError, match=r"answered another command .* whether that was carried out is unknown"):
        link.write_register(2, 400, GRANT)


def test_the_echo_of_a_write_is_no_register(serve_pty: ServePty, link_to: MakeLink) -> None:
    echo = bytes([1, 6, 0, 3, 0, 9])
    link = link_to(SerialAddress(serve_pty(lambda _: echo + crc(echo)).path))
    with pytest.raises(LinkError, match="answered function 6, and 3 was asked: is another program on the line"):
        link.read_registers(3, 1)


def test_what_fits_no_register_is_not_written(serve_pty: ServePty, link_to: MakeLink, noted: Noted) -> None:
    with pytest.raises(CodecError, match="furnace-1: -1 was to be written, and a register holds 0 to 65535"):
        link_to(SerialAddress(serve_pty(lambda _: b"").path)).write_register(2, -1, GRANT)
    assert noted.sent() == []


class Stuttering:
    """A slave on a line that sends a reply again a little later."""

    def __init__(self, slave: RtuSlave, after_s: float, times: int) -> None:
        self._slave, self._after_s, self._left = slave, after_s, times
        self.far: FakePty | None = None
        self.timers: list[threading.Timer] = []

    def answer(self, data: bytes) -> bytes:
        reply = self._slave.answer(data)
        if self._left and reply:
            self._left -= 1
            self.timers.append(threading.Timer(self._after_s, self._again, [reply]))
            self.timers[-1].start()
            time.sleep(0.002)
        return reply

    def _again(self, reply: bytes) -> None:
        assert self.far is not None
        os.write(self.far.near, reply)


@pytest.mark.parametrize("after_s", [0.0, 0.002, 0.004, 0.01])
def test_a_line_that_repeats_replies_gives_no_wrong_values_where_a_canary_is_read(
    serve_pty: ServePty, link_to: MakeLink, after_s: float
) -> None:
    slave = RtuSlave({1: 25, 2: 400, 122: 0xF3})
    line = Stuttering(slave, after_s, times=6)
    far = line.far = serve_pty(line.answer)
    link = link_to(SerialAddress(far.path), tries=8)
    for value in range(30, 40):
        slave.registers[1] = value
        blocks = link.guarded(
            lambda: (link.read_registers(1, 1), link.read_registers(2, 1)), lambda _: link.expect(122, 0xF3, 0)
        )
        assert blocks == ((value,), (400,))
    for timer in line.timers:
        timer.join()


def test_a_canary_that_is_wrong_fails_the_whole_reading(serve_pty: ServePty, link_to: MakeLink) -> None:
    link = link_to(SerialAddress(serve_pty(RtuSlave({1: 25, 122: 7}).answer).path))
    with pytest.raises(LinkError, match=r"3 times in a row \(address 122 holds 7 instead of 243\): is another program"):
        link.guarded(lambda: link.read_registers(1, 1), lambda _: link.expect(122, 0xF3))


def test_units_of_one_line_share_its_port_and_one_that_is_silent_disturbs_no_other(
    serve_pty: ServePty, bus: Bus, noted: Noted
) -> None:
    slave = RtuSlave({1: 25})
    far = serve_pty(lambda data: slave.answer(data) if data[0] == 1 else b"")
    there = open_modbus("furnace-1", f"modbus-rtu:{far.path}/1", noted, bus, timeout_s=0.05, quiet_s=0.01)
    gone = open_modbus("furnace-2", f"modbus-rtu:{far.path}/2", noted, bus, timeout_s=0.05, quiet_s=0.01)
    for _ in range(3):
        assert there.read_registers(1, 1) == (25,)
        with pytest.raises(LinkError, match=r"furnace-2: nobody answers at modbus-rtu:.*/2"):
            gone.read_registers(1, 1)
    assert there._port.openings == 1
    slave.mute = True
    for link in (there, gone):
        with pytest.raises(LinkError):
            link.read_registers(1, 1)
    slave.mute = False
    assert there.read_registers(1, 1) == (25,)
    assert there._port.openings == 2


def test_a_register_that_must_never_be_written_is_not(serve_pty: ServePty, link_to: MakeLink, noted: Noted) -> None:
    link = link_to(SerialAddress(serve_pty(lambda _: b"").path), never_write=frozenset({199}))
    with pytest.raises(RefusedError, match="register 199 must never be written"):
        link.write_register(199, 2, GRANT)
    with pytest.raises(RefusedError, match="register 199 must never be written"):
        link.write_registers(190, [0] * 10, GRANT)
    assert noted.sent() == []


def test_leave_for_another_unit_of_the_same_port_writes_nothing(
    serve_pty: ServePty, link_to: MakeLink, noted: Noted
) -> None:
    link = link_to(SerialAddress(serve_pty(lambda _: b"").path))
    foreign = Granted(Command("furnace-2", "set-setpoint", 400.0, "degC"), 0.0)
    writes: list[Callable[[], None]] = [
        lambda: link.write_register(2, 400, foreign),
        lambda: link.write_registers(2, [400], foreign),
        lambda: link.write_coil(0, True, foreign),
    ]
    for write in writes:
        with pytest.raises(GrantError, match="furnace-1: leave to set-setpoint 400 degC was given for furnace-2"):
            write()
    assert noted.sent() == []


def test_a_stream_that_hangs_is_replaced(serve_socket: ServeSocket, link_to: MakeLink) -> None:
    server = serve_socket(lambda _: b"")
    with pytest.raises(LinkError, match="nobody answers"):
        link_to(SocketAddress("127.0.0.1", server.port)).read_registers(1, 1)
    assert server.connections == 3


def test_a_connection_that_the_other_end_resets_is_nobody_there(link_to: MakeLink) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def reset() -> None:
            for _ in range(3):
                connection, _ = server.accept()
                connection.recv(100)
                # Closing with nothing lingering sends a reset.
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                connection.close()

        thread = threading.Thread(target=reset, daemon=True)
        thread.start()
        with pytest.raises(LinkError, match="nobody answers"):
            link_to(SocketAddress("127.0.0.1", server.getsockname()[1])).read_registers(1, 1)
        thread.join()


def test_a_missing_port_is_told(link_to: MakeLink) -> None:
    with pytest.raises(LinkError, match=r"furnace-1: modbus-rtu:/dev/f1/1 cannot be opened: there is no such port"):
        link_to(SerialAddress("/nonexistent/tty")).read_registers(1, 1)


def test_a_line_that_comes_back_under_its_path_is_opened_again(serve_pty: ServePty, link_to: MakeLink) -> None:
    slave = RtuSlave({1: 25})
    far = serve_pty(slave.answer)
    link = link_to(SerialAddress(far.path))
    link.read_registers(1, 1)
    slave.mute = True
    with pytest.raises(LinkError):
        link.read_registers(1, 1)
    slave.mute = False
    assert link.read_registers(1, 1) == (25,)
