"""The server over real sockets, with the shell's client at the other end."""

from __future__ import annotations

import json
import os
import socket
import ssl
import stat
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from lab.console import live, server
from lab.console.client import SOCKET, LabClient, ServiceGoneError, ServiceRefusedError
from lab.console.listen import Listen, bind_tcp
from lab.console.peer import peer_of
from lab.console.running import Served, served, stop_url
from lab.console.server import LabServer
from lab.errors import LabError, UsageError
from lab.safety.supervisor.sockets import bind_unix
from tests.lab.front import SECRET, Front, Supervisor, certificate, opened

__all__ = ["certificate"]

pytestmark = pytest.mark.system


@pytest.fixture
def front(tmp_path: Path) -> Iterator[Front]:
    with opened(tmp_path) as front:
        yield front


@pytest.fixture
def runtime(tmp_path: Path) -> Path:
    """A folder whose sockets have longer paths than a Unix socket may have."""
    folder = tmp_path.joinpath(*["a-folder-with-a-long-name"] * 6)
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def serving(front: Front, runtime: Path) -> Iterator[Served]:
    with served(front.service._parts, runtime, front.users, Listen(port=0)) as serving:
        yield serving


@pytest.fixture
def client(serving: Served, runtime: Path) -> LabClient:
    return LabClient(runtime)


@contextmanager
def browser(serving: Served, **options: Any) -> Iterator[httpx.Client]:
    assert serving.url is not None
    with httpx.Client(base_url=serving.url, timeout=5.0, **options) as client:
        yield client


def test_the_shell_is_known_by_its_user_and_drives_a_device(client: LabClient, front: Front) -> None:
    assert client.me()["roles"] == ["admin", "operator"]
    lease = client.take("furnace-1")["id"]
    assert client.renew(lease)["holder"] == client.me()["user"]
    armed = client.arm(lease, "furnace-1", "set-setpoint", "400 degC")
    given = client.execute(armed["token"], key="k1")
    assert client.execute(armed["token"], key="k1")["command"] == given["command"]
    ended = client.finished(given["command"], within_s=5.0)
    assert (ended["phase"], ended["what"]) == ("done", "furnace-1 set-setpoint 400 degC")
    assert client.release(lease)["released"] == lease
    assert client.leases() == {"leases": {}}
    assert [did[0] for did in front.hands.did] == ["take", "arm", "execute", "release"]


def test_the_client_asks_for_everything_else(client: LabClient, front: Front) -> None:
    assert client.state()["devices"]["furnace-1"]["readings"]["reading_degc"]["value"] == 412.5
    assert client.hold("campaign", "lunch") == {"held": "campaign"}
    assert client.resume("campaign") == {"resumed": "campaign"}
    assert client.lock_out("furnace-1", "hands inside")["device"] == "furnace-1"
    assert len(client.lock_outs()["lock_outs"]) == 1
    assert client.remove_lock_out("furnace-1")["left"] == []
    client.acknowledge("a/b")
    client.shelve("a/b", 60.0, "known")
    client.unshelve("a/b")
    client.request_bypass("F1-DOOR", "test", 60.0, "a guard")
    client.approve_bypass("b1", "olga", SECRET)
    client.end_bypass("b1")
    client.reset()
    client.rearm("safety-1")
    client.alarms(history=True)
    client.bypasses()
    assert client.audit()["n"] == 2
    assert client.stop()["stopped"] is True
    asked = [message["do"] for message in front.supervisor.asked]
    assert asked == [
        "ack",
        "shelve",
        "unshelve",
        "bypass",
        "approve",
        "end-bypass",
        "reset",
        "rearm",
        "alarms",
        "stop",
    ]
    assert front.supervisor.asked[4]["bypass"] == "b1"
    for safety_officers in (client.in_service, lambda key: client.out_of_service(key, "broken")):
        with pytest.raises(ServiceRefusedError, match="needs the scope alarm:out-of-service") as caught:
            safety_officers("a/b")
        assert caught.value.status == 403


def test_a_refusal_reaches_the_shell_with_its_reasons(client: LabClient, front: Front) -> None:
    front.supervisor.answers["reset"] = {"ok": False, "reasons": ["f1.over is 1200 degC", "f2.door is open"]}
    with pytest.raises(ServiceRefusedError, match=r"reset was refused: f1\.over is 1200 degC") as caught:
        client.reset()
    assert caught.value.reasons == ("f1.over is 1200 degC", "f2.door is open")


def test_the_socket_is_for_the_user_and_the_group_and_gone_afterwards(front: Front, runtime: Path) -> None:
    with served(front.service._parts, runtime, front.users) as serving:
        assert serving.url is None
        assert stat.S_IMODE((runtime / SOCKET).stat().st_mode) == 0o660
    assert not (runtime / SOCKET).exists()


def test_the_kernel_tells_who_is_at_a_unix_socket_and_nothing_of_tcp() -> None:
    one, other = socket.socketpair(socket.AF_UNIX)
    with one, other, socket.socket() as tcp:
        peer = peer_of(one)
        assert peer is not None
        assert (peer.pid, peer.uid, peer.is_ours) == (os.getpid(), os.getuid(), True)
        assert peer_of(tcp) is None


# ---------------------------------------------------------------- live state


def test_the_live_state_follows_the_laboratory(client: LabClient, front: Front) -> None:
    heard = client.events()
    kind, snapshot = next(heard)
    assert kind == "snapshot"
    assert snapshot["state"]["devices"]["furnace-1"]["readings"]["reading_degc"]["value"] == 412.5
    front.furnace.reading_degc = 413.0
    delta = next(data for kind, data in heard if "/devices/furnace-1/readings/reading_degc/value" in data["set"])
    assert delta["seq"] > snapshot["seq"]
    heard.close()  # type: ignore[attr-defined]


def test_fifty_viewers_cost_one_look_each_time(front: Front, serving: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[float] = []
    read = front.furnace.read

    def counted() -> dict[str, dict[str, Any]]:
        looks.append(time.monotonic())
        return read()

    monkeypatch.setattr(front.furnace, "read", counted)
    with ExitStack() as stack:
        streams = [_stream(stack, serving, front) for _ in range(50)]
        for stream in streams:
            _read_until(stream, b"event: delta")
    assert len(looks) < 50


def _stream(stack: ExitStack, serving: Served, front: Front) -> socket.socket:
    """A viewer that reads when told to."""
    if front.users.get("vera") is None:
        front.add("vera", "viewer")
    assert serving.url is not None
    port = httpx.URL(serving.url).port
    assert port is not None
    stream = stack.enter_context(socket.create_connection(("127.0.0.1", port), 5.0))
    token = front.tokens.add("vera", "viewer", ["read:*"], life_s=60.0)
    head = f"GET /api/events HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n\r\n"
    stream.sendall(head.encode())
    return stream


def _read_until(stream: socket.socket, wanted: bytes) -> bytes:
    read = b""
    while wanted not in read:
        chunk = stream.recv(65536)
        assert chunk, read[-200:]
        read += chunk
    return read


def test_a_viewer_that_does_not_read_is_cut_off_and_the_others_go_on(
    front: Front, serving: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lab.console.events.BEHIND", 1)
    turn = 0

    def look() -> dict[str, Any]:
        nonlocal turn
        turn += 1
        # More than the buffers of the kernel take.
        return {"scan": turn, "much": str(turn % 10) * 4_000_000}

    monkeypatch.setattr(front.supervisor, "snapshot", look)
    with ExitStack() as stack:
        slow, quick = _stream(stack, serving, front), _stream(stack, serving, front)
        assert slow.recv(100).startswith(b"HTTP/1.1 200")
        deadline_s = time.monotonic() + 20.0
        while turn < 8:
            assert time.monotonic() < deadline_s
            assert quick.recv(1 << 20)
        # What was sent before is still there; then there is an end.
        with suppress(ConnectionResetError):
            while slow.recv(1 << 20):
                pass
        _read_until(quick, b"event: delta")


def test_who_logs_out_sees_no_more(front: Front, serving: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "RECHECK_S", 0.0)
    front.add("vera", "viewer")
    with browser(serving) as viewer:
        told = viewer.post("/api/login", json={"user": "vera", "secret": SECRET}).json()
        with viewer.stream("GET", "/api/events") as stream:
            lines = stream.iter_lines()
            assert next(lines) == "retry: 1000"
            with browser(serving, cookies=viewer.cookies) as other:
                assert other.post("/api/logout", headers={"X-CSRF-Token": told["csrf"]}).status_code == 200
            assert len(list(lines)) < 100


# ---------------------------------------------------------------- STOP


class HangsBut(Supervisor):
    """Answers a STOP and nothing else."""

    go = threading.Event()

    def request(self, message: Mapping[str, Any]) -> dict[str, Any]:
        if message["do"] != "stop":
            self.go.wait(20.0)
        return super().request(message)


def test_stop_overtakes_any_number_of_requests_that_hang(front: Front, runtime: Path) -> None:
    parts = front.service._parts
    hung = HangsBut()
    object.__setattr__(parts, "watch", hung)
    with served(parts, runtime, front.users) as _, ExitStack() as stack:
        stack.callback(hung.go.set)
        asking = [threading.Thread(target=_quietly, args=(LabClient(runtime).reset,)) for _ in range(60)]
        for thread in asking:
            thread.start()
            stack.callback(thread.join)
        # More than there are threads for all other requests: even looking must wait.
        with pytest.raises(ServiceGoneError, match="in time"):
            LabClient(runtime, answer_s=0.5).state()
        assert LabClient(runtime, answer_s=5.0).stop()["stopped"] is True
        hung.go.set()


def _quietly(work: Callable[[], object]) -> None:
    try:
        work()
    except LabError:
        return


def test_where_the_supervisor_takes_a_stop_is_read_from_its_facts(tmp_path: Path) -> None:
    assert stop_url(tmp_path) is None
    for facts, url in (
        ({"http": "http://127.0.0.1:4711"}, "http://127.0.0.1:4711/stop"),
        ({"http": None}, None),
        ([], None),
    ):
        (tmp_path / "safety.json").write_text(json.dumps(facts), encoding="utf-8")
        assert stop_url(tmp_path) == url


# ---------------------------------------------------------------- TCP, TLS, proxies


def test_a_browser_logs_in_over_tcp_and_its_user_id_gives_it_nothing(front: Front, serving: Served) -> None:
    front.add("otto", "operator")
    with browser(serving) as otto:
        assert otto.get("/api/state").status_code == 401
        told = otto.post("/api/login", json={"user": "otto", "secret": SECRET}).json()
        headers = {"X-CSRF-Token": told["csrf"], "Origin": str(otto.base_url).rstrip("/")}
        assert otto.post("/api/leases", json={"device": "furnace-1"}, headers=headers).json()["holder"] == "otto"
        assert otto.get("/").status_code == 200


def test_over_tls_the_session_is_bound_to_it(front: Front, runtime: Path, certificate: tuple[Path, Path]) -> None:
    listen = Listen(port=0, tls_cert=certificate[0], tls_key=certificate[1])
    front.add("otto", "operator")
    trust = ssl.create_default_context(cafile=certificate[0])
    trust.check_hostname = False
    with (
        served(front.service._parts, runtime, front.users, listen) as serving,
        browser(serving, verify=trust) as otto,
    ):
        assert serving.url is not None
        assert serving.url.startswith("https://127.0.0.1:")
        answer = otto.post("/api/login", json={"user": "otto", "secret": SECRET})
        assert "__Host-athanor-powder-1" in answer.cookies
        assert "Secure" in answer.headers["set-cookie"]
        assert otto.get("/api/state").status_code == 200


def test_behind_a_proxy_only_the_proxy_is_let_in_and_what_it_says_is_believed(front: Front, runtime: Path) -> None:
    front.add("otto", "operator")
    seen = {"X-Forwarded-For": "203.0.113.5", "X-Forwarded-Proto": "https", "Host": "lab.example"}
    with (
        served(front.service._parts, runtime, front.users, Listen(port=0, behind_proxy=("127.0.0.1",))) as serving,
        browser(serving, headers=seen) as proxy,
    ):
        answer = proxy.post(
            "/api/login", json={"user": "otto", "secret": SECRET}, headers={"Origin": "https://lab.example"}
        )
        assert "Secure" in answer.headers["set-cookie"]
        proxy.post("/api/stop")
        assert front.supervisor.asked[-1]["actor"] == "somebody at 203.0.113.5"
    with (
        served(front.service._parts, runtime, front.users, Listen(port=0, behind_proxy=("10.0.0.7",))) as serving,
        browser(serving, headers=seen) as stranger,
    ):
        answer = stranger.get("/")
        assert answer.status_code == 403
        assert answer.json() == {"error": "this address is reached through its proxy only"}


def test_what_a_stranger_says_of_proxies_is_not_believed(serving: Served, front: Front) -> None:
    with browser(serving, headers={"X-Forwarded-For": "203.0.113.5", "X-Forwarded-Proto": "https"}) as liar:
        liar.post("/api/stop")
    assert front.supervisor.asked[-1]["actor"] == "somebody at 127.0.0.1"


# ---------------------------------------------------------------- ends


def test_the_service_ends_quickly_with_viewers_and_requests_under_way(
    front: Front, runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "END_WITHIN_S", 1)
    front.hands.waits = threading.Event()
    with ExitStack() as stack:
        with served(front.service._parts, runtime, front.users, Listen(port=0)) as serving:
            viewers = [_stream(stack, serving, front) for _ in range(5)]
            for viewer in viewers:
                _read_until(viewer, b"event: snapshot")
            idle = stack.enter_context(socket.create_connection(viewers[0].getpeername()))
            ends_s = time.monotonic()
        assert time.monotonic() - ends_s < 3.0
        for viewer in [*viewers, idle]:
            while viewer.recv(65536):
                pass
    front.hands.waits.set()


def test_a_server_that_never_started_can_be_closed(front: Front, tmp_path: Path) -> None:
    unix = bind_unix(tmp_path / SOCKET)
    LabServer(front.app, unix=unix).close()
    assert unix.fileno() == -1


def test_a_taken_port_leaves_no_socket_behind(front: Front, runtime: Path) -> None:
    with bind_tcp(Listen(port=0)) as taken:
        port = taken.getsockname()[1]
        with (
            pytest.raises(UsageError, match="cannot be listened on"),
            served(front.service._parts, runtime, front.users, Listen(port=port)),
        ):
            pytest.fail("served at a taken port")
    assert not (runtime / SOCKET).exists()


def test_a_folder_that_takes_no_socket_is_told(front: Front, tmp_path: Path) -> None:
    with (
        pytest.raises(UsageError, match="the lab service cannot be reached there"),
        served(front.service._parts, tmp_path / "missing", front.users),
    ):
        pytest.fail("served nowhere")
