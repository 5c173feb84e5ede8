"""Lab time that stands still while anybody works, and jumps to the next deadline when everybody waits.

Exactly one task has the *turn*. It runs until it waits; then the turn goes to the earliest deadline, ties
broken by task name and arrival, so a seed fixes the whole trace. The thread that makes the clock has the first
turn. Callbacks run in the thread that gave up the turn, before anybody else gets it.

Where nobody has a deadline any more, nothing can happen: the clock has *stalled*, for good. Every wait, under
way or yet to come, then raises `ClockStalledError`, and what is suspended is resumed.
"""

from __future__ import annotations

import heapq
import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context

log = logging.getLogger(__name__)

JUMP_EPOCH_S = 1_767_225_600.0
"""2026-01-01T00:00:00Z: where simulated time starts, so that equal seeds give equal time stamps."""


class ClockStalledError(RuntimeError):
    """Everybody waits and nothing is due: the laboratory would stand still for ever."""


class JumpClock:
    """Lab time that jumps; satisfies `drivers.clock.Clock`."""

    def __init__(self, start_s: float = JUMP_EPOCH_S) -> None:
        self._turns = _Turns(start_s)
        self._local = threading.local()
        self._local.task = self._turns.first

    def now(self) -> float:
        return self._turns.now_s

    def current(self) -> JumpTask:
        task: JumpTask | None = getattr(self._local, "task", None)
        if task is None:
            name = threading.current_thread().name
            raise RuntimeError(
                f"thread {name!r} waits in lab time but is no task of the clock: start it with Clock.start"
            )
        return task

    def sleep_until(self, t_s: float) -> None:
        if t_s > self.now():
            self._turns.block(self.current(), t_s)

    def event(self) -> JumpEvent:
        return JumpEvent(self, self._turns)

    def call_at(self, t_s: float, callback: Callable[[], None], name: str) -> Entry:
        return self._turns.push(t_s, name, Entry(None, callback))

    def start(self, name: str, target: Callable[[], None]) -> JumpTask:
        self._turns.check()
        task = JumpTask(name, self._turns, self.event())
        has_turn = threading.Event()
        context = copy_context()

        def run() -> None:
            self._local.task = task
            has_turn.wait()
            try:
                # A stall is no defect of this task, and whoever waits in lab time is told by itself.
                with suppress(ClockStalledError):
                    context.run(target)
            finally:
                task.finished.set()
                self._turns.release(task)

        task.entry = self._turns.push(self.now(), name, Entry(task, has_turn.set))
        threading.Thread(target=run, name=name, daemon=True).start()
        return task


class Entry:
    """One thing that is due: a task's turn, or a callback where `task` is None."""

    __slots__ = ("cancelled", "resume", "task")

    def __init__(self, task: JumpTask | None, resume: Callable[[], None]) -> None:
        self.task = task
        self.resume = resume
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class JumpTask:
    """A thread that lives in jumping time."""

    def __init__(self, name: str, turns: _Turns, finished: JumpEvent | None = None) -> None:
        self.name = name
        self.entry: Entry | None = None
        """Where it stands in the queue, while it waits."""
        self.resume: Callable[[], None] = _nothing
        """How it is told that it has the turn."""
        self._turns = turns
        self._finished = finished

    @property
    def finished(self) -> JumpEvent:
        if self._finished is None:
            raise RuntimeError(f"task {self.name!r} was not started by Clock.start, and its end cannot be waited for")
        return self._finished

    def join(self, deadline_s: float | None = None) -> bool:
        return self.finished.wait(deadline_s)

    def suspend(self, until_s: float | None, resume: Callable[[], None]) -> None:
        self._turns.suspend(self, until_s, resume)

    def wake(self) -> None:
        self._turns.wake(self)

    def take_turn(self) -> None:
        self._turns.take(self)


class JumpEvent:
    """A flag that tasks wait for in jumping time."""

    def __init__(self, clock: JumpClock, turns: _Turns) -> None:
        self._clock = clock
        self._turns = turns
        self._up = False
        self._waiting: list[JumpTask] = []

    def set(self) -> None:
        with self._turns.lock:
            self._up = True
            waiting, self._waiting = self._waiting, []
            for task in waiting:
                self._turns.wake(task)

    def clear(self) -> None:
        self._up = False

    def is_set(self) -> bool:
        return self._up

    def wait(self, deadline_s: float | None = None) -> bool:
        task = self._clock.current()
        with self._turns.lock:
            if self._up:
                return True
            self._waiting.append(task)
        self._turns.block(task, deadline_s)
        with self._turns.lock:
            if task in self._waiting:
                self._waiting.remove(task)
        return self._up


class _Turns:
    """Who has the turn, who is next, and what time it is."""

    def __init__(self, start_s: float) -> None:
        self.now_s = start_s
        self.lock = threading.RLock()
        self.first = JumpTask("main", self)
        self._holder: JumpTask | None = self.first
        self._heap: list[tuple[float, str, int, Entry]] = []
        self._arrivals = 0
        # Who waits without a deadline: nobody in the heap will ever tell them.
        self._endless: dict[JumpTask, None] = {}
        self._stalled: ClockStalledError | None = None

    def check(self) -> None:
        if self._stalled is not None:
            # One error for each thread: a traceback belongs to one.
            raise ClockStalledError(*self._stalled.args)

    def push(self, t_s: float, name: str, entry: Entry) -> Entry:
        with self.lock:
            self._arrivals += 1
            heapq.heappush(self._heap, (max(t_s, self.now_s), name, self._arrivals, entry))
        return entry

    def block(self, task: JumpTask, until_s: float | None) -> None:
        has_turn = threading.Event()
        self.suspend(task, until_s, has_turn.set)
        has_turn.wait()
        self.check()

    def suspend(self, task: JumpTask, until_s: float | None, resume: Callable[[], None]) -> None:
        with self.lock:
            task.resume = resume
            task.entry = Entry(task, resume)
            if until_s is None:
                self._endless[task] = None
            else:
                self.push(until_s, task.name, task.entry)
        if self._stalled is not None:
            resume()
        else:
            self.release(task)

    def wake(self, task: JumpTask) -> None:
        with self.lock:
            stalled = self._stalled is not None
            if not stalled and task.entry is not None and self._holder is not task:
                self._endless.pop(task, None)
                task.entry.cancel()
                task.entry = self.push(self.now_s, task.name, Entry(task, task.resume))
        if stalled:
            # There are no turns any more; what the task was waiting for has come all the same.
            task.resume()

    def take(self, task: JumpTask) -> None:
        has_turn = threading.Event()
        with self.lock:
            self.check()
            if self._holder is task:
                return
            self._endless.pop(task, None)
            if task.entry is not None:
                task.entry.cancel()
            task.resume = has_turn.set
            task.entry = self.push(self.now_s, task.name, Entry(task, has_turn.set))
        has_turn.wait()

    def release(self, task: JumpTask) -> None:
        """Pass the turn on; the calling thread runs due callbacks until a task takes over."""
        with self.lock:
            if self._holder is not task:
                return
            self._holder = None
        while True:
            with self.lock:
                entry = self._pop()
                if entry is None:
                    waiting = self._stall()
                elif entry.task is not None:
                    entry.task.entry = None
                    self._holder = entry.task
            if entry is None:
                for left in waiting:
                    left.resume()
                return
            if entry.task is not None:
                entry.resume()
                return
            self._call(entry.resume)

    def _call(self, callback: Callable[[], None]) -> None:
        try:
            callback()
        except Exception:  # it would end a thread that has nothing to do with it, and the turn with it
            log.exception("a callback of the clock failed")

    def _pop(self) -> Entry | None:
        while self._heap:
            t_s, _, _, entry = heapq.heappop(self._heap)
            if not entry.cancelled:
                self.now_s = max(self.now_s, t_s)
                return entry
        return None

    def _stall(self) -> list[JumpTask]:
        """Stop for good; give those who wait, main first, to be resumed without the lock."""
        waiting = sorted(self._endless, key=lambda task: (task is not self.first, task.name))
        names = ", ".join(task.name for task in waiting)
        self._stalled = ClockStalledError(
            f"every task waits without a deadline ({names}): nothing in this laboratory can happen any more"
        )
        log.error("the clock has stalled: %s", self._stalled)
        return waiting


def _nothing() -> None:
    return None
