"""The promise of an action."""

from __future__ import annotations

import threading

import pytest
from bluesky.protocols import Status

from drivers.clock import ClockStalledError, JumpClock
from drivers.status import ActionStatus, Waiter


def test_a_new_action_is_neither_done_nor_successful() -> None:
    status = ActionStatus("furnace-1", "run-program")
    assert isinstance(status, Status)
    assert not status.done
    assert not status.success
    assert status.exception() is None


def test_callbacks_come_at_the_end_and_later_ones_at_once() -> None:
    status = ActionStatus("furnace-1", "run-program")
    told: list[ActionStatus] = []
    status.add_callback(told.append)
    assert told == []
    status.set_finished()
    assert told == [status]
    status.add_callback(told.append)
    assert told == [status, status]
    assert status.success


def test_a_failed_action_keeps_its_cause() -> None:
    status = ActionStatus("furnace-1", "run-program")
    cause = ValueError("sensor break")
    status.set_exception(cause)
    assert status.done
    assert not status.success
    assert status.exception() is cause


def test_an_action_ends_once() -> None:
    status = ActionStatus("furnace-1", "run-program")
    status.set_finished()
    with pytest.raises(RuntimeError, match="furnace-1: run-program ended twice"):
        status.set_exception(ValueError())


def test_giving_up_spares_an_action_that_has_ended() -> None:
    ended, pending = ActionStatus("furnace-1", "run-program"), ActionStatus("furnace-1", "wait-cooled")
    ended.set_finished()
    for status in (ended, pending):
        status.give_up(ValueError("the bus ended"))
    assert ended.success
    assert str(pending.exception()) == "the bus ended"


def wait_for(clock: JumpClock, *statuses: ActionStatus) -> list[str]:
    """Wait as the engine's loop does: another thread suspends the task, a third thread gives the turn back."""
    told: list[str] = []
    start_s = clock.now()
    for status in statuses:
        status.add_callback(lambda ended: told.append(f"{ended.action}@{clock.now() - start_s:g}"))
    waiter = Waiter(clock.current(), statuses)
    over = threading.Event()
    for status in statuses:
        status.add_callback(lambda ended: over.set() if not ended.success or all(s.done for s in statuses) else None)
    waiter.suspend()
    over.wait()
    waiter.stop_waiting()
    return told


def test_a_waiting_task_goes_on_when_all_actions_have_ended(clock: JumpClock) -> None:
    first, second = ActionStatus("d", "first"), ActionStatus("d", "second")
    clock.call_at(clock.now() + 5, first.set_finished, "one")
    clock.call_at(clock.now() + 9, second.set_finished, "two")
    assert wait_for(clock, first, second) == ["first@9", "second@9"]


def test_a_failure_ends_the_wait_at_once(clock: JumpClock) -> None:
    first, second = ActionStatus("d", "first"), ActionStatus("d", "second")
    clock.call_at(clock.now() + 5, lambda: first.set_exception(ValueError()), "one")
    assert wait_for(clock, first, second) == ["first@5"]


def test_actions_that_have_ended_already_are_not_waited_for(clock: JumpClock) -> None:
    status = ActionStatus("d", "first")
    status.set_finished()
    assert wait_for(clock, status) == ["first@0"]


def test_what_is_waited_for_in_a_stalled_clock_fails_and_leaves_nobody_waiting(clock: JumpClock) -> None:
    first, second = ActionStatus("d", "first"), ActionStatus("d", "second")
    clock.call_at(clock.now() + 5, first.set_finished, "one")
    with pytest.raises(ClockStalledError, match="every task waits"):
        wait_for(clock, first, second)
    assert first.success
    assert str(second.exception()) == "d: second cannot end any more: the clock has stalled"
