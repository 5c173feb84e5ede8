from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab.console.client import SOCKET, LabClient, ServiceGoneError, ServiceRefusedError, find_lab, parse_events
from lab.errors import UsageError
from lab.records.lock import hold_lab
from lab.safety.supervisor.sockets import bind_unix

StateFolder = Callable[[], Path]


@contextmanager
def answering(folder: Path, answer: bytes | None) -> Iterator[None]:
    """A service that says the same whatever it is asked, or nothing."""
    over = threading.Event()

    def serve() -> None:
        stream, _ = listener.accept()
        with stream:
            stream.recv(65536)
            if answer is None:
                over.wait(5.0)
            else:
                stream.sendall(answer)

    with bind_unix(folder / SOCKET) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield
        over.set()
        thread.join()


def test_a_service_that_is_not_there_is_told(tmp_path: Path) -> None:
    (tmp_path / "left").mkdir()
    bind_unix(tmp_path / "left" / SOCKET).close()
    for folder in (tmp_path / "missing", tmp_path, tmp_path / "left"):
        with pytest.raises(ServiceGoneError, match=r"lab\.sock: the lab service does not answer: it has ended"):
            LabClient(folder).state()


def test_a_service_that_hangs_is_told_with_what_works_without_it(tmp_path: Path) -> None:
    with (
        answering(tmp_path, None),
        pytest.raises(ServiceGoneError, match=r"did not answer in time \(`athanor stop` works without it\)"),
    ):
        LabClient(tmp_path, answer_s=0.02).state()


def test_a_service_that_breaks_off_is_told(tmp_path: Path) -> None:
    for said in (
        b"",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[",
        b"HTTP/1.1 200 OK\r\n\r\noops",
    ):
        with (
            answering(tmp_path, said),
            pytest.raises(ServiceGoneError, match="the lab service broke off"),
        ):
            LabClient(tmp_path).state()


def test_a_refusal_without_words_is_told_by_its_number(tmp_path: Path) -> None:
    with (
        answering(tmp_path, b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 4\r\n\r\noops"),
        pytest.raises(ServiceRefusedError, match="the lab service answered with status 502") as caught,
    ):
        LabClient(tmp_path).state()
    assert (caught.value.status, caught.value.reasons) == (502, ())


def test_live_state_that_is_refused_is_told(tmp_path: Path) -> None:
    refusal = b'{"error": "nobody knows who asks"}'
    head = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: %d\r\n\r\n" % len(refusal)
    with (
        answering(tmp_path, head + refusal),
        pytest.raises(ServiceRefusedError, match="nobody knows who asks"),
    ):
        next(LabClient(tmp_path).events())


def test_waiting_for_a_command_renews_and_gives_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    phases = iter(["running", "running", "done", "running"])
    renewed: list[int] = []
    client = LabClient(tmp_path)
    monkeypatch.setattr(client, "command", lambda command_id: {"phase": next(phases)})
    ended = client.finished("c1", within_s=60.0, between=lambda: renewed.append(1), sleep=lambda s: None)
    assert (ended["phase"], len(renewed)) == ("done", 2)
    assert client.finished("c1", within_s=0.0, sleep=lambda s: None)["phase"] == "running"


def test_events_are_told_apart() -> None:
    lines = ["retry: 1000", "", ": comment", "event: snapshot", "id: 1", 'data: {"seq":1}', "", 'data: {"x":2}', ""]
    assert list(parse_events(lines)) == [("snapshot", {"seq": 1}), ("message", {"x": 2})]


# ---------------------------------------------------------------- which lab


def test_the_one_lab_that_runs_is_found(state_folder: StateFolder, tmp_path: Path) -> None:
    with hold_lab("powder-1", tmp_path, shared=True) as runtime, bind_unix(runtime / SOCKET):
        for found in (find_lab(), find_lab(lab="powder-1"), find_lab(data=tmp_path)):
            assert found.folder == runtime


def test_where_no_lab_runs_it_is_said_how_to_start_one(state_folder: StateFolder, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no lab runs now: start one with `athanor run` or `athanor serve`"):
        find_lab()
    with pytest.raises(UsageError, match=r"--lab powder-9: no such lab runs now: `athanor status` lists"):
        find_lab(lab="powder-9")
    with pytest.raises(UsageError, match=r"--data .*: no such lab runs now"):
        find_lab(data=tmp_path)


def test_where_several_labs_run_one_must_be_named(state_folder: StateFolder, tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    with hold_lab("powder-1", one, shared=True) as runtime, hold_lab("powder-2", other, shared=True):
        with pytest.raises(UsageError, match=r"2 labs run: powder-1 \(--data .*one\), powder-2 .*: name one") as caught:
            find_lab()
        assert str(other) in str(caught.value)
        with bind_unix(runtime / SOCKET):
            assert find_lab(data=one).folder == runtime


def test_a_lab_without_a_service_is_told(state_folder: StateFolder, tmp_path: Path) -> None:
    with (
        hold_lab("powder-1", tmp_path, shared=True),
        pytest.raises(UsageError, match=r"lab powder-1 \(process \d+\) has no lab service"),
    ):
        find_lab()


def test_asking_needs_no_web_framework() -> None:
    probe = "import lab.console.client, lab.console.listen, sys; print(*{name.split('.')[0] for name in sys.modules})"
    loaded = set(
        subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True).stdout.split()
    )
    assert not loaded & {"fastapi", "starlette", "uvicorn", "httpx", "pydantic", "numpy", "ophyd", "argon2"}
