"""Lab time that passes by itself: as fast as the wall's, or a constant factor faster."""

from __future__ import annotations

import heapq
import logging
import threading
import time
from collections.abc import Callable
from contextvars import copy_context

log = logging.getLogger(__name__)


class DueCallback:
    """A callback that is due at a lab time."""

    def __init__(self, callback: Callable[[], None], name: str) -> None:
        self.callback = callback
        self.name = name
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True

    def call(self) -> None:
        try:
            self.callback()
        except Exception:  # a defect of one callback must not keep all later ones from being called
            log.exception("the timer %s failed", self.name)


class WallTask:
    """A plain thread; turns mean nothing when time passes by itself."""

    def __init__(self, clock: ScaledClock, name: str) -> None:
        self.name = name
        self._clock = clock
        self._lock = threading.Lock()
        self._resume: Callable[[], None] | None = None
        self._timer: DueCallback | None = None
        self.finished = WallEvent(clock)

    def join(self, deadline_s: float | None = None) -> bool:
        return self.finished.wait(deadline_s)

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


class WallEvent:
    """A flag that threads wait for in lab time."""

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
        self._due: list[tuple[float, int, DueCallback]] = []
        self._changed = threading.Condition()
        self._arrivals = 0
        self._runner: threading.Thread | None = None
        self._local = threading.local()

    def now(self) -> float:
        return self._start_s + (time.monotonic() - self._origin_s) * self.speed

    def current(self) -> WallTask:
        if not hasattr(self._local, "task"):
            self._local.task = WallTask(self, threading.current_thread().name)
        task: WallTask = self._local.task
        return task

    def sleep_until(self, t_s: float) -> None:
        while (left_s := t_s - self.now()) > 0:
            time.sleep(left_s / self.speed)

    def event(self) -> WallEvent:
        return WallEvent(self)

    def call_at(self, t_s: float, callback: Callable[[], None], name: str) -> DueCallback:
        entry = DueCallback(callback, name)
        with self._changed:
            self._arrivals += 1
            heapq.heappush(self._due, (t_s, self._arrivals, entry))
            if self._runner is None:
                self._runner = threading.Thread(target=self._run_timers, name="clock", daemon=True)
                self._runner.start()
            self._changed.notify()
        return entry

    def start(self, name: str, target: Callable[[], None]) -> WallTask:
        task = WallTask(self, name)
        context = copy_context()

        def run() -> None:
            self._local.task = task
            try:
                context.run(target)
            finally:
                task.finished.set()

        threading.Thread(target=run, name=name, daemon=True).start()
        return task

    def _run_timers(self) -> None:
        while True:
            with self._changed:
                while self._due and (left_s := self._due[0][0] - self.now()) > 0:
                    self._changed.wait(left_s / self.speed)
                if not self._due:
                    self._runner = None
                    return
                entry = heapq.heappop(self._due)[2]
            if not entry.cancelled:
                entry.call()


class RealClock(ScaledClock):
    """Lab time that is time, stepped neither by leap seconds nor by an operator."""

    def __init__(self) -> None:
        super().__init__(1.0)
