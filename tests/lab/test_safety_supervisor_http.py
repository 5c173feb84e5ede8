"""STOP over HTTP, for anybody."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest

from lab.errors import UsageError
from lab.safety.supervisor import http as supervisor_http
from lab.safety.supervisor.config import HttpPlace
from lab.safety.supervisor.http import StopPort

pytestmark = pytest.mark.system


class Lab:
    """Something that can be stopped."""

    def __init__(self) -> None:
        self.stopped_by: list[str] = []
        self.stopped = threading.Event()

    def stop(self, actor: str) -> Mapping[str, Any]:
        self.stopped_by.append(actor)
        self.stopped.set()
        return {"acknowledged": {"f1.heater": 1.5}}


@pytest.fixture
def lab() -> Lab:
    return Lab()


@pytest.fixture
def port(lab: Lab) -> Iterator[StopPort]:
    port = StopPort(HttpPlace(), lab.stop, lambda: {"scan": 7})
    yield port
    port.close()


def connect(port: StopPort) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(port.url.rpartition(":")[2])), timeout=5.0)


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"json": {"why": "smoke"}},
        {"data": {"csrf": "wrong"}},
        {"content": b"\x00" * 300_000},
        {"headers": {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}},
    ],
)
def test_a_post_stops_whatever_it_carries_and_wherever_it_comes_from(
    port: StopPort, lab: Lab, sent: dict[str, Any]
) -> None:
    answered = httpx.post(f"{port.url}/stop", **sent)
    assert answered.status_code == 200
    assert answered.json() == {"stopped": True, "acknowledged": {"f1.heater": 1.5}}
    assert answered.headers["Access-Control-Allow-Origin"] == "*"
    assert lab.stopped_by == ["somebody at 127.0.0.1"]


def test_a_name_that_somebody_claims_is_noted_as_claimed(port: StopPort, lab: Lab) -> None:
    httpx.post(f"{port.url}/stop", params={"by": "ada\x07" + "x" * 100})
    (actor,) = lab.stopped_by
    assert actor.startswith("adax")
    assert actor.endswith("(not verified, from 127.0.0.1)")
    assert len(actor) < 110


def test_a_stop_acts_before_its_headers_and_body_have_come(port: StopPort, lab: Lab) -> None:
    with connect(port) as stream:
        stream.sendall(b"POST /stop HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000\r\n")
        assert lab.stopped.wait(5.0)
        assert stream.recv(100).startswith(b"HTTP/1.1 200 OK")


def test_connections_that_say_nothing_keep_nobody_from_stopping(
    port: StopPort, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor_http, "MOST_SILENT", 20)
    silent = [connect(port) for _ in range(50)]
    assert httpx.post(f"{port.url}/stop").status_code == 200
    assert silent[0].recv(1) == b"", "the oldest made room"
    for stream in silent:
        stream.close()


def test_a_stop_that_hangs_up_at_once_has_stopped(port: StopPort, lab: Lab) -> None:
    with connect(port) as stream:
        stream.sendall(b"POST /stop HTTP/1.0\n")
    assert lab.stopped.wait(5.0)


def test_a_page_of_another_port_may_ask_beforehand(port: StopPort, lab: Lab) -> None:
    answered = httpx.options(f"{port.url}/stop", headers={"Origin": "http://127.0.0.1:8000"})
    assert answered.status_code == 204
    assert answered.headers["Access-Control-Allow-Origin"] == "*"
    assert lab.stopped_by == []


def test_looking_at_the_address_stops_nothing(port: StopPort, lab: Lab) -> None:
    assert httpx.get(f"{port.url}/stop").status_code == 405
    assert httpx.post(f"{port.url}/").status_code == 404
    assert httpx.post(f"{port.url}/stopping").status_code == 404
    assert lab.stopped_by == []


def test_the_state_is_there_for_this_host_and_not_for_a_foreign_name(port: StopPort) -> None:
    answered = httpx.get(f"{port.url}/state")
    assert answered.json() == {"scan": 7}
    assert "Access-Control-Allow-Origin" not in answered.headers
    assert httpx.get(f"{port.url}/state", headers={"Host": "rebound.example"}).status_code == 403


@pytest.mark.parametrize(
    "sent",
    [b"\n", b"\x16\x03\x01\x02\x00\x01\n", b"POST\n\r\n\r\n", b"x" * 20_000, b"GET //[ HTTP/1.1\r\nHost: [\r\n\r\n"],
)
def test_what_is_no_request_harms_nobody(port: StopPort, lab: Lab, sent: bytes) -> None:
    with connect(port) as stream:
        stream.sendall(sent)
        stream.shutdown(socket.SHUT_WR)
        while stream.recv(1000):
            pass
    assert httpx.get(f"{port.url}/state").status_code == 200
    assert lab.stopped_by == []


def test_many_stops_at_once_are_all_answered(port: StopPort, lab: Lab) -> None:
    codes: list[int] = []

    def post() -> None:
        codes.append(httpx.post(f"{port.url}/stop", timeout=30.0).status_code)

    threads = [threading.Thread(target=post) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == [200] * 10
    assert len(lab.stopped_by) == 10


def test_a_port_that_is_taken_is_an_error_with_a_remedy(port: StopPort, lab: Lab) -> None:
    taken = int(port.url.rpartition(":")[2])
    with pytest.raises(UsageError, match=rf"127.0.0.1 port {taken} .*give another port"):
        StopPort(HttpPlace(port=taken), lab.stop, dict)


def test_a_certificate_that_is_none_is_an_error(tmp_path: Any, lab: Lab) -> None:
    (tmp_path / "cert").write_text("no certificate")
    place = HttpPlace(cert=tmp_path / "cert", key=tmp_path / "cert")
    with pytest.raises(UsageError, match="cannot be used"):
        StopPort(place, lab.stop, dict)


def test_nothing_answers_after_it_is_closed(lab: Lab) -> None:
    port = StopPort(HttpPlace(), lab.stop, dict)
    port.close()
    deadline_s = time.monotonic() + 5.0
    while time.monotonic() < deadline_s:
        try:
            connect(port).close()
        except ConnectionRefusedError:
            return
        time.sleep(0.005)
    pytest.fail(f"{port.url} still answers: {json.dumps(lab.stopped_by)}")
