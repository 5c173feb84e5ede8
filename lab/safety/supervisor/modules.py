"""One safety module as the supervisor holds it: two lanes, the newest reading, and its outputs."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from drivers.codecs.safety_io import SafetyReading, WatchdogState
from drivers.errors import DriverError, LinkError, WrongInstrumentError
from lab.safety.interlocks.expressions import Value
from lab.safety.interlocks.rules import Output
from lab.safety.supervisor.lane import Lane
from lab.safety.supervisor.wire import PATIENT_S, PROMPT_S, SafetyWire

FEEDBACK = 5
"""The input that is the contactor's own auxiliary contact."""
WARM_S = 1.0
TOO_LATE_S = 0.3
"""Leave to toggle or close is void after that: it rests on what was read before."""

OpenWire = Callable[[float], SafetyWire]
"""Makes one more connection, with an in-flight timeout in wall seconds."""


@dataclass(frozen=True)
class Sight:
    """One complete look at a module."""

    begun_s: float
    """Monotonic time before the first question, so that ages are never too small."""
    reading: SafetyReading


class WatchedModule:
    """Reads, toggles and switches one module; nothing but `close` and `wait_for_sight` waits."""

    def __init__(
        self, name: str, open_lane: OpenWire, watchdog_s: float, outputs: Sequence[Output], *, serial: bool
    ) -> None:
        """Begin; nothing is opened before the first scan.

        Args:
            name: As the lab file calls it.
            open_lane: Makes one more connection, with an in-flight timeout.
            watchdog_s: What its watchdog is given, in lab seconds.
            outputs: Its outputs that have a name.
            serial: Whether there can be only one connection.
        """
        self.name = name
        self.watchdog_s = watchdog_s
        self.outputs: Mapping[str, Output] = {output.name: output for output in outputs}
        self.error: str | None = None
        """Why the last look failed, None where it did not."""
        self.sight: Sight | None = None
        self._seen = threading.Condition()
        self._reader = Lane(open_lane(PATIENT_S))
        self._opener = self._reader if serial else Lane(open_lane(PROMPT_S), keep_warm_s=WARM_S)
        self._looking: Future[None] | None = None
        self._waiting: dict[tuple[Lane, int], Future[float]] = {}
        self._lock = threading.Lock()
        self._leave_watchdog_until_s = -math.inf

    # -- looking

    def look(self) -> Future[None]:
        """Have everything read; a look that still goes on is not begun twice."""
        if self._looking is None or self._looking.done():
            self._looking = self._reader.submit(self._look)
        return self._looking

    def wait_for_sight(self, after_s: float, deadline_s: float) -> Sight | None:
        """Wait for a look that began after a monotonic time; None where there was none until the deadline."""
        with self._seen:
            while (sight := self.sight) is None or sight.begun_s <= after_s:
                left_s = deadline_s - time.monotonic()
                if left_s <= 0:
                    return None
                self._seen.wait(left_s)
            return sight

    def _look(self, wire: SafetyWire) -> None:
        begun_s = time.monotonic()
        try:
            reading = wire.read()
            if not wire.watches(reading, self.watchdog_s):
                reading = self._with_watchdog(wire)
        except DriverError as error:
            self.error = str(error)
            raise
        with self._seen:
            self.error, self.sight = None, Sight(begun_s, reading)
            self._seen.notify_all()

    def _with_watchdog(self, wire: SafetyWire) -> SafetyReading:
        """Start the watchdog of a module that has just been switched on, or that we meet for the first time."""
        now_s = time.monotonic()
        if now_s >= self._leave_watchdog_until_s:
            # Longer than it waits: setting it again and again would be a sign of life that no scan has judged.
            self._leave_watchdog_until_s = now_s + 2.0 * self.watchdog_s
            wire.set_watchdog(self.watchdog_s)
            reading = wire.read()
            if wire.watches(reading, self.watchdog_s):
                return reading
        raise WrongInstrumentError(f"{self.name}: its watchdog does not stay as it is set: who else writes there?")

    # -- doing

    def open(self, outputs: Sequence[str]) -> dict[str, tuple[Future[float], ...]]:
        """Open outputs over every lane there is; each future gives the monotonic time of the module's answer."""
        lanes = dict.fromkeys((self._opener, self._reader))
        return {name: tuple(self._open_by(lane, self._coil(name)) for lane in lanes) for name in outputs}

    def _open_by(self, lane: Lane, coil: int) -> Future[float]:
        def job(wire: SafetyWire) -> float:
            with self._lock:
                self._waiting.pop((lane, coil), None)
            wire.set_output(coil, closed=False)
            return time.monotonic()

        # A silent module is told again with each scan: what still waits to be told is not told twice.
        with self._lock:
            if (lane, coil) not in self._waiting:
                self._waiting[lane, coil] = lane.submit(job, urgent=True, again=True)
            return self._waiting[lane, coil]

    def close_output(self, output: str, allowed: Callable[[], bool]) -> Future[float]:
        """Close an output where `allowed` is still true just before and just after; else it is open again.

        The future gives the monotonic time after which a reading shows what came of it.
        """
        coil, asked_s = self._coil(output), time.monotonic()

        def job(wire: SafetyWire) -> float:
            if not allowed() or time.monotonic() - asked_s > TOO_LATE_S:
                raise LinkError(f"{output}: leave to close it was void before {self.name} could be told: ask again")
            wire.set_output(coil, closed=True)
            if not allowed():
                wire.set_output(coil, closed=False)
                raise LinkError(f"{output}: was opened again, a STOP came meanwhile")
            return time.monotonic()

        # On the lane that opens: what opens it again comes after it.
        return self._opener.submit(job)

    def toggle(self, judged_s: float) -> None:
        """Tell the watchdog that the scan which began at monotonic `judged_s` was complete and judged."""

        def job(wire: SafetyWire) -> None:
            if time.monotonic() - judged_s <= TOO_LATE_S:
                wire.toggle()

        self._opener.submit(job)

    def rearm(self) -> Future[None]:
        """Have the module let outputs be closed again after its watchdog expired."""
        return self._reader.submit(lambda wire: wire.restore())

    def close(self) -> None:
        """End both lanes."""
        self._opener.close()
        if self._reader is not self._opener:
            self._reader.close()

    # -- what was read

    def channel(self, channel: str) -> tuple[Value, float]:
        """What a channel read last, and how many wall seconds ago that was; None where it was never read.

        Args:
            channel: ``ai1``, ``di1`` or ``do1``, counted from 1; the contactor ``do1`` is what its auxiliary contact
                says.
        """
        sight = self.sight
        if sight is None:
            return None, 0.0
        age_s = time.monotonic() - sight.begun_s
        kind, number = channel[:2], int(channel[2:]) - 1
        reading = sight.reading
        if kind == "ai":
            return reading.analogue[number], age_s
        if kind == "di":
            return reading.inputs[number], age_s
        return (reading.inputs[FEEDBACK] if number == 0 else reading.coils[number]), age_s

    @property
    def expired(self) -> bool:
        """Whether its watchdog was found expired."""
        return self.sight is not None and self.sight.reading.watchdog is WatchdogState.EXPIRED

    def to_json(self) -> dict[str, object]:
        """The module as a snapshot shows it; everything is None before the first look."""
        outputs = {output.channel: name for name, output in self.outputs.items()}
        shown: dict[str, object] = {"outputs": outputs, "error": self.error, "watchdog_s": self.watchdog_s}
        sight = self.sight
        if sight is None:
            return {
                **shown,
                "inputs": None,
                "coils": None,
                "analogue": None,
                "watchdog": None,
                "trips": 0,
                "age_s": None,
            }
        reading = sight.reading
        return {
            **shown,
            "inputs": reading.inputs,
            "coils": reading.coils,
            "analogue": [value if math.isfinite(value) else None for value in reading.analogue],
            "watchdog": reading.watchdog.name.lower(),
            "trips": reading.trips,
            "age_s": time.monotonic() - sight.begun_s,
        }

    def _coil(self, output: str) -> int:
        return int(self.outputs[output].channel[2:]) - 1
