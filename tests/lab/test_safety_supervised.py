"""The lab service's side: against the supervisor's own socket, with modules in memory."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from drivers.errors import DriverError, GrantError, LinkError, RefusedError
from drivers.gate import Command, Granted
from drivers.safety_module import SafetyModule
from lab.safety.interlocks.expressions import Value
from lab.safety.judging.scan import BOOT
from lab.safety.supervisor.process import SupervisorGoneError
from lab.safety.supervisor.server import Server
from lab.safety.supervisor.supervised import SupervisedModule, SupervisorLink
from tests.lab.guarded import F1, FakePeer, Guard

pytestmark = pytest.mark.system

Apart = tuple[SupervisorLink, list[str], dict[str, float]]
GRANT = Granted(Command("safety-1", "close-contactor"), 0.0)


class Lab:
    """A lab service with three devices, one of which is busy."""

    def __init__(self, folder: Path) -> None:
        self.values: dict[str, Value] = {"f1.setpoint": 400.0}
        self.running: list[str] = []
        self.stopped: list[str] = []
        self.link = SupervisorLink(
            folder,
            "powder-1",
            self.on_stop,
            devices=["doser-1", "mover-1"],
            values=lambda: self.values,
            running=lambda: self.running,
        )

    def on_stop(self, by: str) -> Mapping[str, Callable[[], None]]:
        self.stopped.append(by)
        return {"doser-1": lambda: None, "mover-1": be_busy}


def be_busy() -> None:
    raise DriverError("mover-1: busy")


@pytest.fixture
def guard(tmp_path: Path) -> Iterator[Guard]:
    guard = Guard(tmp_path)
    yield guard
    guard.close()


@pytest.fixture
def server(guard: Guard, tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path / "safety.sock", guard.requests)
    guard.scanner.subscribers.append(server.broadcast)
    yield server
    server.close()


@pytest.fixture
def scans(guard: Guard, server: Server) -> Iterator[threading.Event]:
    """Scans every 5 ms; set to pause."""
    over, paused = threading.Event(), threading.Event()

    def run() -> None:
        while not over.wait(0.005):
            if not paused.is_set():
                guard.scanner.scan(time.monotonic())

    thread = threading.Thread(target=run)
    thread.start()
    yield paused
    over.set()
    thread.join()


@pytest.fixture
def lab(scans: threading.Event, tmp_path: Path) -> Iterator[Lab]:
    lab = Lab(tmp_path)
    lab.link.start()
    yield lab
    lab.link.close()


def holds_within(condition: Callable[[], object], within_s: float = 5.0) -> bool:
    deadline_s = time.monotonic() + within_s
    while not condition() and time.monotonic() < deadline_s:
        time.sleep(0.002)
    return bool(condition())


def test_it_satisfies_what_the_gateway_asks(lab: Lab, guard: Guard) -> None:
    assert lab.link.tripped() == (BOOT,)
    assert lab.link.request({"do": "reset", "actor": "ada"})["ok"]
    assert holds_within(lambda: lab.link.tripped() == ())
    assert lab.link.held() == frozenset()
    assert lab.link.bypassed() == frozenset()
    assert lab.link.snapshot()["modules"]["safety-1"]["watchdog"] == "running"


def test_its_own_values_go_there_and_the_supervisors_come_back(lab: Lab, guard: Guard) -> None:
    assert holds_within(lambda: guard.scanner.snapshot["values"]["f1.setpoint"] == 400.0)
    assert lab.link.values()["f1.door"] is True
    lab.values["f1.setpoint"] = 500.0
    assert lab.link.values()["f1.setpoint"] == 500.0, "what it reads itself is newer than any snapshot"
    lab.values["f1.setpoint"] = math.nan
    assert holds_within(lambda: guard.scanner.snapshot["values"]["f1.setpoint"] is None)


def test_what_runs_a_programme_is_told(lab: Lab, guard: Guard) -> None:
    lab.running.append(F1)
    assert holds_within(lambda: guard.lab.look()[3] == {F1})


def test_closing_the_link_is_the_labs_end(lab: Lab, guard: Guard) -> None:
    assert holds_within(lambda: guard.scanner.snapshot["lab"]["alive"])
    lab.link.close()
    assert holds_within(lambda: not guard.scanner.snapshot["lab"]["alive"])
    guard.core.settle()
    assert guard.core.state.lab_left, "it has said goodbye"
    assert guard.core.alarms.get("lab-lost") is None


def test_a_link_that_breaks_off_is_a_loss(lab: Lab, guard: Guard, server: Server) -> None:
    assert holds_within(lambda: guard.scanner.snapshot["lab"]["alive"])
    cut_off(lab, guard, server)
    assert holds_within(lambda: guard.core.state.lab_lost_s is not None)
    guard.core.settle()
    assert guard.core.alarms.get("lab-lost") is not None


def test_without_scans_the_permit_runs_out_and_values_are_unknown(
    lab: Lab, scans: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.link.request({"do": "reset", "actor": "ada"})
    assert holds_within(lambda: lab.link.tripped() == ())
    scans.set()
    time.sleep(0.02)
    now_s = time.monotonic()
    monkeypatch.setattr(lab.link._closing, "wait", lambda for_s: True)  # no beat uses the clock below
    monkeypatch.setattr("lab.safety.supervisor.supervised.time.monotonic", lambda: now_s + 1.3)
    (reason,) = lab.link.tripped()
    assert reason.startswith("the safety supervisor gave no permit for 1.3")
    assert lab.link.values() == {"f1.door": None, "f1.over": None, F1: None, "f2.heater": None, "f1.setpoint": 400.0}


def test_no_permit_comes_before_what_has_tripped(lab: Lab, guard: Guard) -> None:
    guard.hardware["safety-2"].silent = True
    assert holds_within(lambda: len(lab.link.tripped()) == 2)
    first, second = lab.link.tripped()
    assert first.startswith("the safety supervisor gave no permit for ")
    assert second == BOOT


def test_before_anything_came_nothing_may_start(tmp_path: Path) -> None:
    link = SupervisorLink(tmp_path, "powder-1", lambda by: {})
    assert link.tripped() == ("the safety supervisor has given no permit yet",)
    assert link.values() == {}
    assert "no safety" not in link.request({"do": "state"})["reasons"][0]
    assert "does not answer" in link.request({"do": "state"})["reasons"][0]
    with pytest.raises(SupervisorGoneError, match="no safety supervisor is there"):
        link.start(within_s=0.01)
    link.close()


def test_a_second_lab_service_is_told_who_is_first(lab: Lab, tmp_path: Path) -> None:
    second = SupervisorLink(tmp_path, "powder-1", lambda by: {})
    with pytest.raises(SupervisorGoneError, match="is this laboratory's service and is alive"):
        second.start(within_s=0.2)
    second.close()


def test_it_finds_a_supervisor_that_was_started_again(lab: Lab, guard: Guard, server: Server, tmp_path: Path) -> None:
    server.close()
    guard.scanner.subscribers.remove(server.broadcast)
    assert holds_within(lambda: guard.lab.look()[0] is False)
    again = Server(tmp_path / "safety.sock", guard.requests)
    guard.scanner.subscribers.append(again.broadcast)
    scan = lab.link.snapshot()["scan"]
    assert holds_within(lambda: lab.link.snapshot()["scan"] > scan)
    assert holds_within(lambda: guard.lab.look()[0] is True)
    again.close()


def test_a_stop_reaches_every_device_and_each_answers(lab: Lab, guard: Guard) -> None:
    stopped = guard.stopper.stop("ada")
    assert stopped.done.wait(5.0)
    assert lab.stopped == ["ada"]
    assert stopped.devices == {"doser-1": None, "mover-1": "mover-1: busy"}


def cut_off(lab: Lab, guard: Guard, server: Server) -> None:
    """End the connection, with nobody to connect to."""
    server.close()
    guard.scanner.subscribers.remove(server.broadcast)
    assert holds_within(lambda: guard.lab.look()[0] is False)


def seen_anew(lab: Lab, guard: Guard) -> bool:
    """Whether snapshots come again."""
    scan = guard.scanner.snapshot["scan"]
    return holds_within(lambda: lab.link.snapshot()["scan"] > scan + 3)


def test_a_stop_while_the_link_was_down_is_acted_on_once_when_it_is_back(
    lab: Lab, guard: Guard, server: Server, tmp_path: Path
) -> None:
    cut_off(lab, guard, server)
    stopped = guard.stopper.stop("ada")
    assert stopped.done.wait(5.0)
    assert (stopped.lab, lab.stopped) == (False, [])
    for _ in range(2):
        again = Server(tmp_path / "safety.sock", guard.requests)
        guard.scanner.subscribers.append(again.broadcast)
        assert seen_anew(lab, guard)
        assert holds_within(lambda: lab.stopped == ["ada"])
        cut_off(lab, guard, again)


def test_a_stop_that_was_passed_on_is_not_acted_on_again_after_a_gap(
    lab: Lab, guard: Guard, server: Server, tmp_path: Path
) -> None:
    assert guard.stopper.stop("ada").done.wait(5.0)
    cut_off(lab, guard, server)
    again = Server(tmp_path / "safety.sock", guard.requests)
    guard.scanner.subscribers.append(again.broadcast)
    assert seen_anew(lab, guard)
    assert lab.stopped == ["ada"]
    again.close()


@pytest.fixture
def link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Apart:
    """A link without connection or threads, what it stopped, and its time."""
    stopped: list[str] = []
    now = {"s": 100.0}
    link = SupervisorLink(tmp_path, "powder-1", lambda by: {})
    monkeypatch.setattr(link, "_begin_stop", stopped.append)
    monkeypatch.setattr("lab.safety.supervisor.supervised.time.monotonic", lambda: now["s"])
    return link, stopped, now


def latched(*stops: tuple[str, float]) -> dict[str, Any]:
    return {"tripped": [{"cause": f"STOP by {by}", "at_s": at_s} for by, at_s in stops]}


def test_a_latched_stop_whose_message_never_comes_is_acted_on_after_a_second(
    link: Apart,
) -> None:
    it, stopped, now = link
    it._take_in(latched())
    it._take_in(latched(("ada", 1.0)))
    assert stopped == [], "it is passed on a moment later"
    now["s"] += 1.1
    for _ in range(2):
        it._take_in(latched(("ada", 1.0)))
    assert stopped == ["ada"]
    it._take_in(latched())
    it._take_in(latched(("ada", 9.0)))
    now["s"] += 1.1
    it._take_in(latched(("ada", 9.0)))
    assert stopped == ["ada", "ada"], "another latch is another STOP"


@pytest.mark.parametrize("latch_first", [True, False])
def test_a_stop_that_is_passed_on_is_acted_on_once_in_whichever_order_it_is_told(
    link: Apart, latch_first: bool
) -> None:
    it, stopped, now = link
    it._take_in(latched())
    if latch_first:
        it._take_in(latched(("ada", 1.0)))
    it._told_to_stop("ada")
    for _ in range(3):
        it._take_in(latched(("ada", 1.0)))
        now["s"] += 0.9
    assert stopped == ["ada"]


def test_a_bypass_keeps_its_id_through_the_socket(lab: Lab) -> None:
    answered = lab.link.request({"do": "bypass", "rule": "F1-DOOR", "actor": "ada"})
    assert not answered["ok"]
    assert "id" not in answered


# ---------------------------------------------------------------- the module


@pytest.fixture
def module(lab: Lab, guard: Guard) -> SupervisedModule:
    assert lab.link.request({"do": "reset", "actor": "ada"})["ok"]
    assert holds_within(lambda: lab.link.tripped() == ())
    return SupervisedModule(lab.link, "safety-1")


def test_a_module_does_whatever_one_on_a_wire_does(module: SupervisedModule) -> None:
    assert {name for name in dir(SafetyModule) if not name.startswith("_")} <= set(dir(module))
    assert module.identify() == "safety module, watchdog running"


def test_a_module_reads_like_one_on_a_wire(module: SupervisedModule, guard: Guard) -> None:
    guard.hardware["safety-1"].analogue[17] = 1
    assert holds_within(lambda: math.isnan(module.read().analogue[1]))
    reading = module.read()
    assert reading.inputs == (True, True, True, True, True, False, True, True)
    assert reading.analogue[0] == 25.0
    assert reading.watchdog.name == "RUNNING"
    assert reading.watchdog_timeout_s == 1.0


def test_a_contactor_is_closed_by_the_supervisor_and_seen_at_once(module: SupervisedModule, guard: Guard) -> None:
    module.set_contactor(True, GRANT)
    assert guard.hardware["safety-1"].inputs[5] is True
    assert module.read().contactor_closed
    module.set_contactor(False, GRANT)
    assert guard.hardware["safety-1"].inputs[5] is False
    assert not module.read().contactor_closed


def test_a_refusal_carries_the_supervisors_reasons(module: SupervisedModule, guard: Guard) -> None:
    guard.stopper.stop("ada")
    with pytest.raises(RefusedError, match="close was refused: STOP by ada has tripped"):
        module.set_contactor(True, GRANT)


def test_a_contactor_without_a_name_is_nobodys(lab: Lab, guard: Guard) -> None:
    with pytest.raises(RefusedError, match="no name in the interlock file"):
        SupervisedModule(lab.link, "safety-9").set_contactor(True, Granted(Command("safety-9", "close-contactor"), 0.0))


def test_leave_for_another_device_switches_and_rearms_nothing(module: SupervisedModule, guard: Guard) -> None:
    other = Granted(Command("safety-2", "close-contactor"), 0.0)
    with pytest.raises(GrantError, match="safety-1: leave to close-contactor was given for safety-2"):
        module.set_contactor(True, other)
    with pytest.raises(GrantError, match="was given for safety-2"):
        module.rearm(other)
    assert guard.hardware["safety-1"].coils[0] is False


def test_a_reading_that_is_too_old_is_silence(module: SupervisedModule, guard: Guard, scans: threading.Event) -> None:
    guard.hardware["safety-1"].silent = True
    assert holds_within(lambda: module._link.snapshot()["modules"]["safety-1"]["error"] is not None)
    sight = guard.modules["safety-1"].sight
    assert sight is not None
    guard.modules["safety-1"].sight = type(sight)(sight.begun_s - 5.0, sight.reading)
    assert holds_within(lambda: module._link.snapshot()["modules"]["safety-1"]["age_s"] > 4.0)
    with pytest.raises(LinkError, match="1 s is the limit"):
        module.read()


def test_a_module_that_was_never_read_is_silence(lab: Lab) -> None:
    with pytest.raises(LinkError, match="gives no reading: it knows no module of that name"):
        SupervisedModule(lab.link, "safety-9").read()


def test_signs_of_life_are_the_supervisors_alone(module: SupervisedModule, guard: Guard) -> None:
    before = len(guard.hardware["safety-1"].timeouts)
    module.start_watchdog(60.0, GRANT)
    module.pet(GRANT)
    assert len(guard.hardware["safety-1"].timeouts) == before


def test_rearming_is_the_supervisors_too(module: SupervisedModule, guard: Guard) -> None:
    with pytest.raises(RefusedError, match="has not expired"):
        module.rearm(GRANT)
    guard.hardware["safety-1"].expire()
    assert holds_within(lambda: guard.modules["safety-1"].expired)
    module.rearm(GRANT)
    assert guard.hardware["safety-1"].words[2] == 1


def test_requests_are_of_the_peer_that_asks(guard: Guard) -> None:
    assert guard.requests.answer(FakePeer(pid=3), {"do": "stop"}) is not None
    assert guard.causes()[-1] == "STOP by process 3"


def test_the_snapshot_is_waited_for_no_longer_than_asked(lab: Lab) -> None:
    def never(_: Mapping[str, Any]) -> bool:
        return False

    assert lab.link.wait_for(never, 0.01) is False
