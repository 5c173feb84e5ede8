"""The one clock of a laboratory: real, scaled, or jumping from event to event.

Everything that waits, ages or expires asks the clock that it was given. Three behave alike:

* `RealClock`: lab time is time.
* `ScaledClock`: lab time runs a constant factor faster, for demonstrations.
* `JumpClock`: lab time stands still while anybody works, and jumps to the next deadline when everybody
  waits; weeks pass in minutes, and wire traffic costs no lab time.

**Actors and turns.** Threads that live in lab time are *tasks* of the clock (`Clock.start`). Under a jump
clock exactly one of them has the *turn*; it runs until it waits, then the turn goes to the earliest
deadline, ties broken by task name. So a seed fixes the whole trace. The thread that makes the clock has
the first turn. A thread without a turn may set an `Event`, and do nothing else that waits. Where every task
waits and nothing is due, every wait raises `ClockStalledError`, from then on and in each of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from drivers.jump_clock import JUMP_EPOCH_S, ClockStalledError, JumpClock
from drivers.wall_clock import RealClock, ScaledClock

__all__ = [
    "JUMP_EPOCH_S",
    "Clock",
    "ClockStalledError",
    "Event",
    "JumpClock",
    "RealClock",
    "ScaledClock",
    "Task",
    "Timer",
]


class Timer(Protocol):
    """A callback that is due at a lab time."""

    def cancel(self) -> None:
        """Make the callback not happen; harmless after it did."""


class Event(Protocol):
    """A flag that tasks wait for in lab time."""

    def set(self) -> None:
        """Raise the flag; may be called from any thread."""

    def clear(self) -> None:
        """Lower the flag again."""

    def is_set(self) -> bool:
        """Whether the flag is up."""

    def wait(self, deadline_s: float | None = None) -> bool:
        """Wait for the flag until `deadline_s`, absolute lab time; return whether it is up.

        Raises:
            ClockStalledError: Under a jump clock, when nothing can happen any more.
        """


class Task(Protocol):
    """A thread that lives in lab time."""

    name: str

    def join(self, deadline_s: float | None = None) -> bool:
        """Wait in lab time until the thread has ended; return whether it has."""

    def suspend(self, until_s: float | None, resume: Callable[[], None]) -> None:
        """Wait without blocking: give up the turn, and have `resume` called with the turn given back.

        For event loops that act on behalf of a task. `resume` comes at `until_s`, after `wake`, or when a
        jump clock has stalled: there is no turn then, and `take_turn` raises `ClockStalledError`.
        """

    def wake(self) -> None:
        """End a `suspend` early; may be called from any thread, harmless when nothing is suspended."""

    def take_turn(self) -> None:
        """Block until the task has the turn, ending a `suspend` whose `resume` is no longer wanted."""


class Clock(Protocol):
    """What everything that lives in lab time may ask."""

    def now(self) -> float:
        """Lab time in POSIX seconds."""

    def sleep_until(self, t_s: float) -> None:
        """Wait until lab time `t_s`; return at once where it has passed.

        Raises:
            ClockStalledError: Under a jump clock that has stalled before.
        """

    def call_at(self, t_s: float, callback: Callable[[], None], name: str) -> Timer:
        """Have `callback` called at `t_s`; it must not wait."""

    def start(self, name: str, target: Callable[[], None]) -> Task:
        """Run `target` in a thread of its own that lives in lab time."""

    def event(self) -> Event:
        """Make a flag, down."""

    def current(self) -> Task:
        """The task that the calling thread is."""
