"""The mover, against lines on a socket."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from drivers.bus import Bus
from drivers.clock import JUMP_EPOCH_S, JumpClock
from drivers.devices.text_mover import TextMover
from drivers.errors import (
    ActionFailedError,
    CommandDeniedError,
    LimitError,
    RefusedError,
    WrongInstrumentError,
)
from drivers.registry import build
from tests.drivers.fakes import FakeGate, FakeSocket, Noted, by_line, end_of, look_at


class Robot:
    """A mover whose jobs take as long as they are told."""

    def __init__(self, clock: JumpClock) -> None:
        self.clock = clock
        self.lines: list[str] = []
        self.identity = "ID text-mover 1 SN-mover-1"
        self.takes_s = 30.0
        self.ends = "DONE"
        self.started_s = 0.0
        self.refuses: str | None = None
        self.jobs = 6
        self.lose_request = self.lose_reply = 0

    def respond(self, line: str) -> list[str]:
        self.lines.append(line)
        match line.split():
            case ["ID?"]:
                return [self.identity]
            case ["JOB?", number] if int(number) > self.jobs:
                return ["ERR no such job"]
            case ["JOB?", number] if int(number) < self.jobs:
                return [f"JOB {number} DONE"]
            case ["JOB?", number]:
                over = self.clock.now() >= self.started_s + self.takes_s
                return [f"JOB {number} {self.ends if over else 'BUSY'}"]
            case ["AT?", position]:
                return [f"AT {position} {'V001' if position == 'vials/1' else '-'}"]
            case ["DOOR?", furnace]:
                return [f"DOOR {furnace} CLOSED"]
            case ["STOP"]:
                self.takes_s, self.ends = 0.0, "FAILED stopped"
                return ["STOPPED"]
        if self.refuses:
            return [f"ERR {self.refuses}"]
        if self.lose_request:
            self.lose_request -= 1
            return []
        self.started_s = self.clock.now()
        self.jobs += 1
        if self.lose_reply:
            self.lose_reply -= 1
            return []
        return [f"JOB {self.jobs}"]


@pytest.fixture
def robot(clock: JumpClock) -> Robot:
    return Robot(clock)


@pytest.fixture
def mover(
    robot: Robot,
    serve_socket: Callable[..., FakeSocket],
    gate: FakeGate,
    clock: JumpClock,
    noted: Noted,
    bus: Bus,
) -> TextMover:
    server = serve_socket(by_line(lambda line: robot.respond(line), end=b"\n"))
    mover = build("mover-1", "text-mover", f"socket://127.0.0.1:{server.port}", {}, gate, clock, noted, bus)
    assert isinstance(mover, TextMover)
    return mover


@pytest.mark.parametrize(
    ("verb", "arguments", "line", "asked"),
    [
        (
            "move",
            {"from_position": "crucibles/1", "to_position": "furnace-1/1"},
            "MOVE crucibles/1 furnace-1/1",
            "move crucibles/1 furnace-1/1",
        ),
        (
            "pour",
            {"from_position": "vials/1", "to_position": "crucibles/1"},
            "POUR vials/1 crucibles/1 ALL",
            "pour vials/1 crucibles/1",
        ),
        (
            "pour",
            {"from_position": "crucibles/1", "to_position": "holders/1", "mass_mg": 80},
            "POUR crucibles/1 holders/1 80.00",
            "pour crucibles/1 holders/1",
        ),
        ("clean", {"position": "vials/1"}, "CLEAN vials/1", "clean vials/1"),
        ("head", {"doser": "doser-1", "number": 2}, "HEAD doser-1 2", "head doser-1 2"),
        ("door", {"furnace": "furnace-1", "open": True}, "DOOR furnace-1 OPEN", "door-open furnace-1.door"),
        ("door", {"furnace": "furnace-1", "open": False}, "DOOR furnace-1 CLOSE", "door-close furnace-1.door"),
    ],
)
def test_a_job_is_asked_of_the_gate_sent_once_and_watched_to_its_end(
    mover: TextMover,
    robot: Robot,
    clock: JumpClock,
    gate: FakeGate,
    verb: str,
    arguments: dict[str, object],
    line: str,
    asked: str,
) -> None:
    assert end_of(clock, mover.set(verb, **arguments)) is None
    assert robot.lines.count(line) == 1
    assert [command.describe() for command in gate.asked] == [asked]
    assert clock.now() == JUMP_EPOCH_S + 30
    assert mover.job.get() == "done"


def test_mixing_is_looked_at_rarely_until_it_should_be_over(mover: TextMover, robot: Robot, clock: JumpClock) -> None:
    robot.takes_s = 600.0
    mixing = mover.set("mix", position="mill-1/1", time_s=600.0, speed_rpm=300.0, method="ball-mill")
    assert end_of(clock, mixing) is None
    assert clock.now() == JUMP_EPOCH_S + 600
    told = robot.lines.index("MIX mill-1/1 600 300 ball-mill")
    assert robot.lines[told:].count("JOB? 7") == 10


def test_a_failed_job_says_why(mover: TextMover, robot: Robot, clock: JumpClock) -> None:
    robot.ends = "FAILED gripper lost it"
    error = end_of(clock, mover.set("clean", position="vials/1"))
    assert isinstance(error, ActionFailedError)
    assert str(error) == "mover-1: CLEAN vials/1 failed: gripper lost it"
    assert mover.job.get() == "failed: gripper lost it"


def test_a_refusal_keeps_the_movers_words(mover: TextMover, robot: Robot, clock: JumpClock) -> None:
    robot.refuses = "furnace door closed"
    error = end_of(clock, mover.set("move", from_position="crucibles/1", to_position="furnace-1/1"))
    assert isinstance(error, RefusedError)
    assert str(error) == "mover-1: MOVE crucibles/1 furnace-1/1: the mover refused: furnace door closed"


def test_a_job_that_never_ends_fails(mover: TextMover, robot: Robot, clock: JumpClock) -> None:
    robot.takes_s = 1e9
    error = end_of(clock, mover.set("clean", position="vials/1"))
    assert "CLEAN vials/1 is not done after 600 s" in str(error)


def test_what_is_no_position_reaches_neither_gate_nor_wire(mover: TextMover, gate: FakeGate) -> None:
    with pytest.raises(LimitError, match=r"mover-1: 'furnace-1' is no position"):
        mover.set("move", from_position="crucibles/1", to_position="furnace-1")
    assert gate.asked == []


def test_a_denied_door_stays_shut(mover: TextMover, robot: Robot, gate: FakeGate) -> None:
    gate.denied["door-open"] = "f1.over is 612 degC, limit 60 degC"
    with pytest.raises(CommandDeniedError, match=r"mover-1: door-open furnace-1\.door was denied: f1.over is 612"):
        mover.set("door", furnace="furnace-1", open=True)
    look_at(mover)
    assert set(robot.lines) == {"ID?"}


def test_what_stands_at_a_position_can_be_asked_for(mover: TextMover, clock: JumpClock) -> None:
    assert end_of(clock, mover.set("look-at", position="vials/1")) is None
    assert mover.labware.get() == "V001"
    assert end_of(clock, mover.set("look-at", position="vials/2")) is None
    assert mover.labware.get() == ""


def test_stopping_stands_still_and_fails_the_job(mover: TextMover, robot: Robot, clock: JumpClock) -> None:
    status = mover.set("clean", position="vials/1")
    clock.sleep_until(clock.now() + 5)
    mover.stop(success=True)
    assert "STOP" not in robot.lines
    mover.stop()
    assert "failed: stopped" in str(end_of(clock, status))


def test_it_says_who_it_is(mover: TextMover, robot: Robot) -> None:
    assert mover.identify() == "text-mover SN-mover-1"
    robot.identity = "Connected: Universal Robots Dashboard Server"
    with pytest.raises(WrongInstrumentError, match=r"mover-1: socket://127.0.0.1:\d+ is no text-mover"):
        mover.identify()


# ---------------------------------------------------------------- where the arm is


MOVE = {"from_position": "crucibles/1", "to_position": "furnace-1/1"}


def test_while_a_job_is_under_way_the_arm_is_where_it_reaches(mover: TextMover, clock: JumpClock) -> None:
    assert mover.inside.get() == ""
    status = mover.set("move", **MOVE)
    clock.sleep_until(clock.now() + 5)
    assert mover.inside.get() == "crucibles furnace-1"
    assert end_of(clock, status) is None
    assert mover.inside.get() == ""


def test_a_door_is_reached_for_too(mover: TextMover, clock: JumpClock) -> None:
    mover.set("door", furnace="furnace-1", open=True)
    clock.sleep_until(clock.now() + 5)
    assert mover.inside.get() == "furnace-1"


def test_after_a_job_that_failed_nobody_knows_where_the_arm_is_until_the_next_is_done(
    mover: TextMover, robot: Robot, clock: JumpClock
) -> None:
    robot.ends = "FAILED gripper"
    assert end_of(clock, mover.set("move", **MOVE)) is not None
    assert mover.inside.get() == "unknown"
    robot.ends = "DONE"
    status = mover.set("clean", position="mill-1/1")
    clock.sleep_until(clock.now() + 5)
    assert mover.inside.get() == "unknown mill-1"
    assert end_of(clock, status) is None
    assert mover.inside.get() == ""


def test_a_job_that_is_refused_leaves_the_arm_where_it_was(mover: TextMover, robot: Robot, clock: JumpClock) -> None:
    robot.refuses = "nothing there"
    assert isinstance(end_of(clock, mover.set("move", **MOVE)), RefusedError)
    assert mover.inside.get() == ""


def test_after_a_job_that_was_stopped_nobody_knows_where_the_arm_is(
    mover: TextMover, robot: Robot, clock: JumpClock, gate: FakeGate
) -> None:
    status = mover.set("move", **MOVE)
    clock.sleep_until(clock.now() + 5)
    assert end_of(clock, mover.set("stop")) is None
    assert robot.lines.count("STOP") == 1
    assert gate.asked[-1].describe() == "stop"
    assert isinstance(end_of(clock, status), ActionFailedError)
    assert mover.inside.get() == "unknown"


@pytest.mark.parametrize("stop", [TextMover.stop, TextMover.halt])
def test_a_move_that_is_still_queued_at_a_stop_does_not_begin(
    mover: TextMover, robot: Robot, clock: JumpClock, stop: Callable[[TextMover], object]
) -> None:
    cleaning = mover.set("clean", position="vials/1")
    stop(mover)
    error = end_of(clock, cleaning)
    assert isinstance(error, ActionFailedError)
    assert str(error) == "mover-1: clean was given up, because it was stopped after that was asked for"
    assert "CLEAN vials/1" not in robot.lines
    assert mover.inside.get() == ""
    robot.takes_s, robot.ends = 30.0, "DONE"
    assert end_of(clock, mover.set("clean", position="vials/1")) is None


def test_a_queued_move_goes_on_after_success(mover: TextMover, robot: Robot, clock: JumpClock) -> None:
    cleaning = mover.set("clean", position="vials/1")
    mover.stop(success=True)
    assert end_of(clock, cleaning) is None
    assert robot.lines.count("CLEAN vials/1") == 1


# ---------------------------------------------------------------- replies that are lost


@pytest.fixture
def impatient(mover: TextMover) -> TextMover:
    mover.link.act_timeout_s = 0.05
    return mover


def test_a_job_whose_reply_was_lost_is_found_by_its_number_and_not_told_again(
    impatient: TextMover, robot: Robot, clock: JumpClock
) -> None:
    robot.lose_reply = 1
    assert end_of(clock, impatient.set("move", **MOVE)) is None
    assert robot.lines.count("MOVE crucibles/1 furnace-1/1") == 1
    assert impatient.inside.get() == ""


def test_a_job_that_did_not_arrive_is_told_again(impatient: TextMover, robot: Robot, clock: JumpClock) -> None:
    robot.lose_request = 1
    assert end_of(clock, impatient.set("move", **MOVE)) is None
    assert robot.lines.count("MOVE crucibles/1 furnace-1/1") == 2
    assert robot.jobs == 7


def test_a_job_that_never_arrives_has_moved_nothing(impatient: TextMover, robot: Robot, clock: JumpClock) -> None:
    robot.lose_request = 99
    error = end_of(clock, impatient.set("move", **MOVE))
    assert str(error) == "mover-1: was told MOVE crucibles/1 furnace-1/1 3 times and has begun nothing"
    assert impatient.inside.get() == ""


def test_a_job_that_did_not_arrive_is_not_told_again_after_a_stop(
    impatient: TextMover, robot: Robot, clock: JumpClock
) -> None:
    robot.lose_request = 99
    status = impatient.set("move", **MOVE)
    clock.sleep_until(clock.now() + 1.5)
    assert end_of(clock, impatient.set("stop")) is None
    assert "given up, because it was stopped" in str(end_of(clock, status))
    assert robot.lines.count("MOVE crucibles/1 furnace-1/1") == 1


def test_a_mover_that_was_switched_off_counts_from_the_start(mover: TextMover, robot: Robot, clock: JumpClock) -> None:
    assert end_of(clock, mover.set("move", **MOVE)) is None
    robot.jobs = 0
    assert end_of(clock, mover.set("move", **MOVE)) is None
    assert robot.jobs == 1


@pytest.mark.parametrize("jobs", [0, 6])
def test_a_job_that_a_loss_of_power_may_have_wiped_out_is_not_told_again(
    impatient: TextMover, robot: Robot, clock: JumpClock, jobs: int
) -> None:
    robot.jobs = jobs
    honest = robot.respond

    def die_over_it(line: str) -> list[str]:
        if line.startswith("MOVE"):
            robot.lines.append(line)
            robot.jobs = 0
            return []
        return honest(line)

    robot.respond = die_over_it  # type: ignore[method-assign]
    error = str(end_of(clock, impatient.set("move", **MOVE)))
    assert "was it switched off" in error
    assert robot.lines.count("MOVE crucibles/1 furnace-1/1") == 1
    assert impatient.inside.get() == "unknown"


def test_a_job_that_got_another_number_is_not_told_again(mover: TextMover, robot: Robot, clock: JumpClock) -> None:
    honest = robot.respond

    def begin_anew(line: str) -> list[str]:
        if line.startswith("MOVE"):
            robot.jobs = 0
        return honest(line)

    robot.respond = begin_anew  # type: ignore[method-assign]
    assert "was it switched off" in str(end_of(clock, mover.set("move", **MOVE)))
    assert robot.jobs == 1


def test_an_answer_about_another_job_or_position_is_none(mover: TextMover, robot: Robot, clock: JumpClock) -> None:
    honest = robot.respond
    robot.respond = lambda line: ["AT vials/9 V009"] if line.startswith("AT?") else honest(line)  # type: ignore[method-assign]
    assert "does not tell of vials/1" in str(end_of(clock, mover.set("look-at", position="vials/1")))


def test_another_mover_behind_the_address_is_an_error(mover: TextMover, robot: Robot) -> None:
    assert mover.identify() == "text-mover SN-mover-1"
    robot.identity = "ID text-mover 1 SN-mover-2"
    with pytest.raises(WrongInstrumentError, match=r"SN-mover-2 answers at .*, and SN-mover-1 did before"):
        mover.identify()


def test_a_mover_that_is_switched_off_under_way_has_failed(mover: TextMover, robot: Robot, clock: JumpClock) -> None:
    status = mover.set("move", **MOVE)
    clock.sleep_until(clock.now() + 5)
    robot.jobs = 0
    assert str(end_of(clock, status)) == "mover-1: knows of no job 7 any more: was it switched off?"
    assert mover.inside.get() == "unknown"


def test_a_job_that_is_denied_once_is_asked_for_again_before_another_is_taken_for_it(
    mover: TextMover, robot: Robot, clock: JumpClock
) -> None:
    honest, told = robot.respond, list[str]()

    def deny_the_last_once(line: str) -> list[str]:
        if line == "JOB? 6" and not told:
            told.append(line)
            return ["ERR no such job"]
        return honest(line)

    robot.respond = deny_the_last_once  # type: ignore[method-assign]
    assert end_of(clock, mover.set("door", furnace="furnace-1", open=True)) is None
    assert told
    assert clock.now() >= robot.started_s + robot.takes_s


def test_a_stop_that_comes_before_the_mover_has_answered_reaches_it(
    mover: TextMover, robot: Robot, clock: JumpClock
) -> None:
    respond = robot.respond

    def stopped_meanwhile(line: str) -> list[str]:
        answer = respond(line)
        if line.startswith("MOVE"):
            mover.stop()
        return answer

    robot.respond = stopped_meanwhile  # type: ignore[method-assign]
    error = end_of(clock, mover.set("move", from_position="vials/1", to_position="mill-1/1"))
    assert isinstance(error, ActionFailedError)
    assert "STOP" in robot.lines
