"""What all devices have in common: verbs, the gate, the bus that works for them, the age of readings."""

from __future__ import annotations

import inspect
import math
import threading
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar

from ophyd import Component, Device

from drivers.bus import Asked, Bus, Job, Waits
from drivers.clock import Clock
from drivers.errors import (
    ActionFailedError,
    BusyError,
    CodecError,
    DriverError,
    GrantError,
    ImplausibleError,
    LinkError,
    UnknownVerbError,
)
from drivers.gate import GRANT_LIFE_S, Command, Gate, Granted, authorize
from drivers.pace import STEADY_S
from drivers.signals import Age, Reading, unknown_for
from drivers.status import ActionStatus

PATIENCE = 5
"""How often in a row an instrument may stay silent before what it is doing counts as failed."""

T = TypeVar("T")

Leave = tuple[Granted, Callable[[], None]]
"""Leave of the gate, and a check that raises once the device was told to stop after that was asked for."""


class Instrument(Device):
    """One instrument: `set(verb, **arguments)` makes it act, its signals tell what it was last seen at.

    `set` checks limits and asks the gate in the calling thread, so that a refusal is raised at once; the wire
    is left to the bus. Subclasses name their verbs in `VERBS` and say in `_look` and `_check_identity` how to
    look at the instrument and how to know it.
    """

    VERBS: ClassVar[Mapping[str, str]] = {}
    """Verb -> name of the method."""
    LOOKS: ClassVar[frozenset[str]] = frozenset()
    """The verbs that only look at the instrument or wait for it: they ask no gate, and change nothing."""
    ASKED_AS: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """Verb -> what it is called at the gate, for those whose name depends on their arguments."""
    READS: ClassVar[Mapping[str, str]] = {}
    """What interlock rules may ask of the instrument -> its signal."""
    MEASURED: ClassVar[tuple[str, ...]] = ()
    """Signals that mean nothing while the instrument is silent."""
    STALE_S: ClassVar[float] = 15.0
    """Lab seconds that a look may be overdue before what was seen last is worth nothing."""
    STOPPED: ClassVar[str] = "stopped"
    """What a stop has done to the instrument, in a sentence."""

    comm_ok = Component(Reading, value=0, kind="normal")
    age_s = Component(Age, kind="normal")

    def __init__(self, name: str, *, gate: Gate, clock: Clock, bus: Bus) -> None:
        super().__init__(name=name)
        self.gate, self.clock, self.bus = gate, clock, bus
        self.last_error: DriverError | None = None
        self._failures = 0
        self._stops = 0
        self._stops_lock = threading.Lock()
        self._seen_s = -math.inf
        self._recognition = bus.recognition(name)
        self._recognition.check_with(lambda: self._check_identity())
        self.age_s.measured_by(lambda: self.clock.now() - self._seen_s)
        self._published: Mapping[str, Reading] = {name: getattr(self, name) for name in self.component_names}
        for signal in self._published.values():
            signal.publish(signal.get(), clock.now())
        for measured in self.MEASURED:
            getattr(self, measured).stands_while(self._is_looked_after)
        self.comm_ok.stands_while(self._is_looked_after, otherwise=0)

    # -- verbs

    @property
    def verbs(self) -> tuple[str, ...]:
        """What `set` understands."""
        return tuple(self.VERBS)

    def set(self, verb: str, /, **arguments: Any) -> ActionStatus:
        """Make the instrument act.

        Args:
            verb: One of `verbs`.
            arguments: Those of the method of that name.

        Raises:
            UnknownVerbError: For a verb or argument that there is not.
            LimitError: When more is asked than the limits allow.
            CommandDeniedError: When the gate refuses.
        """
        if verb not in self.VERBS:
            raise UnknownVerbError(f"{self.name}: there is no verb {verb!r}; there are {', '.join(self.verbs)}")
        method: Callable[..., ActionStatus] = getattr(self, self.VERBS[verb])
        try:
            inspect.signature(method).bind(**arguments)
        except TypeError as error:
            raise UnknownVerbError(f"{self.name}: {verb}{inspect.signature(method)} has a {error}") from None
        return method(**arguments)

    def stop(self, *, success: bool = False) -> None:
        """Do nothing; hazardous devices do something where `success` is False."""

    # -- looking

    def identify(self) -> str:
        """Find out who answers; waits in lab time, for start-up.

        Returns:
            What the instrument says about itself.

        Raises:
            LinkError: When nobody answers.
            WrongInstrumentError: When it is another instrument.
        """
        return self.ask_identity().result()

    def ask_identity(self) -> Asked[str]:
        """Have the bus find out who answers, and wait for nothing; the result raises as `identify` does."""
        return self.bus.ask(self.name, self._meet)

    def _meet(self) -> str:
        try:
            return self._recognition.meet()
        except DriverError as error:
            # As after a poll that failed: nobody is asked again at once.
            self.bus.poll_at(self.name, self._lost(error))
            raise

    def poll(self) -> float:
        """Look at the instrument; for the bus. Gives the lab time of the next look."""
        try:
            if self._failures:
                # Whoever answers after a silence may be somebody else.
                self._recognition.meet()
            next_s = self._look()
        except DriverError as error:
            return self._lost(error)
        self.last_error, self._failures = None, 0
        self._seen()
        return next_s

    def _look(self) -> float:
        """Read the instrument and publish; give the lab time of the next look."""
        raise NotImplementedError

    def _check_identity(self) -> str:
        """Ask the instrument who it is, on the bus."""
        raise NotImplementedError

    # -- for subclasses

    def _authorize(
        self,
        verb: str,
        value: float | str | None = None,
        unit: str | None = None,
        subject: str | None = None,
    ) -> Granted:
        return authorize(self.gate, Command(self.name, verb, value, unit, subject))

    def _authorize_until_stopped(
        self,
        verb: str,
        value: float | str | None = None,
        unit: str | None = None,
        subject: str | None = None,
    ) -> Leave:
        """Ask the gate for what must not begin after a stop.

        A job that waits is overtaken by a stop that comes later, and its leave is still good then. So it calls the
        check that is given after its last yield, right before the first frame that changes something.
        """
        stops = self._stops

        def heed_stops() -> None:
            if self._stops != stops:
                raise ActionFailedError(
                    f"{self.name}: {verb} was given up, because it was {self.STOPPED} after that was asked for"
                )

        return self._authorize(verb, value, unit, subject), heed_stops

    def _note_stop(self) -> None:
        """Void what was asked for and has not begun; in the calling thread, before the stop itself is queued."""
        with self._stops_lock:
            self._stops += 1

    def _begin(self, action: str, job: Job, grant: Granted | None = None) -> ActionStatus:
        """Have the bus do a job; one that makes something happen comes with its leave."""
        status = ActionStatus(self.name, action)
        self.bus.run(self.name, job if grant is None else self._in_time(action, job, grant), status)
        return status

    def _in_time(self, action: str, job: Job, grant: Granted) -> Job:
        age_s = self.clock.now() - grant.granted_at_s
        # What keeps a bus is wall time; under a clock that runs faster the same delay is more lab time.
        life_s = GRANT_LIFE_S * max(1.0, getattr(self.clock, "speed", 1.0))
        if age_s > life_s:
            raise GrantError(
                f"{self.name}: {action} would begin {age_s:.0f} s after it was granted, and leave is void after "
                f"{life_s:g} s: what kept bus {self.bus.name}?"
            )
        yield from job

    def _publish(self, **values: float | str) -> None:
        now_s = self.clock.now()
        for name, value in values.items():
            self._published[name].publish(value, now_s)

    def _patiently(self, ask: Callable[[], T]) -> Waits[T]:
        """Ask a question from a job, again after a while where nobody answers or the instrument is busy."""
        for failures in range(1, PATIENCE):
            try:
                return ask()
            except (LinkError, CodecError, ImplausibleError, BusyError):
                yield self.clock.now() + 2.0 ** (failures - 1)
        return ask()

    def _after_poll(self) -> Job:
        """Wait in a job for the next look that succeeds."""
        yield None
        while self._failures:
            if self._failures >= PATIENCE:
                raise ActionFailedError(
                    f"{self.name}: was silent {self._failures} times in a row, what it does now is unknown "
                    f"({self.last_error})"
                ) from self.last_error
            yield None

    def _seen(self) -> None:
        self._seen_s = self.clock.now()
        self._published["comm_ok"].publish(1, self._seen_s)

    def _lost(self, error: DriverError) -> float:
        self.last_error = error
        self._failures += 1
        self._recognition.forget()
        unknown = {name: unknown_for(getattr(self, name).get()) for name in self.MEASURED}
        self._publish(comm_ok=0, **unknown)
        return self.clock.now() + min(STEADY_S, 2.0 ** min(self._failures - 1, 10))

    def _is_looked_after(self) -> bool:
        """Whether looks come when they are due; not where the thread of the bus hangs or has ended."""
        # Wall time makes looks late; under a clock that runs faster the same delay is more lab time.
        return self.bus.late_s(self.name) <= self.STALE_S * max(1.0, getattr(self.clock, "speed", 1.0))
