"""When a furnace is looked at: at the turns of its programme, and about when it will have cooled."""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterable
from datetime import UTC, datetime

from drivers.pace import next_poll_s

ADOPTED_POLL_S = 10.0
"""Lab seconds between looks at a running programme whose start nobody saw."""


class Timetable:
    """The lab times at which a programme is expected to turn, and the latest at which it must have ended.

    Both stand still while the programme is on hold.
    """

    def __init__(self) -> None:
        self._transitions_s: list[float] | None = []
        self._latest_s = math.inf
        self._began_s = math.nan
        self._held_s: float | None = None

    @property
    def latest_s(self) -> float:
        """When the programme must have ended; later by as long as it was on hold."""
        return self._latest_s

    @property
    def latest_utc(self) -> str:
        """The same for people, to the minute."""
        return datetime.fromtimestamp(self._latest_s, UTC).isoformat(timespec="minutes")

    @property
    def on_hold(self) -> bool:
        """Whether the programme was put on hold here."""
        return self._held_s is not None

    def begin(self, transitions_s: Iterable[float] | None, latest_s: float, began_s: float = math.nan) -> None:
        """A programme runs, which turns at these times; None and NaN: nobody saw its start."""
        self._transitions_s = None if transitions_s is None else list(transitions_s)
        self._latest_s, self._began_s, self._held_s = latest_s, began_s, None

    def end(self) -> None:
        """The programme is over."""
        self._transitions_s, self._latest_s, self._began_s, self._held_s = [], math.inf, math.nan, None

    def hold(self, now_s: float) -> None:
        """The programme was put on hold; once more changes nothing."""
        if self._held_s is None:
            self._held_s = now_s

    def go_on(self, now_s: float) -> None:
        """The programme is on hold no more: all that is still to come comes later by as much."""
        if self._held_s is None:
            return
        held_for_s, self._held_s = now_s - self._held_s, None
        self._latest_s += held_for_s
        self._began_s += held_for_s
        if self._transitions_s is not None:
            self._transitions_s = [at_s + held_for_s for at_s in self._transitions_s]

    def elapsed_s(self, now_s: float) -> float:
        """For how long the programme has run, without the time on hold; NaN where nobody saw its start."""
        return (now_s if self._held_s is None else self._held_s) - self._began_s

    def next_look_s(self, now_s: float) -> float:
        """The lab time of the next look."""
        if self._held_s is not None:
            return next_poll_s(now_s)
        if self._transitions_s is None:
            return now_s + ADOPTED_POLL_S
        following = bisect.bisect_right(self._transitions_s, now_s)
        if following < len(self._transitions_s):
            return next_poll_s(now_s, self._transitions_s[following])
        return next_poll_s(now_s, self._transitions_s[-1] if self._transitions_s else None)


class Cooling:
    """About when the reading, falling as it fell last, will be where it is waited for."""

    def __init__(self) -> None:
        self._below_degc = math.nan
        self._last: tuple[float, float] | None = None
        """When it was looked at last, and what it read; None while nobody waits."""

    def wait_for(self, below_degc: float, now_s: float) -> None:
        """Somebody waits until the reading is at or below a temperature."""
        self._below_degc = below_degc
        self._last = self._last or (now_s, math.nan)

    def end(self) -> None:
        """Nobody waits any more."""
        self._last = None

    def next_look_s(self, now_s: float, reading_degc: float) -> float:
        """The lab time of the next look; infinite while nobody waits."""
        if self._last is None:
            return math.inf
        last_s, last_degc = self._last
        self._last = (now_s, reading_degc)
        fall = (last_degc - reading_degc) / (now_s - last_s) if now_s > last_s else math.nan
        if not fall > 0:
            return now_s + 1.0 if math.isnan(fall) else next_poll_s(now_s)
        return next_poll_s(now_s, now_s + max(1.0, (reading_degc - self._below_degc) / fall))
