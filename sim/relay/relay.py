"""The relay of a whole laboratory: all its wires, and the history of what was done to them."""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from drivers.clock import Clock
from sim.addresses import Spot
from sim.errors import SimError
from sim.relay.faults import Fault, Injection
from sim.relay.framing import Framing
from sim.relay.schedule import LASTING, Schedule
from sim.relay.wire import TappedWire

LATE_S = 1.5
"""By how much a late reply is late, in wall seconds, where nobody says: a driver waits for one second."""


class Later(Protocol):
    """What the relay needs of a hub."""

    def call_later(self, delay_s: float, act: Callable[[], None]) -> None:
        """Have something done after a wall time."""


class Relay:
    """Stands between all wires and whoever answers; does nothing before it is told to.

    simulation.relay.inject("furnace-1", Fault.NO_REPLY, times=2)
    simulation.relay.start(Schedule(rate=0.01, seed=3))
    simulation.relay.history
    """

    def __init__(
        self,
        clock: Clock,
        instruments: Mapping[str, object],
        *,
        seed: int = 0,
        log: Path | None = None,
        locks: Sequence[AbstractContextManager[Any]] = (),
    ) -> None:
        """Begin without wires.

        Args:
            clock: Lab time, for the history.
            instruments: The simulated instruments by name.
            seed: Of the damage that `inject` does.
            log: A file to which each line of the history is written as JSON.
            locks: Held, in this order, while something that lasts is ended.

        Raises:
            SimError: Where the file cannot be written.
        """
        self.late_s = LATE_S
        """By how much a late reply is late, in wall seconds: more than the timeout of whoever asks."""
        self._clock = clock
        self._instruments = instruments
        self._seed = seed
        self._locks = locks
        self._wires: list[TappedWire] = []
        self._history: list[Injection] = []
        self._lock = threading.Lock()
        self._file = None if log is None else _open(log)

    @property
    def history(self) -> tuple[Injection, ...]:
        """What was done, in order."""
        return tuple(self._history)

    def join(
        self, spots: Mapping[str, Spot], hub: Later, *, framing: Framing | None = None, in_pieces: bool = False
    ) -> TappedWire:
        """Put the relay on a wire; for the arguments see `TappedWire`. Its plug is for the caller to set."""
        wire = TappedWire(spots, self._instruments, self._note, hub.call_later, framing=framing, in_pieces=in_pieces)
        self._wires.append(wire)
        return wire

    # -- what is to happen

    def faults_of(self, name: str) -> tuple[Fault, ...]:
        """Give what can be done to an instrument; raises as `inject`."""
        return self._wire(name).possible(name)

    def inject(
        self,
        name: str,
        fault: Fault,
        times: int = 1,
        *,
        variant: str | None = None,
        lasting: int | None = LASTING,
        late_s: float | None = None,
    ) -> None:
        """Have a fault happen as soon as it can: at the next request or reply that it can be done to.

        Args:
            name: The instrument.
            fault: What happens.
            times: To how many requests or replies.
            variant: One of `Fault.variants`; None for any.
            lasting: For how many more requests it goes on where it is a state; None until `stop`.
            late_s: By how much a late reply is late, in wall seconds; None for `late_s`.

        Raises:
            SimError: Where there is no such instrument, or this cannot be done to it.
        """
        wire = self._wire(name)
        order = wire.make_order(name, fault, self._seed, variant, lasting)
        order.times, order.late_s = times, self.late_s if late_s is None else late_s
        wire.order(order)

    def watch(self, name: str, witness: Callable[[str], None]) -> None:
        """Have somebody told of each answer on the wire of an instrument, at the moment at which it is given.

        Args:
            name: The instrument.
            witness: Called with the name of whoever answers, under the lock under which it answers.

        Raises:
            SimError: Where there is no such instrument.
        """
        self._wire(name).witness = witness

    def start(self, schedule: Schedule) -> None:
        """Have faults come by themselves from now on.

        Raises:
            SimError: Where the list has something that cannot be done.
        """
        for name in (*schedule.listed, *schedule.rates):
            self._wire(name)
        for wire in self._wires:
            wire.late_s = self.late_s
            wire.start(schedule)

    def stop(self) -> None:
        """Let no more faults come, and end what goes on."""
        with contextlib.ExitStack() as held:
            for lock in self._locks:
                held.enter_context(lock)
            for wire in self._wires:
                wire.stop()

    def close(self) -> None:
        """Close the file; what comes later is kept in memory alone."""
        with self._lock:
            if self._file is not None:
                os.close(self._file)
                self._file = None

    # -- inside

    def _wire(self, name: str) -> TappedWire:
        for wire in self._wires:
            if name in wire.names:
                return wire
        known = ", ".join(name for wire in self._wires for name in wire.names)
        raise SimError(f"there is no relay before {name!r}: there is one before {known}")

    def _note(self, instrument: str, fault: Fault, detail: str) -> None:
        injection = Injection(self._clock.now(), time.monotonic(), instrument, fault, detail)
        with self._lock:
            self._history.append(injection)
            if self._file is not None:
                os.write(self._file, line_of(injection))


def line_of(injection: Injection) -> bytes:
    """Give the line of the history's file.

    >>> line_of(Injection(0.0, 1.0, "furnace-1", Fault.NOISE, "5 %"))[:60]
    b'{"t": 0.0, "wall": 1.0, "instrument": "furnace-1", "fault": '
    """
    entry = {
        "t": injection.t_s,
        "wall": injection.wall_s,
        "instrument": injection.instrument,
        "fault": injection.fault,
        "number": injection.fault.number,
        "detail": injection.detail,
    }
    return json.dumps(entry).encode() + b"\n"


def _open(log: Path) -> int:
    try:
        return os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    except OSError as error:
        raise SimError(f"the history {log} cannot be written ({error.strerror}): name another file") from error
