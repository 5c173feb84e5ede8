"""The Unix socket: several clients, none of which can hold up another."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.safety.supervisor import server as supervisor_server
from lab.safety.supervisor.server import MOST_WAITING, Client, Server
from lab.safety.supervisor.sockets import Lines, connect_unix, encode
from tests.lab.guarded import Guard

pytestmark = pytest.mark.system


@pytest.fixture
def guard(tmp_path: Path) -> Iterator[Guard]:
    guard = Guard(tmp_path)
    yield guard
    guard.close()


@pytest.fixture
def server(guard: Guard, tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path / "safety.sock", guard.requests)
    yield server
    server.close()


def connect(tmp_path: Path) -> socket.socket:
    return connect_unix(tmp_path / "safety.sock", 1.0)


def ask(stream: socket.socket, **message: object) -> dict[str, Any]:
    stream.sendall(encode(message))
    answered = Lines(stream).receive(time.monotonic() + 5.0)
    assert answered is not None
    return answered


def test_requests_of_several_clients_are_answered_with_their_numbers(
    guard: Guard, server: Server, tmp_path: Path
) -> None:
    guard.scan()
    with connect(tmp_path) as one, connect(tmp_path) as other:
        assert ask(one, id=1, do="state")["state"]["scan"] == 1
        assert ask(other, id="b", do="alarms")["id"] == "b"


def test_a_watcher_is_shown_every_scan(guard: Guard, server: Server, tmp_path: Path) -> None:
    guard.scanner.subscribers.append(server.broadcast)
    with connect(tmp_path) as watcher:
        assert ask(watcher, id=1, do="watch")["ok"]
        lines = Lines(watcher)
        for scan in (1, 2):
            guard.scan()
            shown = lines.receive(time.monotonic() + 5.0)
            assert shown is not None
            assert shown["state"]["scan"] == scan


def test_the_lab_is_gone_with_its_connection(guard: Guard, server: Server, tmp_path: Path) -> None:
    with connect(tmp_path) as lab:
        assert ask(lab, id=1, do="hello", role="lab", pid=os.getpid(), lab="powder-1")["ok"]
        assert guard.lab.look()[0] is True
    deadline_s = time.monotonic() + 5.0
    while guard.lab.look()[0] and time.monotonic() < deadline_s:
        time.sleep(0.001)
    assert guard.lab.look()[0] is False


def test_what_speaks_another_language_is_dropped_and_nobody_else(guard: Guard, server: Server, tmp_path: Path) -> None:
    with connect(tmp_path) as good, connect(tmp_path) as bad:
        bad.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert bad.recv(100) == b""
        assert ask(good, id=1, do="alarms")["ok"]


def test_other_users_are_turned_away(
    guard: Guard, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor_server, "peer_of", lambda stream: (1, os.getuid() + 1))
    with connect(tmp_path) as stranger:
        assert stranger.recv(100) == b""


def test_a_watcher_that_does_not_read_is_shown_the_newest_only_and_is_dropped_in_the_end(
    guard: Guard, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor_server, "STUCK_S", 0.02)
    with connect(tmp_path) as stuck:
        assert ask(stuck, id=1, do="watch")["ok"]
        deadline_s = time.monotonic() + 5.0
        while server._clients and time.monotonic() < deadline_s:
            begun_s = time.monotonic()
            server.broadcast({"filler": "x" * 50_000})
            assert time.monotonic() - begun_s < 1.0
            time.sleep(0.001)
        assert not server._clients


def test_a_client_with_too_many_messages_waiting_is_dropped() -> None:
    near, far = socket.socketpair()
    with near, far:
        client = Client(near, 1)
        for _ in range(MOST_WAITING):
            client.send({"n": 1})
        assert near.fileno() >= 0
        client.send({"n": 1})
        assert near.fileno() < 0


def test_messages_come_before_snapshots_and_of_those_the_newest_alone() -> None:
    near, far = socket.socketpair()
    with near, far:
        client = Client(near, 1)
        client.show(encode({"state": 1}))
        client.show(encode({"state": 2}))
        client.send({"id": 1})
        writer = threading.Thread(target=client.write)
        writer.start()
        lines = Lines(far)
        assert [lines.receive(time.monotonic() + 5.0) for _ in range(2)] == [{"id": 1}, {"state": 2}]
        client.drop("over")
        writer.join(1.0)
        assert not writer.is_alive()


def test_a_socket_of_a_closed_server_is_gone(guard: Guard, tmp_path: Path) -> None:
    server = Server(tmp_path / "safety.sock", guard.requests)
    server.close()
    assert not (tmp_path / "safety.sock").exists()
