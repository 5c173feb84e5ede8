"""The promise of an action: a Bluesky status that finishes in lab time.

ophyd's own `Status` gives each pending promise a thread and a timeout by the wall clock; under a clock that
jumps both are wrong. This one has neither. Where a task of the clock waits for it (`Waiter`), finishing it
gives that task the turn first and tells Bluesky afterwards, so that two tasks never run at once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection

from drivers.clock import ClockStalledError, Task

Callback = Callable[["ActionStatus"], None]


class ActionStatus:
    """Done or not, and how it ended; satisfies `bluesky.protocols.Status`."""

    def __init__(self, device: str, action: str) -> None:
        self.device = device
        self.action = action
        self._lock = threading.Lock()
        self._done = False
        self._exception: BaseException | None = None
        self._callbacks: list[Callback] = []
        self._waiter: Waiter | None = None

    @property
    def done(self) -> bool:
        """Whether the action has ended, well or badly."""
        return self._done

    @property
    def success(self) -> bool:
        """Whether the action has ended well."""
        return self._done and self._exception is None

    def exception(self, timeout: float | None = 0.0) -> BaseException | None:
        """Why the action failed, or None."""
        return self._exception

    def add_callback(self, callback: Callback) -> None:
        """Have `callback(self)` called when the action ends; at once where it has."""
        with self._lock:
            if not self._done:
                self._callbacks.append(callback)
                return
        callback(self)

    def set_finished(self) -> None:
        """Mark the action as ended well."""
        self._finish(None)

    def set_exception(self, error: BaseException) -> None:
        """Mark the action as failed because of `error`."""
        self._finish(error)

    def give_up(self, error: BaseException) -> None:
        """Mark the action as failed unless it has ended; for whoever cleans up."""
        self._finish(error, unless_done=True)

    def _finish(self, error: BaseException | None, *, unless_done: bool = False) -> None:
        with self._lock:
            if self._done:
                if unless_done:
                    return
                raise RuntimeError(f"{self.device}: {self.action} ended twice")
            self._done, self._exception = True, error
            waiter = self._waiter
        if waiter is None:
            self.tell()
        else:
            waiter.one_ended(self)

    def tell(self) -> None:
        """Call what was registered; `Waiter` does so when the waiting task has the turn."""
        with self._lock:
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback(self)


class Waiter:
    """One task that waits for several actions: until all ended, or one failed."""

    def __init__(self, task: Task, statuses: Collection[ActionStatus]) -> None:
        self._task = task
        self._lock = threading.Lock()
        self._pending = set(statuses)
        self._ended: list[ActionStatus] = []
        self._over = False

    def suspend(self) -> None:
        """Give up the task's turn until the actions have ended; return at once where they have."""
        for status in tuple(self._pending):
            with status._lock:  # noqa: SLF001 - the two classes are one mechanism
                if status.done:
                    self._pending.discard(status)
                else:
                    status._waiter = self  # noqa: SLF001
        if self._pending:
            self._task.suspend(None, self._resumed)

    def one_ended(self, status: ActionStatus) -> None:
        """Note that one action ended; wakes the task when nothing is left to wait for."""
        with self._lock:
            self._pending.discard(status)
            self._ended.append(status)
            over = not self._pending or not status.success
            self._over = self._over or over
        if over:
            self._task.wake()

    def stop_waiting(self) -> None:
        """The wait is over, for whatever reason: the task has the turn when this returns."""
        self._over = True
        for status in tuple(self._pending):
            with status._lock:  # noqa: SLF001
                status._waiter = None  # noqa: SLF001
        self._task.take_turn()
        self._tell_all()

    def _resumed(self) -> None:
        if self._over:
            self._tell_all()
            return
        # Nobody woke the task, so its clock has stalled: what it waits for will never end.
        for status in tuple(self._pending):
            error = f"{status.device}: {status.action} cannot end any more: the clock has stalled"
            status.give_up(ClockStalledError(error))

    def _tell_all(self) -> None:
        with self._lock:
            ended, self._ended = self._ended, []
        for status in ended:
            status.tell()
