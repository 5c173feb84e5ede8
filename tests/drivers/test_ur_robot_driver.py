"""The robot's driver against a dashboard that loses, repeats and changes what it says."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from drivers.bus import Bus
from drivers.clock import JumpClock
from drivers.devices.ur_robot import URRobot
from drivers.errors import ActionFailedError, UnknownDriverError, WrongInstrumentError
from drivers.registry import build
from tests.drivers.fakes import FakeGate, FakeSocket, Noted, by_line, end_of, look_at

MOVE = {"from_position": "crucibles/1", "to_position": "holders/1"}
NAME = "crucibles-1_to_holders-1.urp"


class Dashboard:
    """A robot whose programs take half a minute."""

    def __init__(self, clock: JumpClock) -> None:
        self.clock = clock
        self.lines: list[str] = []
        self.loaded, self.ends_s = "", 0.0
        self.takes_s = 30.0
        self.greeted = False
        self.answers: dict[str, str] = {
            "robotmode": "Robotmode: RUNNING",
            "safetystatus": "Safetystatus: NORMAL",
            "is in remote control": "true",
            "get serial number": "20195500841",
            "get robot model": "UR5",
            "PolyscopeVersion": "URSoftware 5.9.4.1031232",
            "stop": "Stopped",
        }
        self.lost: set[str] = set()
        """Commands that arrive, and whose replies do not."""
        self.deaf: set[str] = set()
        """Commands that do not arrive."""
        self.stray: list[str] = []
        """Lines before the next reply."""

    def respond(self, line: str) -> list[str]:
        self.lines.append(line)
        word = line.split()[0]
        if word in self.deaf:
            return []
        reply = [*self.stray, self._reply(line)]
        self.stray = []
        return [] if word in self.lost else reply

    def _reply(self, line: str) -> str:
        if line.startswith("load "):
            self.loaded = line.split()[1]
            return f"Loading program: /programs/{self.loaded}"
        if line == "play":
            self.ends_s = self.clock.now() + self.takes_s
            return "Starting program"
        if line == "programState":
            running = self.clock.now() < self.ends_s
            return f"{'PLAYING' if running else 'STOPPED'} {self.loaded or '<unnamed>'}"
        if line == "get loaded program":
            return f"Loaded program: /programs/{self.loaded}" if self.loaded else "No program loaded"
        return self.answers.get(line, f"could not understand: '{line}'")


@pytest.fixture
def dashboard(clock: JumpClock) -> Dashboard:
    return Dashboard(clock)


@pytest.fixture
def make(
    dashboard: Dashboard,
    serve_socket: Callable[..., FakeSocket],
    gate: FakeGate,
    clock: JumpClock,
    noted: Noted,
    bus: Bus,
) -> Callable[..., URRobot]:
    server = serve_socket(by_line(lambda line: dashboard.respond(line), end=b"\n"))

    def make(**options: object) -> URRobot:
        address = f"socket://127.0.0.1:{server.port}"
        robot = build("robot-1", "ur-robot", address, {"quiet": 0.01, **options}, gate, clock, noted, bus)
        assert isinstance(robot, URRobot)
        robot.dashboard.link.act_timeout_s = robot.dashboard.link.timeout_s = 0.05
        return robot

    return make


@pytest.fixture
def robot(make: Callable[..., URRobot]) -> URRobot:
    return make()


def test_a_play_whose_reply_was_lost_is_settled_by_looking_and_never_repeated(
    robot: URRobot, dashboard: Dashboard, clock: JumpClock
) -> None:
    dashboard.lost = {"play"}
    assert end_of(clock, robot.set("move", **MOVE)) is None
    assert dashboard.lines.count("play") == 1


def test_a_play_that_may_not_have_arrived_says_that_it_is_unknown(
    robot: URRobot, dashboard: Dashboard, clock: JumpClock
) -> None:
    dashboard.deaf = {"play"}
    error = end_of(clock, robot.set("move", **MOVE))
    assert isinstance(error, ActionFailedError)
    assert str(error) == (
        f"robot-1: {NAME} was told to play and never seen to run: whether it did is unknown, look where the labware is"
    )
    assert dashboard.lines.count("play") == 1
    assert robot.inside.get() == "unknown"


def test_loading_whose_reply_was_lost_is_settled_by_asking(
    robot: URRobot, dashboard: Dashboard, clock: JumpClock
) -> None:
    dashboard.lost = {"load"}
    assert end_of(clock, robot.set("move", **MOVE)) is None
    assert dashboard.lines.count(f"load {NAME}") == 1


def test_a_program_that_does_not_load_never_plays(robot: URRobot, dashboard: Dashboard, clock: JumpClock) -> None:
    dashboard.deaf = {"load"}
    assert f"{NAME} is not loaded after 60 s" in str(end_of(clock, robot.set("move", **MOVE)))
    assert "play" not in dashboard.lines


def test_lines_that_came_by_themselves_answer_nothing(robot: URRobot, dashboard: Dashboard, clock: JumpClock) -> None:
    dashboard.stray = ["Connected: Universal Robots Dashboard Server", "Stopped", "Powering on"]
    look_at(robot)
    assert robot.robot_mode.get() == "RUNNING"


def test_one_look_that_says_stopped_ends_no_program(robot: URRobot, dashboard: Dashboard, clock: JumpClock) -> None:
    status = robot.set("move", **MOVE)
    clock.sleep_until(clock.now() + 10.2)
    honest, told = dashboard.respond, list[str]()

    def lie_once(line: str) -> list[str]:
        if line == "programState" and not told:
            told.append(line)
            return [f"STOPPED {NAME}"]
        return honest(line)

    dashboard.respond = lie_once  # type: ignore[method-assign]
    assert end_of(clock, status) is None
    assert clock.now() >= dashboard.ends_s


def test_a_state_that_there_is_not_is_asked_again(robot: URRobot, dashboard: Dashboard, clock: JumpClock) -> None:
    dashboard.answers["safetystatus"] = "Safetystatus: NORMBL"
    look_at(robot)
    assert (robot.comm_ok.get(), robot.safety_status.get()) == (0, "unknown")
    dashboard.answers["safetystatus"] = "Safetystatus: NORMAL"
    look_at(robot)
    assert robot.safety_status.get() == "NORMAL"


def test_another_program_than_ours_is_no_move_of_ours(robot: URRobot, dashboard: Dashboard, clock: JumpClock) -> None:
    status = robot.set("move", **MOVE)
    clock.sleep_until(clock.now() + 10.2)
    dashboard.loaded = "dance.urp"
    assert "was replaced by dance.urp: who commands the robot besides us?" in str(end_of(clock, status))


def test_a_program_that_is_over_at_the_first_look_was_never_seen_to_run(
    robot: URRobot, dashboard: Dashboard, clock: JumpClock
) -> None:
    dashboard.takes_s = 0.0
    assert "never seen to run: whether it did is unknown" in str(end_of(clock, robot.set("move", **MOVE)))


def test_what_is_said_to_play_and_was_never_seen_to_run_is_not_done(
    make: Callable[..., URRobot], dashboard: Dashboard, clock: JumpClock
) -> None:
    dashboard.takes_s = 0.0
    assert "never seen to run" in str(end_of(clock, make(programs={"home.urp": []}).set("play", program="home.urp")))


def test_a_stop_is_repeated_until_it_is_answered(robot: URRobot, dashboard: Dashboard, clock: JumpClock) -> None:
    dashboard.lost = {"stop"}
    assert end_of(clock, robot.set("stop")) is not None
    assert dashboard.lines.count("stop") == 3


def test_a_stop_of_nothing_may_be_refused(robot: URRobot, dashboard: Dashboard, clock: JumpClock) -> None:
    dashboard.answers["stop"] = "Failed to execute: stop"
    assert end_of(clock, robot.set("stop")) is None


def test_an_old_robot_knows_no_remote_control(make: Callable[..., URRobot], dashboard: Dashboard) -> None:
    for unknown in ("is in remote control", "safetystatus", "get serial number", "get robot model"):
        dashboard.answers.pop(unknown)
    dashboard.answers |= {"safetymode": "Safetymode: NORMAL", "PolyscopeVersion": "URSoftware 3.9.1.64192"}
    robot = make(series="CB3")
    assert robot.identify() == "URSoftware 3.9.1.64192"
    look_at(robot)
    assert (robot.safety_status.get(), robot.fault.get()) == ("NORMAL", "")


def test_it_must_be_the_robot_of_the_lab_file(make: Callable[..., URRobot], dashboard: Dashboard) -> None:
    with pytest.raises(WrongInstrumentError, match=r"has the serial number 20195500841, not 20200000001"):
        make(serial="20200000001").identify()


def test_what_is_no_robot_is_said_so(robot: URRobot, dashboard: Dashboard) -> None:
    dashboard.answers["PolyscopeVersion"] = "could not understand: 'PolyscopeVersion'"
    with pytest.raises(WrongInstrumentError, match=r"is no Universal Robot .*is the address right in the lab file"):
        robot.identify()


@pytest.mark.parametrize("options", [{"program": "{from}.urp"}, {"series": "X"}])
def test_options_that_mean_nothing_are_refused(make: Callable[..., URRobot], options: dict[str, object]) -> None:
    with pytest.raises(UnknownDriverError, match=r"robot-1: .*options in the lab file"):
        make(**options)


def test_its_signals_are_described(robot: URRobot) -> None:
    described = robot.describe()
    assert {"robot-1_safety_status", "robot-1_inside", "robot-1_carrying", "robot-1_comm_ok"} <= set(described)
