"""Ports: who shares them and how, what they cost when nobody is there, and how that is told."""

from __future__ import annotations

import errno
import gc
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from drivers.address import SerialAddress, SocketAddress
from drivers.bus import Bus
from drivers.clock import JUMP_EPOCH_S, JumpClock
from drivers.errors import BadAddressError, GrantError, LinkError
from drivers.gate import Command, Granted
from drivers.links import LineLink, LineSettings, open_frames, open_line, open_modbus
from drivers.links.opening import NotOpenError, connect, not_open
from drivers.links.port import BackOff
from drivers.links.stream import StreamPort
from tests.drivers.fakes import Answer, FakePty, FakeSocket, Noted, RtuSlave, by_line

ServePty = Callable[[Answer], FakePty]
ServeSocket = Callable[..., FakeSocket]


def echo(line: str) -> list[str]:
    return [f"got {line}"]


# ---------------------------------------------------------------- sharing


def test_devices_of_one_line_share_its_port_and_keep_their_names(serve_pty: ServePty, bus: Bus, noted: Noted) -> None:
    path = serve_pty(by_line(echo)).path
    one, two = (open_line(name, path, noted, bus, timeout_s=0.05) for name in ("gas-1", "gas-2"))
    assert [one.query("A"), two.query("B")] == ["got A", "got B"]
    assert [name for name, _, _ in noted.frames] == ["gas-1", "gas-1", "gas-2", "gas-2"]
    with pytest.raises(GrantError, match="gas-2: leave to set-flow was given for gas-1, and nothing was written"):
        two.act("B", Granted(Command("gas-1", "set-flow"), 0.0))
    assert two.act("B", Granted(Command("gas-2", "set-flow"), 0.0)) == "got B"


def test_one_line_has_one_speed(serve_pty: ServePty, bus: Bus, noted: Noted) -> None:
    path = serve_pty(by_line(echo)).path
    open_line("gas-1", path, noted, bus, baudrate=19200)
    said = (
        r"gas-2: .* is set to 19200 baud, 8N1 for gas-1, and 9600 baud, 8N2 was asked for: all instruments of one line"
    )
    with pytest.raises(BadAddressError, match=said):
        open_line("gas-2", path, noted, bus, stop_bits=2)


def test_one_line_speaks_one_protocol(serve_pty: ServePty, bus: Bus, noted: Noted) -> None:
    path = serve_pty(by_line(echo)).path
    open_line("gas-1", path, noted, bus)
    with pytest.raises(BadAddressError, match=r"furnace-1: .* is used by gas-1 in another protocol: one line speaks"):
        open_frames("furnace-1", path, noted, bus)
    with pytest.raises(BadAddressError, match="one line speaks one"):
        open_modbus("furnace-1", f"modbus-rtu:{path}/1", noted, bus)


# ---------------------------------------------------------------- opening


def test_a_port_that_cannot_be_opened_is_tried_ever_more_slowly() -> None:
    now_s = 100.0
    back_off = BackOff(lambda: now_s)
    waits = []
    for _ in range(7):
        back_off.failed()
        began_s = now_s
        while not back_off.is_over:
            now_s += 0.25
        waits.append(now_s - began_s)
    assert waits == [0.0, 0.5, 1.0, 2.0, 4.0, 4.0, 4.0]
    back_off.succeeded()
    back_off.failed()
    assert back_off.is_over


def test_a_wire_is_not_hammered(tmp_path: Path, bus: Bus, clock: JumpClock, noted: Noted) -> None:
    link = open_line("scale", str(tmp_path / "tty"), noted, bus, timeout_s=0.05)
    for _ in range(2):
        with pytest.raises(LinkError, match="there is no such port"):
            link.query("a")
    far = FakePty(by_line(echo), tmp_path / "tty")
    with pytest.raises(LinkError, match="there is no such port"):
        link.query("a")
    clock.sleep_until(JUMP_EPOCH_S + 0.5)
    assert link.query("a") == "got a"
    bus.close()
    far.close()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (FileNotFoundError(errno.ENOENT, "x"), "/dev/ttyS9 cannot be opened: there is no such port: is the adapter"),
        (PermissionError(errno.EACCES, "x"), "this user may not use it: add the user to the group that `ls -l /dev/tt"),
        (BlockingIOError(errno.EAGAIN, "x"), "it is in use: end the other program that has it .`fuser /dev/ttyS9`"),
        (OSError(errno.EBUSY, "x"), "it is in use"),
        (OSError(errno.EINVAL, "x"), "it does not take 9600 baud, 7E1 .*check baud, parity and stop_bits in the lab"),
        (ValueError("Not a valid baudrate"), "it does not take 9600 baud, 7E1 .Not a valid baudrate"),
        (OSError(errno.EIO, "x"), "is this a serial port, the adapter plugged in"),
    ],
)
def test_why_a_serial_port_cannot_be_opened_is_one_sentence(error: Exception, said: str) -> None:
    text = str(not_open("scale", "/dev/ttyS9", SerialAddress("/dev/ttyS9"), LineSettings(9600, 7, "E"), error))
    assert text.startswith("scale: /dev/ttyS9 cannot be opened: ")
    with pytest.raises(LinkError, match=said):
        raise LinkError(text)


@pytest.mark.parametrize(
    ("path", "kind"), [("/dev/null", "a device of another kind"), ("a-file", "a file"), (".", "a folder")]
)
def test_what_is_no_serial_port_is_said_in_words_and_left_alone(
    tmp_path: Path, bus: Bus, noted: Noted, path: str, kind: str
) -> None:
    (tmp_path / "a-file").write_text("precious")
    place = str(tmp_path / path)
    link, unit = LineLink("scale", place, noted), open_modbus("furnace-1", f"modbus-rtu:{place}/1", noted, bus)
    before = left_open()
    for who, ask in (("scale: ", lambda: link.query("a")), ("furnace-1: modbus-rtu:", lambda: unit.read_coils(0, 1))):
        with pytest.raises(NotOpenError) as refused:
            ask()
        said = f"cannot be opened: it is {kind} and no serial port: write the path of one in the lab file, as `ls -l"
        assert str(refused.value).startswith(who)
        assert said in str(refused.value)
        assert "ioctl" not in str(refused.value)
    assert left_open() == before
    assert (tmp_path / "a-file").read_text() == "precious"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ConnectionRefusedError(111, "x"), r"\(connection refused\): is the instrument on, the port right in the lab"),
        (socket.gaierror(-2, "Name or service not known"), r"\(there is no host called balance\): is the address"),
        (TimeoutError("timed out"), r"\(timed out\): is the instrument on, in this network"),
        (OSError(errno.EHOSTUNREACH, "No route to host"), r"No route to host\): is the instrument on, in this network"),
        (OSError(errno.EIO, "x"), "is the instrument on, and the address right"),
    ],
)
def test_why_a_stream_cannot_be_opened_is_one_sentence(error: Exception, said: str) -> None:
    text = str(not_open("scale", "socket://balance:23", SocketAddress("balance", 23), LineSettings(), error))
    assert text.startswith("scale: nobody answers at socket://balance:23 (")
    with pytest.raises(LinkError, match=said):
        raise LinkError(text)


@pytest.mark.parametrize("settings", [LineSettings(9600, 7, "E"), LineSettings(9600, parity="O")])
def test_on_a_pseudo_terminal_which_has_no_line_parity_means_nothing(
    serve_pty: ServePty, noted: Noted, settings: LineSettings
) -> None:
    path = serve_pty(by_line(echo)).path
    link = LineLink("scale", path, noted, port=StreamPort(SerialAddress(path), noted, settings=settings))
    for _ in range(2):
        assert link.query("a") == "got a"
        link.close()


def test_a_port_that_leaves_out_a_setting_is_not_used(
    serve_pty: ServePty, noted: Noted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drivers.links.opening.PSEUDO_TERMINALS", "nowhere")
    path = serve_pty(by_line(echo)).path
    settings = LineSettings(9600, parity="E")
    link = LineLink("scale", path, noted, port=StreamPort(SerialAddress(path), noted, settings=settings))
    before = left_open()
    for _ in range(2):
        with pytest.raises(LinkError, match=r"scale: .* does not take 9600 baud, 8E1 \(.*check baud, parity and stop"):
            link.query("a")
    assert left_open() == before


def test_two_stop_bits_are_taken(serve_pty: ServePty, bus: Bus, noted: Noted) -> None:
    assert open_line("scale", serve_pty(by_line(echo)).path, noted, bus, stop_bits=2).query("a") == "got a"
    slave = RtuSlave({1: 25})
    link = open_modbus("furnace-1", f"modbus-rtu:{serve_pty(slave.answer).path}/1", noted, bus, stop_bits=2)
    assert link.read_registers(1, 1) == (25,)


def test_a_port_in_use_is_told_to_modbus_too(serve_pty: ServePty, bus: Bus, noted: Noted) -> None:
    path = serve_pty(by_line(echo)).path
    held = LineLink("scale", path, noted)
    held.query("a")
    with pytest.raises(LinkError, match=r"furnace-1: modbus-rtu:.*/1 cannot be opened: it is in use: end the other"):
        open_modbus("furnace-1", f"modbus-rtu:{path}/1", noted, bus).read_registers(1, 1)
    held.close()


def test_a_stream_notices_when_the_other_end_is_gone(serve_socket: ServeSocket) -> None:
    with connect(SocketAddress("127.0.0.1", serve_socket(lambda _: b"").port), timeout_s=1.0) as stream:
        assert stream.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert stream.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 10


# ---------------------------------------------------------------- nothing is left behind


RECONNECTS = 1000


def left_open() -> tuple[int, int]:
    gc.collect()
    return len(os.listdir("/proc/self/fd")), threading.active_count()


@pytest.mark.parametrize("kind", ["line", "modbus", "frames"])
@pytest.mark.parametrize("wire", ["pty", "socket"])
def test_reconnects_leave_no_thread_and_no_descriptor_behind(
    serve_pty: ServePty, serve_socket: ServeSocket, bus: Bus, noted: Noted, kind: str, wire: str
) -> None:
    slave = RtuSlave({1: 25})

    def tcp(data: bytes) -> bytes:
        return data[:4] + b"\0\x05" + data[6:8] + b"\x02\0\x19"

    answers: dict[str, Answer] = {"line": by_line(echo), "frames": lambda _: b"ok"}
    answers["modbus"] = slave.answer if wire == "pty" else tcp
    if wire == "pty":
        address = serve_pty(answers[kind]).path
        modbus = f"modbus-rtu:{address}/1"
    else:
        port = serve_socket(answers[kind]).port
        address, modbus = f"socket://127.0.0.1:{port}", f"modbus-tcp://127.0.0.1:{port}/1"
    ask: Callable[[], object]
    if kind == "line":
        line = open_line("a", address, noted, bus, timeout_s=0.5)
        ask, close = (lambda: line.query("x")), line.close
    elif kind == "frames":
        frames = open_frames("a", address, noted, bus, timeout_s=0.5)
        ask, close = (lambda: frames.query(b"x", 2, check=lambda _: None)), frames.close
    else:
        unit = open_modbus("a", modbus, noted, bus, timeout_s=0.5)
        ask, close = (lambda: unit.read_registers(1, 1)), unit._port.close
    ask()
    before = left_open()
    for _ in range(RECONNECTS):
        close()
        ask()
    assert left_open() == before


def test_attempts_that_fail_leave_nothing_behind(tmp_path: Path, serve_pty: ServePty, noted: Noted) -> None:
    path = serve_pty(by_line(echo)).path
    held = LineLink("holder", path, noted)
    held.query("a")
    before = left_open()
    for url in (path, str(tmp_path / "nothing"), "socket://127.0.0.1:1"):
        for _ in range(20):
            with pytest.raises(LinkError):
                LineLink("scale", url, noted).query("a")
    assert left_open() == before
    held.close()
