"""Mill and door drivers against lines that are lost or changed on their way."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from drivers.bus import Bus
from drivers.clock import JumpClock
from drivers.devices.text_door import TextDoor
from drivers.devices.text_mill import TextMill
from drivers.errors import ActionFailedError, WrongInstrumentError
from drivers.registry import build
from tests.drivers.fakes import FakeGate, FakeSocket, Noted, by_line, end_of, look_at

MILL = {"time_s": 60.0, "speed_rpm": 300.0}


class Motor:
    """A mill that does what arrives."""

    def __init__(self, clock: JumpClock) -> None:
        self.clock = clock
        self.lines: list[str] = []
        self.job, self.ends_s = 3, 0.0
        self.told = ("60", "300")
        self.lose_request = self.lose_reply = 0
        self.change: Callable[[str], str] = lambda line: line
        """What the wire makes of what arrives."""
        self.spoil: Callable[[str], str] = lambda line: line
        """What the wire makes of a reply."""

    def respond(self, line: str) -> list[str]:
        self.lines.append(line)
        reply = self._reply(self.change(line))
        return [] if reply is None else [self.spoil(reply)]

    def _reply(self, line: str) -> str | None:
        match line.split():
            case ["ID?"]:
                return "ID text-mill 1 SN-mill-2"
            case ["Start", time_s, speed_rpm]:
                return self._start(time_s, speed_rpm)
            case ["Stop"]:
                self.ends_s = 0.0
                return "Stopped"
        running = self.clock.now() < self.ends_s
        state, fate = ("RUNNING", "running") if running else ("STOP", "done")
        left_s, speed = max(0.0, self.ends_s - self.clock.now()), self.told[1] if running else "0"
        return (
            f"State: {state}; Job: {self.job} {fate}; Time: {self.told[0]} s; Set: {self.told[1]} rpm; "
            f"Speed: {speed} rpm; Left: {left_s:.0f} s"
        )

    def _start(self, time_s: str, speed_rpm: str) -> str | None:
        if self.lose_request:
            self.lose_request -= 1
            return None
        if self.clock.now() < self.ends_s:
            return "Error: busy"
        self.job, self.told = self.job + 1, (time_s, speed_rpm)
        self.ends_s = self.clock.now() + float(time_s)
        if self.lose_reply:
            self.lose_reply -= 1
            return None
        return f"Job: {self.job}"


@pytest.fixture
def motor(clock: JumpClock) -> Motor:
    return Motor(clock)


@pytest.fixture
def mill(
    motor: Motor, serve_socket: Callable[..., FakeSocket], gate: FakeGate, clock: JumpClock, noted: Noted, bus: Bus
) -> TextMill:
    server = serve_socket(by_line(motor.respond, end=b"\n"))
    told = {"limits": {"speed": 600.0}, "quiet": 0.01, "timeout": 0.1}
    mill = build("mill-2", "text-mill", f"socket://127.0.0.1:{server.port}", told, gate, clock, noted, bus)
    assert isinstance(mill, TextMill)
    mill.link.act_timeout_s = 0.05
    return mill


def starts(motor: Motor) -> int:
    return sum(line.startswith("Start") for line in motor.lines)


def test_a_job_whose_reply_was_lost_is_found_by_its_number(mill: TextMill, motor: Motor, clock: JumpClock) -> None:
    motor.lose_reply = 1
    assert end_of(clock, mill.set("mill", **MILL)) is None
    assert (starts(motor), motor.job) == (1, 4)


def test_a_job_that_did_not_arrive_is_told_again(mill: TextMill, motor: Motor, clock: JumpClock) -> None:
    motor.lose_request = 1
    assert end_of(clock, mill.set("mill", **MILL)) is None
    assert (starts(motor), motor.job) == (2, 4)


def test_a_job_that_never_arrives_is_a_failure(mill: TextMill, motor: Motor, clock: JumpClock) -> None:
    motor.lose_request = 99
    assert str(end_of(clock, mill.set("mill", **MILL))) == "mill-2: was told Start 60 300 3 times and has begun nothing"


def test_a_job_is_not_told_again_after_a_stop(mill: TextMill, motor: Motor, clock: JumpClock) -> None:
    motor.lose_request = 99
    status = mill.set("mill", **MILL)
    clock.sleep_until(clock.now() + 1.5)
    assert end_of(clock, mill.set("stop")) is None
    assert "given up, because it was stopped" in str(end_of(clock, status))
    assert starts(motor) == 1


def test_a_speed_that_was_changed_on_its_way_is_stopped(mill: TextMill, motor: Motor, clock: JumpClock) -> None:
    motor.change = lambda line: line.replace("Start 60 300", "Start 60 900")
    error = end_of(clock, mill.set("mill", **MILL))
    assert isinstance(error, ActionFailedError)
    assert str(error) == "mill-2: was told 60 s at 300 rpm and began 60 s at 900 rpm: it was stopped"
    assert motor.lines[-1] == "Stop" or "Stop" in motor.lines


def test_a_reply_that_was_changed_once_is_asked_again(mill: TextMill, motor: Motor) -> None:
    spoiled: list[str] = []

    def spoil(line: str) -> str:
        if "State" in line and not spoiled:
            spoiled.append(line)
            return line.replace("Speed: 0 rpm", "Speed: 400 rpm")
        return line

    motor.spoil = spoil
    look_at(mill)
    assert (mill.comm_ok.get(), mill.speed_rpm.get()) == (1, 0.0)


def test_replies_that_never_agree_are_no_reading(mill: TextMill, motor: Motor) -> None:
    count = iter(range(100))
    motor.spoil = lambda line: line.replace("Job: 3", f"Job: {next(count)}")
    look_at(mill)
    assert (mill.comm_ok.get(), mill.state.get()) == (0, "unknown")


def test_another_machine_behind_the_address_is_an_error(mill: TextMill, motor: Motor) -> None:
    assert mill.identify() == "text-mill SN-mill-2"
    motor.spoil = lambda line: line.replace("SN-mill-2", "SN-mill-3")
    with pytest.raises(WrongInstrumentError, match=r"mill-2: SN-mill-3 answers at .*, and SN-mill-2 did before"):
        mill.identify()
    motor.spoil = lambda line: line.replace("text-mill", "text-shaker")
    with pytest.raises(WrongInstrumentError, match=r"mill-2: socket://.* is no text-mill"):
        mill.identify()


def test_what_it_may_be_asked_is_described(mill: TextMill) -> None:
    described = mill.describe()["mill-2_speed_rpm"]
    assert (described["units"], described["upper_ctrl_limit"]) == ("rpm", 600.0)


# ---------------------------------------------------------------- doors


class Door:
    """One door that moves as soon as it is told to."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.where = "Closed"
        self.lose_request = self.lose_reply = 0

    def respond(self, line: str) -> list[str]:
        self.lines.append(line)
        if line == "ID?":
            return ["ID text-door 1 SN-door-1"]
        if line == "Status":
            return [f"State: STOP; Furnace furnace-1: {self.where}"]
        if self.lose_request:
            self.lose_request -= 1
            return []
        self.where = "Open" if line.startswith("Open") else "Closed"
        if self.lose_reply:
            self.lose_reply -= 1
            return []
        return [f"{'Opening' if self.where == 'Open' else 'Closing'} furnace-1"]


@pytest.fixture
def controller() -> Door:
    return Door()


@pytest.fixture
def door(
    controller: Door, serve_socket: Callable[..., FakeSocket], gate: FakeGate, clock: JumpClock, noted: Noted, bus: Bus
) -> TextDoor:
    server = serve_socket(by_line(controller.respond, end=b"\n"))
    told = {"quiet": 0.01, "timeout": 0.1}
    door = build("door-1", "text-door", f"socket://127.0.0.1:{server.port}", told, gate, clock, noted, bus)
    assert isinstance(door, TextDoor)
    door.link.act_timeout_s = 0.05
    return door


@pytest.mark.parametrize(("lost", "times"), [("lose_reply", 1), ("lose_request", 2)])
def test_a_door_is_told_again_only_while_it_does_not_go_there(
    door: TextDoor, controller: Door, clock: JumpClock, lost: str, times: int
) -> None:
    setattr(controller, lost, 1)
    assert end_of(clock, door.set("door", furnace="furnace-1", open=True)) is None
    assert controller.lines.count("Open furnace-1") == times


def test_a_door_that_hears_nothing_is_a_failure(door: TextDoor, controller: Door, clock: JumpClock) -> None:
    controller.lose_request = 99
    error = end_of(clock, door.set("door", furnace="furnace-1", open=True))
    assert str(error) == "door-1: was told Open furnace-1 3 times and does not move"
