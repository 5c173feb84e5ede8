"""The one clock of a laboratory: real, scaled, or jumping from event to event.

Everything that waits, ages or expires asks the clock that it was given. Three behave alike:

* `RealClock`: lab time is time.
* `ScaledClock`: lab time runs a constant factor faster, for demonstrations.
* `JumpClock`: lab time stands still while anybody works, and jumps to the next deadline when everybody
  waits; weeks pass in minutes, and wire traffic costs no lab time.

**Actors and turns.** Threads that live in lab time are *tasks* of the clock (`Clock.start`). Under a jump
clock exactly one of them has the *turn*; it runs until it waits, then the turn goes to the earliest
deadline, ties broken by task name. So a seed fixes the whole trace. The thread that makes the clock has
the first turn. A thread without a turn may set an `Event`, and do nothing else that waits.
"""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable
from contextvars import copy_context
from typing import Protocol

JUMP_EPOCH_S = 1_767_225_600.0
"""2026-01-01T00:00:00Z: where simulated time starts, so that equal seeds give equal time stamps."""


class ClockStalledError(RuntimeError):
    """Everybody waits and nothing is due: the laboratory would stand still for ever."""


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
        """Wait for the flag until `deadline_s`, absolute lab time; return whether it is up."""


class Task(Protocol):
    """A thread that lives in lab time."""

    name: str

    def join(self, deadline_s: float | None = None) -> bool:
        """Wait in lab time until the thread has ended; return whether it has."""

    def suspend(self, until_s: float | None, resume: Callable[[], None]) -> None:
        """Wait without blocking: give up the turn, and have `resume` called with the turn given back.

        For event loops that act on behalf of a task. `resume` comes at `until_s` or after `wake`.
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
        """Wait until lab time `t_s`; return at once where it has passed."""

    def call_at(self, t_s: float, callback: Callable[[], None], name: str) -> Timer:
        """Have `callback` called at `t_s`; it must not wait."""

    def start(self, name: str, target: Callable[[], None]) -> Task:
        """Run `target` in a thread of its own that lives in lab time."""

    def event(self) -> Event:
        """Make a flag, down."""

    def current(self) -> Task:
        """The task that the calling thread is."""


# ---------------------------------------------------------------- jump


class _Entry:
    """One thing that is due, in a heap ordered by time, then name, then arrival."""

    __slots__ = ("cancelled", "resume", "task")

    def __init__(self, task: _JumpTask | None, resume: Callable[[], None]) -> None:
        self.task = task
        self.resume = resume
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class _JumpTask:
    """A thread of a `JumpClock`; at most one of them has the turn."""

    def __init__(self, clock: JumpClock, name: str) -> None:
        self.name = name
        self._clock = clock
        self._entry: _Entry | None = None
        self._resume: Callable[[], None] = _nothing
        self._finished = _JumpEvent(clock)

    def join(self, deadline_s: float | None = None) -> bool:
        return self._finished.wait(deadline_s)

    def suspend(self, until_s: float | None, resume: Callable[[], None]) -> None:
        self._clock._suspend(self, until_s, resume)

    def wake(self) -> None:
        self._clock._wake(self)

    def take_turn(self) -> None:
        self._clock._take_turn(self)


class _JumpEvent:
    def __init__(self, clock: JumpClock) -> None:
        self._clock = clock
        self._up = False
        self._waiting: list[_JumpTask] = []

    def set(self) -> None:
        with self._clock._lock:
            self._up = True
            waiting, self._waiting = self._waiting, []
            for task in waiting:
                self._clock._wake(task)

    def clear(self) -> None:
        self._up = False

    def is_set(self) -> bool:
        return self._up

    def wait(self, deadline_s: float | None = None) -> bool:
        task = self._clock.current()
        with self._clock._lock:
            if self._up:
                return True
            self._waiting.append(task)
        self._clock._block(task, deadline_s)
        with self._clock._lock:
            if task in self._waiting:
                self._waiting.remove(task)
        return self._up


class JumpClock:
    """Lab time that jumps to the next deadline whenever everybody waits."""

    def __init__(self, start_s: float = JUMP_EPOCH_S) -> None:
        self._now_s = start_s
        self._lock = threading.RLock()
        self._heap: list[tuple[float, str, int, _Entry]] = []
        self._arrivals = 0
        self._local = threading.local()
        self._holder: _JumpTask | None = _JumpTask(self, "main")
        self._local.task = self._holder

    def now(self) -> float:
        return self._now_s

    def current(self) -> _JumpTask:
        task: _JumpTask | None = getattr(self._local, "task", None)
        if task is None:
            name = threading.current_thread().name
            raise RuntimeError(
                f"thread {name!r} waits in lab time but is no task of the clock: start it with Clock.start"
            )
        return task

    def sleep_until(self, t_s: float) -> None:
        if t_s > self._now_s:
            self._block(self.current(), t_s)

    def event(self) -> Event:
        return _JumpEvent(self)

    def call_at(self, t_s: float, callback: Callable[[], None], name: str) -> Timer:
        with self._lock:
            return self._push(t_s, name, _Entry(None, callback))

    def start(self, name: str, target: Callable[[], None]) -> Task:
        task = _JumpTask(self, name)
        has_turn = threading.Event()
        context = copy_context()

        def run() -> None:
            self._local.task = task
            has_turn.wait()
            try:
                context.run(target)
            finally:
                task._finished.set()
                self._release(task)

        with self._lock:
            task._entry = self._push(self._now_s, name, _Entry(task, has_turn.set))
        threading.Thread(target=run, name=name, daemon=True).start()
        return task

    # -- turns

    def _push(self, t_s: float, name: str, entry: _Entry) -> _Entry:
        self._arrivals += 1
        heapq.heappush(self._heap, (max(t_s, self._now_s), name, self._arrivals, entry))
        return entry

    def _block(self, task: _JumpTask, until_s: float | None) -> None:
        has_turn = threading.Event()
        self._suspend(task, until_s, has_turn.set)
        has_turn.wait()

    def _suspend(self, task: _JumpTask, until_s: float | None, resume: Callable[[], None]) -> None:
        with self._lock:
            task._resume = resume
            task._entry = _Entry(task, resume)
            if until_s is not None:
                self._push(until_s, task.name, task._entry)
        self._release(task)

    def _wake(self, task: _JumpTask) -> None:
        with self._lock:
            waiting = task._entry
            if waiting is None or self._holder is task:
                return
            waiting.cancel()
            task._entry = self._push(self._now_s, task.name, _Entry(task, task._resume))

    def _take_turn(self, task: _JumpTask) -> None:
        has_turn = threading.Event()
        with self._lock:
            if self._holder is task:
                return
            if task._entry is not None:
                task._entry.cancel()
            task._resume = has_turn.set
            task._entry = self._push(self._now_s, task.name, _Entry(task, has_turn.set))
        has_turn.wait()

    def _release(self, task: _JumpTask) -> None:
        """Pass the turn on; the calling thread runs due callbacks until a task takes over."""
        with self._lock:
            if self._holder is not task:
                return
            self._holder = None
        while True:
            with self._lock:
                entry = self._pop()
                if entry.task is not None:
                    entry.task._entry = None
                    self._holder = entry.task
            entry.resume()
            if entry.task is not None:
                return

    def _pop(self) -> _Entry:
        while self._heap:
            t_s, _, _, entry = heapq.heappop(self._heap)
            if not entry.cancelled:
                self._now_s = max(self._now_s, t_s)
                return entry
        raise ClockStalledError(
            "every task waits without a deadline: nothing in this laboratory can happen any more"
        )


# ---------------------------------------------------------------- real and scaled


class _WallTask:
    """A plain thread; turns mean nothing when time passes by itself."""

    def __init__(self, clock: ScaledClock, name: str) -> None:
        self.name = name
        self._clock = clock
        self._lock = threading.Lock()
        self._resume: Callable[[], None] | None = None
        self._timer: Timer | None = None
        self._finished = _WallEvent(clock)

    def join(self, deadline_s: float | None = None) -> bool:
        return self._finished.wait(deadline_s)

    def suspend(self, until_s: float | None, resume: Callable[[], None]) -> None:
        with self._lock:
            self._resume = resume
        if until_s is not None:
            self._timer = self._clock.call_at(until_s, self.wake, self.name)

    def wake(self) -> None:
        resume = self._forget()
        if resume is not None:
            resume()

    def take_turn(self) -> None:
        self._forget()

    def _forget(self) -> Callable[[], None] | None:
        with self._lock:
            resume, self._resume = self._resume, None
        if self._timer is not None:
            self._timer.cancel()
        return resume


class _WallEvent:
    def __init__(self, clock: ScaledClock) -> None:
        self._clock = clock
        self._event = threading.Event()
        self.set, self.clear, self.is_set = self._event.set, self._event.clear, self._event.is_set

    def wait(self, deadline_s: float | None = None) -> bool:
        if deadline_s is None:
            return self._event.wait()
        return self._event.wait(max(0.0, (deadline_s - self._clock.now()) / self._clock.speed))


class ScaledClock:
    """Lab time that runs `speed` times as fast as the wall's, from a monotonic source."""

    def __init__(self, speed: float, start_s: float | None = None) -> None:
        if not speed > 0:
            raise ValueError(f"a clock's speed is a positive factor, not {speed!r}")
        self.speed = speed
        self._start_s = time.time() if start_s is None else start_s
        self._origin_s = time.monotonic()
        self._due: list[tuple[float, int, _Entry]] = []
        self._changed = threading.Condition()
        self._arrivals = 0
        self._runner: threading.Thread | None = None
        self._local = threading.local()

    def now(self) -> float:
        return self._start_s + (time.monotonic() - self._origin_s) * self.speed

    def current(self) -> Task:
        if not hasattr(self._local, "task"):
            self._local.task = _WallTask(self, threading.current_thread().name)
        task: Task = self._local.task
        return task

    def sleep_until(self, t_s: float) -> None:
        while (left_s := t_s - self.now()) > 0:
            time.sleep(left_s / self.speed)

    def event(self) -> Event:
        return _WallEvent(self)

    def call_at(self, t_s: float, callback: Callable[[], None], name: str) -> Timer:
        entry = _Entry(None, callback)
        with self._changed:
            self._arrivals += 1
            heapq.heappush(self._due, (t_s, self._arrivals, entry))
            if self._runner is None:
                self._runner = threading.Thread(target=self._run_timers, name="clock", daemon=True)
                self._runner.start()
            self._changed.notify()
        return entry

    def start(self, name: str, target: Callable[[], None]) -> Task:
        task = _WallTask(self, name)
        context = copy_context()

        def run() -> None:
            self._local.task = task
            try:
                context.run(target)
            finally:
                task._finished.set()

        threading.Thread(target=run, name=name, daemon=True).start()
        return task

    def _run_timers(self) -> None:
        while True:
            with self._changed:
                while not self._due or self._due[0][0] > self.now():
                    self._changed.wait((self._due[0][0] - self.now()) / self.speed if self._due else None)
                entry = heapq.heappop(self._due)[2]
            if not entry.cancelled:
                entry.resume()


class RealClock(ScaledClock):
    """Lab time that is time, stepped neither by leap seconds nor by an operator."""

    def __init__(self) -> None:
        super().__init__(1.0)


def _nothing() -> None:
    return None
