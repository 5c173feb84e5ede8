"""Reservations: all that a task needs together, or nothing, first come first served in lab time."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from drivers.clock import Clock, Event


@dataclass
class _Request:
    choices: Sequence[frozenset[str]]
    """Sets of names; any one of them will do."""
    holder: str
    granted: Event
    names: frozenset[str] = field(default_factory=frozenset)


class Reservations:
    """Who holds which station.

    A request waits until all of its names are free and no earlier request wants one of them, so nobody is
    overtaken for ever. Whoever needs a furnace for a whole firing takes it before the mover: names are always
    taken in that order, and no circle of waiting can form.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._held: dict[str, str] = {}
        self._waiting: list[_Request] = []

    @property
    def held(self) -> dict[str, str]:
        """Station to holder, now."""
        with self._lock:
            return dict(self._held)

    @contextmanager
    def hold(self, names: Collection[str], holder: str) -> Iterator[None]:
        """Hold all of `names` inside the block."""
        with self.hold_any([frozenset(names)], holder):
            yield

    @contextmanager
    def hold_any(self, choices: Sequence[frozenset[str]], holder: str) -> Iterator[frozenset[str]]:
        """Hold the first of `choices` that comes free; gives which one it is."""
        request = _Request(choices, holder, self._clock.event())
        with self._lock:
            self._waiting.append(request)
            self._grant()
        request.granted.wait()
        try:
            yield request.names
        finally:
            with self._lock:
                for name in request.names:
                    del self._held[name]
                self._grant()

    def _grant(self) -> None:
        wanted: set[str] = set()
        for request in tuple(self._waiting):
            free = [names for names in request.choices if not (names & self._held.keys()) and not (names & wanted)]
            if free:
                request.names = free[0]
                self._held.update(dict.fromkeys(free[0], request.holder))
                self._waiting.remove(request)
                request.granted.set()
            elif len(request.choices) == 1:
                wanted |= request.choices[0]
