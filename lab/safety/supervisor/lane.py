"""A lane to one safety module: a connection with a thread of its own, so that no module waits for another.

Each module has two: one reads, the other switches and toggles, and is never behind a reading. Where the wire is a
serial port, which only one can hold, both are the same lane.
"""

from __future__ import annotations

import itertools
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any, TypeVar

from drivers.errors import DriverError, LinkError
from lab.safety.supervisor.wire import SafetyWire

T = TypeVar("T")
Job = Callable[[SafetyWire], T]

_URGENT, _USUAL, _LAST = range(3)


class Lane:
    """Does one thing after another over one connection."""

    def __init__(self, wire: SafetyWire, *, keep_warm_s: float | None = None) -> None:
        """Begin; nothing is opened before the first job.

        Args:
            wire: The connection, which nobody else uses.
            keep_warm_s: After so many idle seconds the connection is tried, so that it is open when it is needed.
        """
        self.name = wire.link.device
        self._wire = wire
        self._keep_warm_s = keep_warm_s
        self._queue: queue.PriorityQueue[tuple[int, int, Future[Any], Job[Any] | None]] = queue.PriorityQueue()
        self._arrivals = itertools.count()
        self._thread = threading.Thread(target=self._serve, name=f"lane {self.name}", daemon=True)
        self._thread.start()

    def submit(self, job: Job[T], *, urgent: bool = False, again: bool = False) -> Future[T]:
        """Have a job done; a `DriverError` of it is the future's exception.

        Args:
            job: What is to be done.
            urgent: Before all that is not urgent.
            again: Once more, over a new connection, where nobody answered: only for what may be done twice.
        """
        return self._put(_URGENT if urgent else _USUAL, partial(self._twice, job) if again else job)

    def close(self) -> None:
        """Do what waits, let go of the connection, and end."""
        self._put(_LAST, None)
        self._thread.join(1.0)

    def _put(self, urgency: int, job: Job[T] | None) -> Future[T]:
        future: Future[T] = Future()
        self._queue.put((urgency, next(self._arrivals), future, job))
        return future

    def _serve(self) -> None:
        if self._keep_warm_s is not None:
            self._warm()
        while True:
            try:
                _, _, future, job = self._queue.get(timeout=self._keep_warm_s)
            except queue.Empty:
                self._warm()
                continue
            if job is None:
                self._wire.close()
                return
            try:
                result = self._do(job)
            except DriverError as error:
                future.set_exception(error)
            else:
                future.set_result(result)

    def _warm(self) -> None:
        try:
            self._do(lambda wire: wire.output(0))
        except DriverError:
            # The next try opens the connection again; whether the module is there is told by its readings.
            return

    def _twice(self, job: Job[T], wire: SafetyWire) -> T:
        try:
            return self._do(job)
        except LinkError:
            return job(wire)

    def _do(self, job: Job[T]) -> T:
        try:
            return job(self._wire)
        except OSError as error:
            # A stream that the other end has reset: the library lets that through as it comes.
            self._wire.close()
            raise LinkError(f"{self.name}: the connection broke ({error}): is the module on?") from error
