"""The supervisor as a process, against simulated safety modules: what the plant's own log says its outputs did."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from drivers.clock import RealClock
from lab.errors import UsageError
from lab.safety.interlocks.compiled import to_json
from lab.safety.supervisor.process import ask, start_supervisor
from lab.safety.supervisor.supervised import SupervisorLink
from sim import Instrument, Laboratory, Simulation, serve
from sim.plant.record import Edge
from tests.lab.guarded import F1, F2, RULES

pytestmark = [pytest.mark.system, pytest.mark.slow]

WATCHDOG_S = 1.0
HEAVY = {"numpy", "pint", "ophyd", "torch", "bluesky", "matplotlib", "ax", "pandas", "scipy"}


@pytest.fixture
def simulation(tmp_path: Path) -> Iterator[Simulation]:
    modules = [Instrument(f"safety-{i}", "safety-io", f"modbus-tcp://sim:{5019 + i}/1") for i in (1, 2)]
    furnaces = [
        Instrument(f"furnace-{i}", "eurotherm-3216p", f"modbus-rtu:sim/furnace-{i}/1", {"watched_by": f"safety-{i}"})
        for i in (1, 2)
    ]
    with serve(Laboratory("powder-1", (*modules, *furnaces), {}), RealClock(), tmp_path / "wires") as simulation:
        yield simulation


def config_of(simulation: Simulation) -> dict[str, Any]:
    """What the supervisor is told."""
    return {
        "lab": "powder-1",
        "world": "simulated",
        "rules": to_json(RULES),
        "modules": {
            name: {"address": simulation.endpoints[name], "watchdog_s": WATCHDOG_S} for name in ("safety-1", "safety-2")
        },
        "clock": {"kind": "real"},
        "users": None,
        "notify": None,
        "http": {"host": "127.0.0.1", "port": 0},
    }


class Site:
    """One supervisor with its simulated modules and, where it is asked for, a lab service."""

    def __init__(self, simulation: Simulation, folder: Path, **changed: object) -> None:
        self.simulation, self.folder = simulation, folder
        self.config = {**config_of(simulation), **changed}
        self.process = start_supervisor(self.config, folder)

    def restart(self) -> None:
        """Start the supervisor again."""
        self.process = start_supervisor(self.config, self.folder)

    def end(self) -> None:
        """End the supervisor, whatever it is doing."""
        self.process.kill()
        self.process.wait()

    def ask(self, do: str, **fields: object) -> dict[str, Any]:
        """Ask the supervisor one thing."""
        return ask(self.folder, {"do": do, **fields}, within_s=10.0)

    @property
    def url(self) -> str:
        """Where STOP is over HTTP."""
        return str(json.loads((self.folder / "safety.json").read_text())["http"])

    @property
    def state(self) -> dict[str, Any]:
        """The newest snapshot."""
        state: dict[str, Any] = self.ask("state")["state"]
        return state

    def causes(self) -> list[str]:
        """What has tripped."""
        return [latch["cause"] for latch in self.state["tripped"]]

    def heat(self, *outputs: str) -> None:
        """Close contactors; needs a lab service."""
        assert holds_within(lambda: self.ask("reset", actor="ada")["ok"])
        for output in outputs:
            assert holds_within(partial(self._closes, output))

    def _closes(self, output: str) -> bool:
        return bool(self.ask("close", output=output, actor="ada")["ok"])

    def edges(self, module: str, *, closed: bool) -> list[Edge]:
        """What the plant itself noted of a contactor."""
        found = self.simulation.plant.edges
        return [e for e in found if e.module == module and e.output == "contactor" and e.closed is closed]

    def opened_s(self, module: str) -> float | None:
        """Monotonic time at which a contactor opened after it had closed last; None while it is closed."""
        closed = self.edges(module, closed=True)[-1].monotonic_s
        return next((e.monotonic_s for e in self.edges(module, closed=False) if e.monotonic_s >= closed), None)

    @contextmanager
    def lab(self, **how: Any) -> Iterator[SupervisorLink]:
        """Have a lab service inside the block."""
        link = SupervisorLink(self.folder, "powder-1", how.pop("on_stop", lambda by: {}), **how)
        link.start()
        try:
            yield link
        finally:
            link.close()


@pytest.fixture
def site(simulation: Simulation, tmp_path: Path) -> Iterator[Site]:
    site = Site(simulation, tmp_path)
    yield site
    site.end()


def holds_within(condition: Callable[[], object], within_s: float = 10.0) -> bool:
    deadline_s = time.monotonic() + within_s
    while not condition() and time.monotonic() < deadline_s:
        time.sleep(0.01)
    return bool(condition())


# ---------------------------------------------------------------- what it is


def test_the_process_carries_nothing_heavy(site: Site) -> None:
    loaded = {name.split(".")[0] for name in site.ask("modules")["modules"]}
    assert "pymodbus" in loaded
    assert not loaded & HEAVY


def test_it_boots_tripped_and_a_reset_gives_ability_and_no_demand(site: Site) -> None:
    assert site.causes() == ["start-up"]
    with site.lab():
        assert not site.ask("close", output=F1, actor="ada")["ok"]
        assert site.ask("reset", actor="ada")["ok"]
        time.sleep(0.3)
    assert site.causes() == []
    assert site.edges("safety-1", closed=True) == []


def test_a_second_supervisor_of_a_lab_does_not_start(site: Site, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "lab.safety.supervisor", str(tmp_path / "safety-config.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "has a supervisor already" in done.stderr
    assert site.state["scan"] > 0


def test_a_configuration_that_it_cannot_serve_is_one_sentence(simulation: Simulation, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"STOP cannot be served on 0\.0\.0\.0 without TLS"):
        start_supervisor({**config_of(simulation), "http": {"host": "0.0.0.0", "port": 0}}, tmp_path)


# ---------------------------------------------------------------- when it dies


def test_kill_9_opens_by_the_modules_own_watchdog_and_the_restart_is_tripped(site: Site) -> None:
    with site.lab():
        site.heat(F1)
        time.sleep(0.25)
        killed_s = time.monotonic()
        os.kill(site.process.pid, signal.SIGKILL)
        site.process.wait()
        assert holds_within(lambda: site.opened_s("safety-1") is not None)
        opened_s = site.opened_s("safety-1")
        assert opened_s is not None
        assert 0.5 < opened_s - killed_s < WATCHDOG_S + 0.5
        assert site.edges("safety-1", closed=False)[-1].why == "watchdog"
        site.restart()
        assert set(site.causes()) == {"start-up", "watchdog of safety-1 expired", "watchdog of safety-2 expired"}
        refused = site.ask("reset", actor="ada")
        assert "re-arm it first" in refused["reasons"][0]
        for module in ("safety-1", "safety-2"):
            assert site.ask("rearm", module=module, actor="ada")["ok"]
        site.heat(F1)
    assert len(site.edges("safety-1", closed=True)) == 2


def test_a_restart_within_the_watchdogs_time_is_tripped_too_and_opens(site: Site) -> None:
    with site.lab():
        site.heat(F1)
        os.kill(site.process.pid, signal.SIGKILL)
        site.process.wait()
        site.restart()
        assert "start-up" in site.causes()
        assert holds_within(lambda: site.opened_s("safety-1") is not None)
        assert site.edges("safety-1", closed=False)[-1].why == "command"


def test_what_tripped_first_survives_the_restart(site: Site) -> None:
    with site.lab():
        site.heat(F1)
        site.ask("stop", actor="ada")
        assert site.causes() == ["STOP by ada"]
        assert holds_within(lambda: (site.folder / "safety" / "latches.json").exists())
        time.sleep(0.3)
        site.end()
        site.restart()
        assert site.causes()[:2] == ["STOP by ada", "start-up"]


def test_a_stopped_process_loses_the_heater_and_comes_back_without_closing_it(site: Site) -> None:
    with site.lab() as lab:
        site.heat(F1)
        os.kill(site.process.pid, signal.SIGSTOP)
        stopped_s = time.monotonic()
        assert holds_within(lambda: site.opened_s("safety-1") is not None)
        opened_s = site.opened_s("safety-1")
        assert opened_s is not None
        assert opened_s - stopped_s < WATCHDOG_S + 0.5
        assert "no permit" in lab.tripped()[0]
        os.kill(site.process.pid, signal.SIGCONT)
        assert holds_within(lambda: "watchdog of safety-1 expired" in site.causes())
        time.sleep(0.5)
    assert len(site.edges("safety-1", closed=True)) == 1


def test_an_orderly_end_opens_everything_at_once(site: Site) -> None:
    with site.lab():
        site.heat(F1, F2)
        site.process.terminate()
        assert site.process.wait(10.0) == 0
        for module in ("safety-1", "safety-2"):
            assert site.edges(module, closed=False)[-1].why == "command"
    assert not (site.folder / "safety.sock").exists()
    assert not (site.folder / "safety.json").exists()


# ---------------------------------------------------------------- trips


def test_a_trip_opens_its_own_furnace(site: Site) -> None:
    with site.lab():
        site.heat(F1, F2)
        hot_s = time.monotonic()
        site.simulation.instruments["safety-1"].force_analogue(1, 1200.0)  # type: ignore[attr-defined]
        assert holds_within(lambda: site.opened_s("safety-1") is not None)
        opened_s = site.opened_s("safety-1")
        assert opened_s is not None
        assert opened_s - hot_s < 1.0
        assert site.causes() == ["F1-OVER"]
        assert site.opened_s("safety-2") is None
        assert "F1-OVER" in site.ask("reset", actor="ada")["reasons"][0]


def test_a_welded_contactor_raises_a_critical_alarm(site: Site) -> None:
    with site.lab():
        site.heat(F1)
        module: Any = site.simulation.instruments["safety-1"]
        module.weld()
        assert site.ask("stop", actor="ada")["stopped"]
        assert holds_within(lambda: any(alarm["key"] == "open:f1.heater" for alarm in site.ask("alarms")["alarms"]))
        assert site.state["alarms"]["worst"] == "critical"
        assert holds_within(lambda: any("command mismatch" in cause for cause in site.causes()))
        module.weld(False)


def test_the_emergency_stop_does_not_close_again_by_itself(site: Site) -> None:
    with site.lab():
        site.heat(F1)
        module: Any = site.simulation.instruments["safety-1"]
        module.set_field(2, False)
        assert holds_within(lambda: any("command mismatch" in cause for cause in site.causes()))
        assert holds_within(lambda: site.state["modules"]["safety-1"]["coils"][0] is False)
        module.set_field(2, True)
        time.sleep(0.3)
    assert len(site.edges("safety-1", closed=True)) == 1


# ---------------------------------------------------------------- the lab service


def test_when_the_lab_is_gone_what_runs_goes_on_for_its_time_and_everything_else_opens(site: Site) -> None:
    with site.lab(running=lambda: [F1, F2]):
        site.heat(F1, F2)
        time.sleep(0.3)
    gone_s = time.monotonic()
    assert holds_within(lambda: site.opened_s("safety-2") is not None)
    opened_s = site.opened_s("safety-2")
    assert opened_s is not None
    assert opened_s - gone_s < 1.0, "f2 declares nothing for the loss of the lab"
    assert site.opened_s("safety-1") is None
    assert "lab service is gone" in site.ask("close", output=F2, actor="ada")["reasons"][-1]
    assert holds_within(lambda: site.opened_s("safety-1") is not None)
    opened_s = site.opened_s("safety-1")
    assert opened_s is not None
    assert 4.5 < opened_s - gone_s < 6.0, "f1 may go on for 5 s"


# ---------------------------------------------------------------- STOP


def test_stop_over_http_with_the_lab_dead(site: Site) -> None:
    with site.lab(running=lambda: [F1]):
        site.heat(F1)
        time.sleep(0.3)
    assert holds_within(lambda: not site.state["lab"]["alive"])
    posted_s = time.monotonic()
    answered = httpx.post(f"{site.url}/stop").json()
    opened_s = site.opened_s("safety-1")
    assert opened_s is not None
    assert 0.0 <= opened_s - posted_s < 1.0
    assert answered["stopped"] is True
    assert answered["acknowledged"][F1] < 1000.0
    assert site.causes()[-1] == "STOP by somebody at 127.0.0.1"


def test_a_dead_module_delays_the_stop_of_the_other_by_nothing(simulation: Simulation, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        # Connections are made and nothing is ever answered: a module that hangs.
        modules = {
            "safety-1": {"address": simulation.endpoints["safety-1"], "watchdog_s": 5.0},
            "safety-2": {"address": f"modbus-tcp://127.0.0.1:{deaf.getsockname()[1]}/1", "watchdog_s": 5.0},
        }
        site = Site(simulation, tmp_path, modules=modules)
        try:
            module = simulation.instruments["safety-1"]
            module.write_coils(0, [True])  # type: ignore[attr-defined]
            posted_s = time.monotonic()
            answered = httpx.post(f"{site.url}/stop").json()
            answered_s = time.monotonic()
            opened_s = site.opened_s("safety-1")
            assert opened_s is not None
            assert opened_s - posted_s < 0.5 * (answered_s - posted_s), "before the other module was given up"
            assert answered["acknowledged"][F1] is not None
            assert answered["acknowledged"][F2] is None
            assert holds_within(lambda: any(a["key"] == "stop:f2.heater" for a in site.ask("alarms")["alarms"]))
            assert site.state["modules"]["safety-2"]["inputs"] is None
            assert site.state["permit_until"] is None
        finally:
            site.end()


def test_a_stop_reaches_the_devices_of_the_lab(site: Site) -> None:
    stopped = threading.Event()
    with site.lab(devices=["doser-1", "xrd-1"], on_stop=lambda by: {"doser-1": stopped.set}):
        events: list[dict[str, Any]] = []
        message = {"do": "stop", "actor": "ada", "follow": True}
        answered = ask(site.folder, message, within_s=10.0, on_progress=events.append)
    assert stopped.is_set()
    assert answered["devices"] == {"doser-1": None, "xrd-1": "no answer"}
    assert [event.get("output") or event.get("device") for event in events][-1] == "doser-1"
    assert {event.get("output") for event in events[:2]} == {F1, F2}


def test_stop_works_while_the_disk_is_full(site: Site) -> None:
    """A full disk, as a process sees it: its files cannot be written any more."""
    with site.lab():
        site.heat(F1)
        state = site.folder / "safety"
        shutil.rmtree(state)
        state.write_text("no folder any more")
        assert httpx.post(f"{site.url}/stop").json()["acknowledged"][F1] is not None
        assert site.opened_s("safety-1") is not None
        assert site.causes() == ["STOP by somebody at 127.0.0.1"]
        refused = site.ask("reset", actor="ada")
        assert not refused["ok"], "what gives ability back must be written down first"
        assert site.process.poll() is None


def test_stop_is_served_over_tls_where_there_is_a_certificate(simulation: Simulation, tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed, and the test needs a certificate")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    command = [
        "openssl",
        *words.split(),
        "-addext",
        "subjectAltName=IP:127.0.0.1",
        "-keyout",
        str(key),
        "-out",
        str(cert),
    ]
    subprocess.run(command, check=True, capture_output=True)
    http = {"host": "127.0.0.1", "port": 0, "cert": str(cert), "key": str(key)}
    site = Site(simulation, tmp_path, http=http)
    try:
        assert site.url.startswith("https://127.0.0.1:")
        answered = httpx.post(f"{site.url}/stop", verify=ssl.create_default_context(cafile=str(cert)))
        assert answered.json()["stopped"] is True
        assert site.causes()[-1].startswith("STOP by")
    finally:
        site.end()
