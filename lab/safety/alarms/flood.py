"""Floods: more new alarms than a person can look at one by one are told as one line."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass

from lab.safety.alarms.states import Alarm

FLOOD_S = 600.0
FLOOD_ALARMS = 10
"""More new unacknowledged alarms than that in `FLOOD_S` are a flood."""
FLOOD_OVER = 5
"""A flood is over when fewer than that are left."""
TOP_SOURCES = 3
REMEMBERED = 10_000
"""A flood is counted no further."""


@dataclass(frozen=True)
class Flood:
    """A flood that goes on."""

    count: int
    since_s: float
    first: str
    """Text of the first alarm."""
    sources: tuple[tuple[str, int], ...]
    """Who raised most, with how many."""

    def __str__(self) -> str:
        top = ", ".join(f"{source} ({count})" for source, count in self.sources)
        return f"{self.count} new alarms in {FLOOD_S / 60:.0f} minutes; the first: {self.first}; most from {top}"


class FloodGauge:
    """Counts how many alarms became new and wait for somebody."""

    def __init__(self) -> None:
        self._new: deque[tuple[float, str]] = deque(maxlen=REMEMBERED)
        self._first: str | None = None
        """Text of the alarm with which the present flood began."""

    def note(self, key: str, now_s: float) -> None:
        """An alarm has become new and unacknowledged."""
        self._new.append((now_s, key))

    def read(self, now_s: float, alarms: Mapping[str, Alarm]) -> Flood | None:
        """The flood that goes on now, else None; notes where one begins and ends."""
        while self._new and self._new[0][0] <= now_s - FLOOD_S:
            self._new.popleft()
        fresh = {key: at_s for at_s, key in self._new if key in alarms and _waits(alarms[key])}
        if len(fresh) < FLOOD_OVER:
            self._first = None
        elif len(fresh) > FLOOD_ALARMS and self._first is None:
            self._first = alarms[next(iter(fresh))].text
        if self._first is None:
            return None
        top = Counter(alarms[key].source for key in fresh).most_common(TOP_SOURCES)
        return Flood(len(fresh), min(fresh.values()), self._first, tuple(top))


def _waits(alarm: Alarm) -> bool:
    return alarm.unacknowledged and not alarm.hidden
