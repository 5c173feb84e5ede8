"""A served laboratory as real processes: simulator, supervisor, lab service, shell and browser."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from lab.console.client import LabClient, ServiceGoneError, ServiceRefusedError
from lab.safety.supervisor.process import ask

ROOT = Path(__file__).resolve().parents[2]
START_S, END_S = 60.0, 30.0
SECRET = "correct horse battery"

pytestmark = [pytest.mark.system, pytest.mark.slow, pytest.mark.timeout(180)]


@dataclass
class Service:
    """`athanor serve` in a process of its own, its runtime folder apart from a person's."""

    process: subprocess.Popen[str]
    facts: dict[str, Any]

    @property
    def runtime(self) -> Path:
        return Path(self.facts["runtime"])

    def client(self, answer_s: float = 20.0) -> LabClient:
        return LabClient(self.runtime, answer_s=answer_s)

    def drive(self, lease: str, verb: str, value: str | None = None) -> dict[str, Any]:
        """Arm and execute a command of furnace-1; gives how it ended."""
        client = self.client()
        armed = client.arm(lease, "furnace-1", verb, value)
        assert armed["denied"] == []
        given = client.execute(armed["token"], key=armed["token"])
        return client.finished(given["command"], within_s=20.0, between=lambda: client.renew(lease))

    def closed(self) -> bool:
        """Whether the contactor of furnace-1 is closed, as the supervisor sees it."""
        state = ask(self.runtime, {"do": "state"})["state"]
        return state["values"]["f1.heater"] is True


def until(what: Callable[[], bool], within_s: float = 10.0) -> None:
    deadline_s = time.monotonic() + within_s
    while not what():
        assert time.monotonic() < deadline_s, f"not within {within_s} s"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def state_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("state")


@pytest.fixture
def service(state_home: Path, tmp_path: Path) -> Iterator[Service]:
    process = subprocess.Popen(
        [sys.executable, "-m", "lab", "serve", "--port", "0", "--data", str(tmp_path / "data"), "--json"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"XDG_STATE_HOME": str(state_home)},
    )
    assert process.stdout is not None
    with process.stdout:
        yield Service(process, json.loads(process.stdout.readline()))
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.terminate()
        process.wait(END_S)


def test_a_person_drives_stops_and_resets_and_the_service_leaves_everything_cold(service: Service) -> None:
    client = service.client()
    lease = client.take("furnace-1")["id"]
    assert service.drive(lease, "close-contactor")["phase"] == "done"
    assert service.closed()
    assert service.drive(lease, "set-setpoint", "400 degC")["result"]["done"]

    stopped = client.stop()
    assert stopped["acknowledged"]["f1.heater"] is not None
    until(lambda: not service.closed())
    assert client.arm(lease, "furnace-1", "close-contactor")["denied"]
    until(lambda: client.state()["devices"]["furnace-1"]["readings"]["setpoint_degc"]["value"] == 0.0)

    assert client.reset()["reasons"] == []
    # Reset restores what can be done, not what was done.
    assert not service.closed()
    until(lambda: client.arm(lease, "furnace-1", "close-contactor")["denied"] == [])

    facts = [json.loads((service.runtime / name).read_text(encoding="utf-8")) for name in ("safety.json", "sim.json")]
    service.process.terminate()
    assert service.process.wait(END_S) == 0
    assert not (service.runtime / "lab.sock").exists()
    for fact in facts:
        until(lambda pid=fact["pid"]: not Path(f"/proc/{pid}").exists())  # type: ignore[misc]


def test_stop_from_the_page_works_while_the_service_hangs(service: Service) -> None:
    client = service.client()
    lease = client.take("furnace-1")["id"]
    service.drive(lease, "close-contactor")
    page = httpx.get(service.facts["url"]).text
    action = page.partition('<form method="post" action="')[2].partition('"')[0]
    assert action.endswith("/stop")

    service.process.send_signal(signal.SIGSTOP)
    with pytest.raises(ServiceGoneError, match="did not answer in time"):
        service.client(answer_s=0.5).state()
    answer = httpx.post(action, data={"from": "a form"})
    assert answer.json()["stopped"] is True
    until(lambda: not service.closed(), 2.0)

    service.process.send_signal(signal.SIGCONT)
    until(lambda: _answers(service))
    assert any("STOP by" in latch["cause"] for latch in service.client().state()["safety"]["tripped"])
    assert client.reset()["reasons"] == []


def _answers(service: Service) -> bool:
    try:
        return bool(service.client(answer_s=1.0).state()["safety"]["lab"]["alive"])
    except ServiceGoneError:
        return False


def test_a_person_in_a_browser_and_one_at_a_shell_do_not_drive_the_same_device(
    service: Service, state_home: Path
) -> None:
    once = _user("otto", "operator", state_home)
    with httpx.Client(base_url=service.facts["url"], timeout=20.0) as browser:
        assert browser.get("/api/state").status_code == 401
        own = {"user": "otto", "secret": once, "new_secret": SECRET}
        assert browser.post("/api/secret", json=own).status_code == 200
        told = browser.post("/api/login", json={"user": "otto", "secret": SECRET}).json()
        browser.headers["X-CSRF-Token"] = told["csrf"]
        taken = browser.post("/api/leases", json={"device": "furnace-1"})
        assert taken.json()["holder"] == "otto"
        with pytest.raises(ServiceRefusedError, match="furnace-1 is driven by otto"):
            service.client().take("furnace-1")
        shown = service.client().state()["devices"]["furnace-1"]
        assert (shown["lease"]["holder"], shown["lease"]["role"]) == ("otto", "operator")
        assert browser.post(f"/api/leases/{taken.json()['id'].replace('#', '%23')}/release").status_code == 200
    # Nothing goes on by that: a person says when.
    assert "furnace-1" in service.client().state()["holds"]
    service.client().resume("furnace-1")
    assert "furnace-1" not in service.client().state()["holds"]


def _user(name: str, role: str, state_home: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "lab", "user", "add", name, "--role", role, "--json"],
        cwd=ROOT,
        env=os.environ | {"XDG_STATE_HOME": str(state_home)},
        capture_output=True,
        text=True,
        check=True,
    )
    return str(json.loads(done.stdout)["secret"])
