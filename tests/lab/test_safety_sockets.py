"""Unix sockets at long paths, and JSON on lines."""

from __future__ import annotations

import os
import socket
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.safety.supervisor import sockets
from lab.safety.supervisor.sockets import Lines, WireFormatError, bind_unix, connect_unix, encode, limit_writes, peer_of


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    one, other = socket.socketpair()
    with one, other:
        yield one, other


def in_a_moment() -> float:
    return time.monotonic() + 0.005


def test_a_socket_can_be_deeper_than_its_107_bytes(tmp_path: Path) -> None:
    folder = tmp_path / ("a" * 100) / ("b" * 100)
    folder.mkdir(parents=True)
    path = folder / "safety.sock"
    with bind_unix(path) as listener, connect_unix(path, 1.0) as near:
        far, _ = listener.accept()
        with far:
            far.sendall(encode({"do": "state"}))
            assert Lines(near).receive() == {"do": "state"}
    assert stat.S_IMODE(path.stat().st_mode) == 0o660


def test_a_socket_that_a_dead_process_left_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "safety.sock"
    bind_unix(path).close()
    with pytest.raises(ConnectionRefusedError):
        connect_unix(path, 1.0)
    with bind_unix(path), connect_unix(path, 1.0) as near:
        assert near.getpeername()


def test_nobody_listening_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        connect_unix(tmp_path / "safety.sock", 1.0)


def test_the_kernel_tells_who_is_at_the_other_end(pair: tuple[socket.socket, socket.socket]) -> None:
    assert peer_of(pair[0]) == (os.getpid(), os.getuid())


def test_messages_are_told_apart_however_they_arrive(pair: tuple[socket.socket, socket.socket]) -> None:
    near, far = pair
    lines = Lines(near)
    far.sendall(b'{"n": 1}\n{"n": 2}\n{"n"')
    assert [lines.receive(), lines.receive()] == [{"n": 1}, {"n": 2}]
    with pytest.raises(TimeoutError):
        lines.receive(in_a_moment())
    far.sendall(b": 3}\n")
    assert lines.receive() == {"n": 3}
    far.close()
    assert lines.receive() is None


@pytest.mark.parametrize("line", [b"stop\n", b"[1]\n", b"\xff\xfe\n", b"[" * 100_000 + b"\n"])
def test_what_is_no_object_is_refused(pair: tuple[socket.socket, socket.socket], line: bytes) -> None:
    near, far = pair
    far.sendall(line)
    with pytest.raises(WireFormatError, match="no JSON object"):
        Lines(near).receive()


def test_a_line_without_an_end_is_given_up(
    pair: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "MOST_BYTES", 1000)
    near, far = pair
    far.sendall(b"x" * 1500)
    with pytest.raises(WireFormatError, match="more than 1000 bytes"):
        Lines(near).receive()


def test_a_number_that_is_none_is_sent_as_unknown() -> None:
    message = {"values": {"f1.over": float("inf"), "f1.door": True}, "all": (float("nan"), 1)}
    assert encode(message) == b'{"values":{"f1.over":null,"f1.door":true},"all":[null,1]}\n'


def test_a_write_ends_where_nobody_reads_and_reading_waits_on(pair: tuple[socket.socket, socket.socket]) -> None:
    near, far = pair
    limit_writes(near, 0.002)
    with pytest.raises(BlockingIOError):
        near.sendall(b"x" * 10_000_000)
    with pytest.raises(TimeoutError):
        Lines(near).receive(in_a_moment())
    far.sendall(b"{}\n")
    assert Lines(near).receive() == {}
