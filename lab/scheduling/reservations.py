"""Reservations: all that a task needs together, or nothing, first come first served in lab time."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from drivers.clock import Clock, Event
from lab.errors import LabError

FAILURES_TO_RETIRE = 3
"""So many tasks in a row that fail on a station say that the station is to blame."""


class OutOfServiceError(LabError):
    """What a task needs is out of service."""


@dataclass
class _Request:
    choices: Sequence[frozenset[str]]
    """Sets of names; any one of them will do."""
    holder: str
    decided: Event
    names: frozenset[str] | None = None
    """What was granted; None when it was decided that nothing can be."""


class Reservations:
    """Who holds which station.

    A request for certain stations waits until all of them are free and no earlier request wants one of them,
    so nobody is overtaken for ever. Whoever needs a furnace for a whole firing takes it before the mover: names
    are always taken in that order, and no circle of waiting can form. A station that fails again and again, or
    that is known to be blocked, is retired: nobody is given it any more.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._held: dict[str, str] = {}
        self._waiting: list[_Request] = []
        self._failures: dict[str, int] = {}
        self._retired: dict[str, str] = {}

    @property
    def held(self) -> dict[str, str]:
        """Station to holder, now."""
        with self._lock:
            return dict(self._held)

    @property
    def retired(self) -> dict[str, str]:
        """Stations out of service, and why."""
        with self._lock:
            return dict(self._retired)

    def retire(self, name: str, reason: str) -> None:
        """Give a station to nobody any more; whoever holds it keeps it until the end of its block."""
        with self._lock:
            self._retired.setdefault(name, reason)
            self._decide()

    def note_failure(self, name: str, reason: str) -> None:
        """Count a task that failed on a station; `FAILURES_TO_RETIRE` in a row retire it."""
        with self._lock:
            self._failures[name] = self._failures.get(name, 0) + 1
            too_many = self._failures[name] >= FAILURES_TO_RETIRE
        if too_many:
            self.retire(name, f"{FAILURES_TO_RETIRE} tasks in a row failed there, the last one: {reason}")

    def note_success(self, name: str) -> None:
        """Forget the failures of a station that works."""
        with self._lock:
            self._failures.pop(name, None)

    @contextmanager
    def hold(self, names: Collection[str], holder: str) -> Iterator[None]:
        """Hold all of `names` inside the block.

        Raises:
            OutOfServiceError: Where one of them is retired, now or while waiting.
        """
        with self.hold_any([frozenset(names)], holder):
            yield

    @contextmanager
    def hold_any(self, choices: Sequence[frozenset[str]], holder: str) -> Iterator[frozenset[str]]:
        """Hold the first of `choices` that comes free; gives which one it is.

        Raises:
            OutOfServiceError: Where each of them is retired, now or while waiting, or there is none.
        """
        request = _Request(choices, holder, self._clock.event())
        with self._lock:
            self._waiting.append(request)
            self._decide()
        request.decided.wait()
        if request.names is None:
            raise OutOfServiceError(self._why_none(choices))
        try:
            yield request.names
        finally:
            with self._lock:
                for name in request.names:
                    del self._held[name]
                self._decide()

    def _decide(self) -> None:
        wanted: set[str] = set()
        for request in tuple(self._waiting):
            usable = [names for names in request.choices if not names & self._retired.keys()]
            free = [names for names in usable if not names & self._held.keys() and not names & wanted]
            if free:
                request.names = free[0]
                self._held.update(dict.fromkeys(free[0], request.holder))
            elif usable:
                wanted |= usable[0] if len(request.choices) == 1 else frozenset()
                continue
            self._waiting.remove(request)
            request.decided.set()

    def _why_none(self, choices: Sequence[frozenset[str]]) -> str:
        if not choices:
            return "no station of this laboratory can do the task"
        reasons = {name: self._retired[name] for names in choices for name in sorted(names) if name in self._retired}
        return "; ".join(f"{name} is out of service: {reason}" for name, reason in reasons.items())
