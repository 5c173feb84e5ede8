"""One thread for each bus: it alone talks to the devices there, does their jobs and polls them when due.

A job is a generator. It does its wire traffic between its yields, and yields

* a lab time: go on then, or
* None: go on after the next poll of its device.

Its end finishes the job's status, a `DriverError` fails it. So jobs of several devices of one bus take
turns, and nobody else ever waits for a wire.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from drivers.clock import Clock, Event, Task
from drivers.errors import DriverError
from drivers.recognition import Recognition
from drivers.status import ActionStatus

T = TypeVar("T")
Job = Generator[float | None, None, None]
Waits = Generator[float | None, None, T]
"""A part of a job that gives something."""


class Polled(Protocol):
    """A device that is looked at regularly."""

    name: str

    def poll(self) -> float:
        """Look at the instrument; give the lab time of the next look. Raises nothing for a broken wire."""


class Port(Protocol):
    """Something open that the bus closes when it ends."""

    def close(self) -> None:
        """Let go of the wire; harmless when done twice."""


P = TypeVar("P", bound=Port)


class Asked(Generic[T]):
    """What a bus was asked to find out; whoever asks several buses first and then waits has them work at once."""

    def __init__(self, status: ActionStatus, done: Event, results: list[T]) -> None:
        self._status, self._done, self._results = status, done, results

    def result(self) -> T:
        """Give what was found; the calling task waits in lab time.

        Raises:
            DriverError: Whatever the function raised; also after the bus was closed or ended by a defect.
        """
        self._done.wait()
        error = self._status.exception()
        if error is not None:
            raise error
        return self._results[0]


@dataclass
class _Running:
    device: str
    job: Job
    status: ActionStatus
    resume_s: float | None


class Bus:
    """The devices behind one port, and the thread that serves them."""

    def __init__(self, name: str, clock: Clock, *, held: bool = False) -> None:
        """Make a bus that nothing is on yet.

        Args:
            name: As errors have it.
            clock: Lab time.
            held: Whether it begins with `begin` only, so that what is asked until then is asked before any poll.
        """
        self.name = name
        self._held = held
        self._clock = clock
        self._lock = threading.Lock()
        self._changed = clock.event()
        self._queued: deque[_Running] = deque()
        self._hastened: set[str] = set()
        self._added: list[Polled] = []
        self._devices: dict[str, Polled] = {}
        self._due_s: dict[str, float] = {}
        self._running: list[_Running] = []
        self._ports: dict[str, Port] = {}
        self._recognitions: dict[str, Recognition] = {}
        self._task: Task | None = None
        self._closing = False
        self.ended: BaseException | None = None
        """The defect that ended the thread, where one did: the bus does nothing any more."""

    def port(self, key: str, open_port: Callable[[], P]) -> P:
        """Give the one open port called `key`, made at its first use and closed with the bus."""
        with self._lock:
            found = self._ports.get(key)
            if found is None:
                found = self._ports[key] = open_port()
        return found  # type: ignore[return-value]

    def recognition(self, device: str) -> Recognition:
        """Give what keeps the links of a device from talking to another instrument."""
        with self._lock:
            return self._recognitions.setdefault(device, Recognition(device))

    def now(self) -> float:
        """Lab time."""
        return self._clock.now()

    def late_s(self, device: str) -> float:
        """Give for how many lab seconds a look at a device has been due; without end where none comes any more."""
        due_s = self._due_s.get(device)
        if due_s is None:
            return 0.0
        return math.inf if self.ended is not None else self._clock.now() - due_s

    def begin(self) -> None:
        """Begin with what was asked for, where the bus was held."""
        self._held = False
        self._wake()

    def add(self, device: Polled) -> None:
        """Poll `device` from now on."""
        with self._lock:
            self._added.append(device)
        self._wake()

    def run(self, device: str, job: Job, status: ActionStatus) -> None:
        """Begin `job` for a device as soon as the bus is free; any thread may ask.

        Raises:
            DriverError: After the bus was closed, or ended by a defect.
        """
        with self._lock:
            if self._closing:
                raise DriverError(f"{device}: {status.action} came after bus {self.name} {self._how_it_ended()}")
            self._queued.append(_Running(device, job, status, self._clock.now()))
        self._wake()

    def call(self, device: str, function: Callable[[], T]) -> T:
        """Run `function` on the bus and give its result; the calling task waits in lab time.

        Raises:
            DriverError: Whatever the function raises; also after the bus was closed or ended by a defect.
        """
        return self.ask(device, function).result()

    def ask(self, device: str, function: Callable[[], T]) -> Asked[T]:
        """Have `function` run on the bus, and wait for nothing; its result raises what `call` does."""
        results: list[T] = []

        def job() -> Job:
            results.append(function())
            yield from ()

        done = self._clock.event()
        status = ActionStatus(device, "call")
        status.add_callback(lambda _: done.set())
        try:
            self.run(device, job(), status)
        except DriverError as error:
            status.set_exception(error)
        return Asked(status, done, results)

    def hasten(self, device: str) -> None:
        """Poll a device and go on with its jobs now, whatever they wait for."""
        with self._lock:
            self._hastened.add(device)
        self._wake()

    def poll_now(self, device: str) -> None:
        """Poll a device before anything else is waited for; for jobs, on the bus."""
        self.poll_at(device, self._clock.now())

    def poll_at(self, device: str, t_s: float) -> None:
        """Poll a device at a lab time, whatever it said before; for jobs, on the bus."""
        if device in self._due_s:
            self._due_s[device] = t_s

    def end(self) -> None:
        """Have the thread end after what it is at, and wait for nothing; `close` does."""
        with self._lock:
            self._closing = True
        self._changed.set()

    def close(self) -> None:
        """End the thread and close the ports; the caller is a task of the clock."""
        self.end()
        if self._task is None:
            self._abandon()
        else:
            self._task.join()

    # -- the thread

    def _wake(self) -> None:
        with self._lock:
            if self._task is None and not self._closing and not self._held:
                self._task = self._clock.start(f"bus {self.name}", self._serve)
        self._changed.set()

    def _serve(self) -> None:
        try:
            while not self._closing:
                self._changed.clear()
                self._take_in()
                self._go_on()
                # One poll at a time: what is asked for meanwhile does not wait for all that nobody answers.
                if not self._poll_next():
                    self._changed.wait(self._next_s())
        except BaseException as error:
            # A defect of ours stays visible where threads' errors are shown; here it is kept for whoever asks.
            self.ended = error
            raise
        finally:
            # Also when a defect ends the thread: nobody may wait for ever for what it was to do.
            self._abandon()

    def _take_in(self) -> None:
        with self._lock:
            added, self._added = self._added, []
            queued = list(self._queued)
            self._queued.clear()
            hastened, self._hastened = self._hastened, set()
        now_s = self._clock.now()
        for device in added:
            self._devices[device.name] = device
            self._due_s[device.name] = now_s
        for running in self._running:
            if running.device in hastened:
                running.resume_s = now_s
        for name in hastened & self._due_s.keys():
            self._due_s[name] = now_s
        self._running += queued

    def _go_on(self) -> None:
        for running in tuple(self._running):
            if self._closing:
                return
            if running.resume_s is not None and running.resume_s <= self._clock.now():
                self._step(running)

    def _step(self, running: _Running) -> None:
        try:
            running.resume_s = next(running.job)
        except StopIteration:
            self._running.remove(running)
            running.status.set_finished()
        except DriverError as error:
            self._running.remove(running)
            running.status.set_exception(error)

    def _poll_next(self) -> bool:
        """Poll the device that is due for longest; gives whether one was due."""
        name = min(self._due_s, key=self._due_s.__getitem__, default=None)
        if name is None or self._due_s[name] > self._clock.now():
            return False
        self._due_s[name] = self._devices[name].poll()
        for running in tuple(self._running):
            if running.device == name and running.resume_s is None:
                self._step(running)
        return True

    def _next_s(self) -> float | None:
        times = [running.resume_s for running in self._running if running.resume_s is not None]
        return min([*times, *self._due_s.values()], default=None)

    def _abandon(self) -> None:
        with self._lock:
            self._closing = True
            left = [*self._running, *self._queued]
            ports = tuple(self._ports.values())
            self._queued.clear()
        self._running = []
        for port in ports:
            port.close()
        for running in left:
            running.job.close()
            how = "" if self.ended is None else f": it {self._how_it_ended()}"
            error = DriverError(f"{running.device}: bus {self.name} ended before {running.status.action} did{how}")
            error.__cause__ = self.ended
            running.status.give_up(error)

    def _how_it_ended(self) -> str:
        if self.ended is None:
            return "was closed"
        return f"was ended by a defect ({self.ended!r}): restart the laboratory"
