"""The lab service as the supervisor sees it."""

from __future__ import annotations

import threading
import time

import pytest

from lab.safety.supervisor.lab import LOST_AFTER_S, LabPresence
from tests.lab.guarded import F1, FakePeer


class Times:
    """A monotonic clock that a test sets."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_nobody_is_there_at_first() -> None:
    alive, values, _, running, _ = LabPresence().look()
    assert (alive, values, running) == (False, {}, frozenset())


def test_a_lab_lives_as_long_as_it_beats() -> None:
    now, peer = Times(), FakePeer()
    lab = LabPresence(now)
    assert lab.hello(peer, 1, ()) is None
    now.now_s += 0.9 * LOST_AFTER_S
    assert lab.beat(peer, {"f1.setpoint": 400.0}, [F1])
    now.now_s += 0.9 * LOST_AFTER_S
    alive, values, age_s, running, _ = lab.look()
    assert alive
    assert values == {"f1.setpoint": 400.0}
    assert running == {F1}
    assert age_s == pytest.approx(0.9 * LOST_AFTER_S)
    now.now_s += 0.2 * LOST_AFTER_S
    assert lab.look()[:2] == (False, {})


def test_what_ran_is_remembered_when_the_lab_is_gone() -> None:
    peer = FakePeer()
    lab = LabPresence()
    lab.hello(peer, 1, ())
    lab.beat(peer, {"f1.setpoint": 400.0}, [F1])
    lab.gone(peer)
    alive, values, _, running, left = lab.look()
    assert not alive
    assert not left
    assert values == {}
    assert running == {F1}


def test_a_lab_that_says_goodbye_has_left_and_what_ran_is_remembered() -> None:
    peer, ended = FakePeer(), list[str]()
    lab = LabPresence()
    lab.on_gone = lambda: ended.append("gone")
    lab.hello(peer, 1, ())
    lab.beat(peer, {"f1.setpoint": 400.0}, [F1])
    assert lab.bye(peer)
    assert lab.look()[:2] == (False, {})
    assert lab.look().left
    assert lab.look().running == {F1}
    lab.gone(peer)
    assert lab.look().left, "its connection closes after that"
    assert ended == ["gone"]
    assert not lab.beat(peer, {}, ())
    lab.hello(FakePeer(), 2, ())
    assert lab.look()[0::4] == (True, False)


def test_nobody_says_goodbye_for_the_lab() -> None:
    peer, stranger = FakePeer(), FakePeer()
    lab = LabPresence()
    assert not lab.bye(stranger)
    lab.hello(peer, 1, ())
    assert not lab.bye(stranger)
    assert lab.look().alive
    lab.gone(peer)
    assert not lab.bye(stranger)
    assert not lab.bye(peer), "one that was lost has not left"
    assert lab.look().left is False


def test_a_second_lab_is_refused_while_the_first_is_alive_and_takes_over_when_it_hangs() -> None:
    now, first, second = Times(), FakePeer(), FakePeer()
    lab = LabPresence(now)
    lab.hello(first, 11, ())
    why_not = lab.hello(second, 22, ())
    assert why_not is not None
    assert "process 11" in why_not
    assert not lab.beat(second, {}, ())
    now.now_s += 1.1 * LOST_AFTER_S
    assert lab.hello(second, 22, ()) is None
    assert first.dropped is not None
    lab.gone(first)
    assert lab.look()[0] is True


def test_a_stranger_cannot_beat_nor_answer_for_the_lab() -> None:
    peer, stranger = FakePeer(), FakePeer()
    lab = LabPresence()
    lab.hello(peer, 1, ["doser-1"])
    assert not lab.beat(stranger, {}, ())
    passed = lab.pass_stop("ada")
    assert passed is not None
    lab.stopped(stranger, "doser-1", None)
    assert passed.silent == ["doser-1"]


def test_a_stop_is_passed_on_and_each_device_answers_for_itself() -> None:
    peer = FakePeer()
    lab = LabPresence()
    lab.hello(peer, 1, ["doser-1", "mover-1", "xrd-1"])
    passed = lab.pass_stop("ada")
    assert passed is not None
    assert peer.sent == [{"stop": {"by": "ada"}}]
    lab.stopped(peer, "doser-1", None)
    lab.stopped(peer, "mover-1", "mover-1: busy")
    told: list[tuple[str, str | None]] = []
    passed.wait(time.monotonic() + 0.001, lambda device, why_not: told.append((device, why_not)))
    assert told == [("doser-1", None), ("mover-1", "mover-1: busy")]
    assert passed.silent == ["xrd-1"]


def test_waiting_ends_with_the_last_answer_and_not_at_the_deadline() -> None:
    peer = FakePeer()
    lab = LabPresence()
    lab.hello(peer, 1, ["doser-1"])
    passed = lab.pass_stop("ada")
    assert passed is not None
    waiting = threading.Thread(target=passed.wait, args=(time.monotonic() + 60.0,))
    waiting.start()
    lab.stopped(peer, "doser-1", None)
    waiting.join(1.0)
    assert not waiting.is_alive()


def test_without_a_lab_there_is_nobody_to_pass_a_stop_to() -> None:
    assert LabPresence().pass_stop("ada") is None
