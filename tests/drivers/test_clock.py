"""Lab time: jumping, scaled and real."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from drivers.clock import JUMP_EPOCH_S, ClockStalledError, JumpClock, RealClock, ScaledClock


def test_a_jump_clock_starts_at_its_epoch_and_jumps_over_a_week_at_once(clock: JumpClock) -> None:
    assert clock.now() == JUMP_EPOCH_S
    clock.sleep_until(JUMP_EPOCH_S + 7 * 86400)
    assert clock.now() == JUMP_EPOCH_S + 7 * 86400


def test_a_time_that_has_passed_is_not_waited_for(clock: JumpClock) -> None:
    clock.sleep_until(clock.now() - 1)
    assert clock.now() == JUMP_EPOCH_S


def test_tasks_take_turns_in_the_order_of_their_deadlines(clock: JumpClock) -> None:
    seen: list[tuple[str, float]] = []

    def worker(name: str, period_s: float) -> None:
        for _ in range(3):
            clock.sleep_until(clock.now() + period_s)
            seen.append((name, clock.now() - JUMP_EPOCH_S))

    tasks = [clock.start(name, lambda n=name, p=period_s: worker(n, p)) for name, period_s in (("b", 2), ("a", 3))]  # type: ignore[misc]
    assert all(task.join() for task in tasks)
    assert seen == [("b", 2), ("a", 3), ("b", 4), ("a", 6), ("b", 6), ("a", 9)]


def test_equal_deadlines_go_by_name_whatever_the_order_of_starting(clock: JumpClock) -> None:
    order: list[str] = []
    tasks = [clock.start(name, lambda n=name: order.append(n)) for name in ("c", "a", "b")]  # type: ignore[misc]
    for task in tasks:
        task.join()
    assert order == ["a", "b", "c"]


def test_only_one_task_runs_at_a_time(clock: JumpClock) -> None:
    running: list[str] = []
    worst = 0

    def worker(name: str) -> None:
        nonlocal worst
        for _ in range(20):
            running.append(name)
            worst = max(worst, len(running))
            running.remove(name)
            clock.sleep_until(clock.now() + 1)

    tasks = [clock.start(name, lambda n=name: worker(n)) for name in "abcd"]  # type: ignore[misc]
    for task in tasks:
        task.join()
    assert worst == 1


def test_an_event_set_by_another_task_ends_the_wait_then(clock: JumpClock) -> None:
    event = clock.event()
    clock.call_at(clock.now() + 30, event.set, "bell")
    assert event.wait(clock.now() + 100)
    assert clock.now() == JUMP_EPOCH_S + 30


def test_an_event_that_nobody_sets_is_given_up_at_the_deadline(clock: JumpClock) -> None:
    event = clock.event()
    assert not event.wait(clock.now() + 10)
    assert clock.now() == JUMP_EPOCH_S + 10


def test_an_event_can_be_lowered_and_raised_again(clock: JumpClock) -> None:
    event = clock.event()
    event.set()
    event.clear()
    assert not event.is_set()
    assert not event.wait(clock.now() + 1)


def test_a_cancelled_timer_does_not_ring(clock: JumpClock) -> None:
    rung: list[float] = []
    timer = clock.call_at(clock.now() + 5, lambda: rung.append(clock.now()), "bell")
    timer.cancel()
    clock.sleep_until(clock.now() + 10)
    assert rung == []


def test_everybody_waiting_for_nothing_is_an_error_and_no_hang(clock: JumpClock) -> None:
    with pytest.raises(ClockStalledError, match=r"every task waits without a deadline \(main\)"):
        clock.event().wait()


def test_a_task_that_ends_while_main_waits_for_ever_makes_mains_wait_an_error(clock: JumpClock) -> None:
    clock.start("last", lambda: clock.sleep_until(clock.now() + 5))
    with pytest.raises(ClockStalledError):
        clock.event().wait()
    assert clock.now() == JUMP_EPOCH_S + 5


def test_a_stall_reaches_everybody_who_waits_and_is_logged_once(
    clock: JumpClock, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[str] = []

    def wait_for_ever(name: str) -> None:
        try:
            clock.event().wait()
        except ClockStalledError:
            told.append(name)
            raise

    threads = set(threading.enumerate())
    for name in "ba":
        clock.start(name, lambda n=name: wait_for_ever(n))  # type: ignore[misc]
    waiting = set(threading.enumerate()) - threads
    with pytest.raises(ClockStalledError, match=r"\(main, a, b\)"):
        clock.event().wait()
    for thread in waiting:
        thread.join(2.0)
    assert sorted(told) == ["a", "b"]
    assert len(caplog.records) == 1


def test_in_a_stalled_clock_no_wait_begins_any_more(clock: JumpClock) -> None:
    with pytest.raises(ClockStalledError):
        clock.event().wait()
    event = clock.event()
    waits: list[Callable[[], object]] = [
        lambda: clock.sleep_until(clock.now() + 1),
        lambda: event.wait(clock.now() + 1),
        lambda: clock.start("late", lambda: None),
        lambda: clock.current().take_turn(),
    ]
    for wait in waits:
        with pytest.raises(ClockStalledError):
            wait()
    event.set()
    assert event.wait()


def test_a_stall_resumes_what_is_suspended(clock: JumpClock) -> None:
    resumed = threading.Event()
    clock.start("last", lambda: clock.sleep_until(clock.now() + 5))
    clock.current().suspend(None, resumed.set)
    assert resumed.wait(2.0)
    with pytest.raises(ClockStalledError):
        clock.current().take_turn()
    resumed.clear()
    clock.current().suspend(clock.now() + 5, resumed.set)
    assert resumed.is_set()


def test_a_foreign_thread_may_not_wait_in_lab_time(clock: JumpClock) -> None:
    caught: list[BaseException] = []

    def foreign() -> None:
        try:
            clock.sleep_until(clock.now() + 1)
        except RuntimeError as error:
            caught.append(error)

    thread = threading.Thread(target=foreign, name="stranger")
    thread.start()
    thread.join()
    assert "stranger" in str(caught[0])
    assert "Clock.start" in str(caught[0])


def test_a_foreign_thread_may_set_an_event(clock: JumpClock) -> None:
    event = clock.event()
    thread = threading.Thread(target=event.set)
    clock.call_at(clock.now() + 1, thread.start, "starter")
    clock.call_at(clock.now() + 2, thread.join, "joiner")
    assert event.wait(clock.now() + 100)


def test_joining_a_long_task_can_be_given_up(clock: JumpClock) -> None:
    task = clock.start("long", lambda: clock.sleep_until(clock.now() + 100))
    assert not task.join(clock.now() + 10)
    assert task.join()


@pytest.mark.parametrize("speed", [0.0, -1.0, float("nan")])
def test_a_clock_does_not_stand_or_run_backwards(speed: float) -> None:
    with pytest.raises(ValueError, match="positive"):
        ScaledClock(speed)


def test_a_scaled_clock_runs_as_much_faster_as_it_is_told() -> None:
    clock = ScaledClock(1000.0, start_s=0.0)
    clock.sleep_until(5.0)
    assert 5.0 <= clock.now() < 1000.0


def test_a_scaled_clock_has_tasks_events_and_timeouts() -> None:
    clock = ScaledClock(1000.0)
    event = clock.event()

    def ring_later() -> None:
        clock.sleep_until(clock.now() + 2)
        event.set()

    task = clock.start("setter", ring_later)
    assert event.wait(clock.now() + 1000)
    assert task.join(clock.now() + 1000)
    assert not clock.event().wait(clock.now() + 1)


def test_a_real_clock_tells_the_time() -> None:
    assert RealClock().speed == 1.0


def break_down() -> None:
    raise RuntimeError("a defect")


def test_timers_of_a_scaled_clock_ring_after_one_that_failed(caplog: pytest.LogCaptureFixture) -> None:
    clock = ScaledClock(1000.0)
    rung, rung_later = threading.Event(), threading.Event()
    clock.call_at(clock.now() + 1, break_down, "broken")
    clock.call_at(clock.now() + 2, rung.set, "bell")
    assert rung.wait(2.0)
    clock.call_at(clock.now() + 1, rung_later.set, "bell")
    assert rung_later.wait(2.0)
    assert "the timer broken failed" in caplog.text
    assert "a defect" in caplog.text


def test_a_callback_that_fails_ends_nobodys_wait_in_a_jump_clock(
    clock: JumpClock, caplog: pytest.LogCaptureFixture
) -> None:
    event = clock.event()
    clock.call_at(clock.now() + 1, break_down, "broken")
    clock.call_at(clock.now() + 2, event.set, "bell")
    assert event.wait(clock.now() + 100)
    assert clock.now() == JUMP_EPOCH_S + 2
    assert "a callback of the clock failed" in caplog.text
    assert "a defect" in caplog.text
