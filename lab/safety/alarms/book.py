"""The alarms of one laboratory: who must look at what now.

Times are those of the clock that the book is given. It may be asked from several threads; it writes its file and
tells its subscribers outside its lock, so that a disk that hangs delays nobody who only looks.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from lab.safety.alarms.file import AlarmFile
from lab.safety.alarms.flood import Flood, FloodGauge
from lab.safety.alarms.in_order import InOrder
from lab.safety.alarms.states import NEXT, Alarm, AlarmError, Change, Priority, State

LONGEST_SHELF_S = 8 * 3600.0
HISTORY = 500
"""Alarms that are normal again and are still remembered."""
CHATTERING_RAISES = 3
CHATTERING_S = 60.0
"""An alarm that is raised so often in this time chatters."""
UNWRITTEN = 10_000
"""Events that wait for a disk that hangs."""

Subscriber = Callable[[Change, Alarm], None]


class AlarmBook:
    """All alarms."""

    def __init__(self, now: Callable[[], float], path: Path | None = None) -> None:
        """Take up the alarms of a file again.

        Latched alarms stand as they stood. The cause of any other is unknown after a restart: it counts as gone
        until it is raised again, and who has not acknowledged it still must.

        Args:
            now: The clock, in seconds.
            path: Where events are kept; None keeps nothing.
        """
        self._now = now
        self._lock = threading.RLock()
        self._alarms: dict[str, Alarm] = {}
        self._raised: dict[str, deque[float]] = {}
        self._gauge = FloodGauge()
        self._untold = InOrder(self._tell)
        self._subscribers: list[Subscriber] = []
        self._file = AlarmFile(path) if path is not None else None
        self._unwritten = InOrder(self._keep, limit=UNWRITTEN)
        if self._file is not None:
            self._load(self._file)

    @property
    def fault(self) -> str | None:
        """Why the newest event is not on the disk; None where it is."""
        return None if self._file is None else self._file.fault

    def subscribe(self, subscriber: Subscriber) -> None:
        """Have `subscriber` called with every change from now on; it must neither raise nor wait."""
        self._subscribers.append(subscriber)

    # -- causes come and go

    def raise_(self, key: str, *, text: str, guidance: str, priority: str, source: str, latched: bool = False) -> Alarm:
        """The cause is there; may be said as often as one likes.

        Args:
            key: Name of the alarm; the same cause has the same.
            text: What was seen.
            guidance: What a person should do.
            priority: ``low``, ``medium``, ``high`` or ``critical``.
            source: Who raises it.
            latched: Whether it stands over a restart.

        Raises:
            AlarmError: For a priority that does not exist, or an alarm without guidance.
        """
        given = _priority(key, priority)
        if not guidance.strip():
            raise AlarmError(f"alarm {key}: has no guidance, and every alarm says what to do: give one")
        with self._written() as now_s:
            old = self._alarms.get(key) or Alarm(key, text, guidance, given, source)
            worse = old.state is not State.NORMAL and given.rank > old.priority.rank
            state = State.UNACKNOWLEDGED if worse else NEXT[old.state, "raise"]
            told = replace(old, text=text, guidance=guidance, source=source)
            if state is old.state and not worse:
                # Nobody is told again; the newest text is shown.
                told = replace(told, latched=old.latched or latched)
                self._alarms[key] = told
                return told
            raised = self._put(Change.RAISED, self._raised_now(old, told, state, given, latched, now_s))
            self._gauge.read(now_s, self._alarms)
            return raised

    def clear(self, key: str, *, source: str | None = None) -> None:
        """The cause is gone; nothing happens where it was not there.

        Args:
            key: Name of the alarm.
            source: Who says so; None for one that may clear every alarm.

        Raises:
            AlarmError: Where somebody else has raised it.
        """
        with self._written() as now_s:
            old = self._alarms.get(key)
            if old is None or not old.active:
                return
            if source is not None and source != old.source:
                raise AlarmError(f"alarm {key} was raised by {old.source}: {source} cannot clear it")
            self._put(Change.CLEARED, replace(old, state=NEXT[old.state, "clear"], cleared_at_s=now_s))

    # -- people

    def acknowledge(self, key: str, actor: str) -> None:
        """Somebody has taken note.

        Raises:
            AlarmError: Where there is no such alarm.
        """
        with self._written() as now_s:
            old = self._get(key, actor)
            if not old.unacknowledged:
                return
            state = NEXT[old.state, "acknowledge"]
            self._put(Change.ACKNOWLEDGED, replace(old, state=state, acknowledged_by=actor, acknowledged_at_s=now_s))

    def shelve(self, key: str, actor: str, for_s: float, reason: str) -> None:
        """Put an alarm away for a time; it comes back by itself, and when it becomes worse.

        Raises:
            AlarmError: Where there is no such alarm, no reason, or the time is too long.
        """
        if not (math.isfinite(for_s) and 0 < for_s <= LONGEST_SHELF_S):
            raise AlarmError(
                f"alarm {key}: shelving for {for_s / 60:g} min was asked for, and more than 0 and at most "
                f"{LONGEST_SHELF_S / 3600:g} h are allowed: take it out of service if its sensor is broken"
            )
        with self._written() as now_s:
            old = self._get(key, actor)
            shelved = replace(
                old,
                shelved_by=actor,
                shelved_at_s=now_s,
                shelved_until_s=now_s + for_s,
                shelved_reason=_reason(key, reason),
            )
            self._put(Change.SHELVED, shelved)

    def unshelve(self, key: str, actor: str) -> None:
        """Take an alarm from the shelf before its time.

        Raises:
            AlarmError: Where there is no such alarm.
        """
        with self._written():
            old = self._get(key, actor)
            if old.shelved_by is not None:
                self._put(Change.UNSHELVED, _unshelved(old))

    def take_out(self, key: str, actor: str, reason: str) -> None:
        """Take an alarm out of service until somebody puts it back.

        Raises:
            AlarmError: Where there is no such alarm, or no reason.
        """
        with self._written():
            old = self._get(key, actor)
            self._put(Change.OUT_OF_SERVICE, replace(old, out_by=actor, out_reason=_reason(key, reason)))

    def put_back(self, key: str, actor: str) -> None:
        """Put an alarm back into service, as it stands now.

        Raises:
            AlarmError: Where there is no such alarm.
        """
        with self._written():
            old = self._get(key, actor)
            if old.out_by is not None:
                self._put(Change.IN_SERVICE, replace(old, out_by=None, out_reason=None))

    # -- what stands

    def get(self, key: str) -> Alarm | None:
        """One alarm, None where it was never raised."""
        with self._changing():
            return self._alarms.get(key)

    def list(self, include_history: bool = False) -> tuple[Alarm, ...]:
        """All that people must see: what needs somebody first, then the worst, then the oldest."""
        with self._changing():
            found = [alarm for alarm in self._alarms.values() if include_history or alarm.listed]
        return tuple(sorted(found, key=_urgency))

    def active(self) -> tuple[Alarm, ...]:
        """Those whose cause is there now, without what is shelved or out of service."""
        return tuple(alarm for alarm in self.list() if alarm.active and not alarm.hidden)

    def summary(self) -> dict[str, Any]:
        """Counts for a top line.

        Returns:
            ``active``, ``unacknowledged``, ``shelved``, ``out_of_service``: numbers; ``worst``: a priority or None;
            ``flood``: a line or None.
        """
        listed = self.list()
        seen = [alarm for alarm in listed if not alarm.hidden]
        worst = max((alarm.priority for alarm in seen), key=lambda priority: priority.rank, default=None)
        flood = self.flood()
        return {
            "active": sum(alarm.active for alarm in seen),
            "unacknowledged": sum(alarm.unacknowledged for alarm in seen),
            "worst": worst,
            "shelved": sum(alarm.shown == "shelved" for alarm in listed),
            "out_of_service": sum(alarm.out_by is not None for alarm in listed),
            "flood": None if flood is None else str(flood),
        }

    def flood(self) -> Flood | None:
        """The flood that goes on now, else None."""
        with self._changing() as now_s:
            return self._gauge.read(now_s, self._alarms)

    # -- inside

    @contextmanager
    def _changing(self) -> Iterator[float]:
        """Hold the book, and tell subscribers afterwards; gives the time."""
        now_s = self._now()
        try:
            with self._lock:
                self._unshelve_expired(now_s)
                yield now_s
        finally:
            self._untold.drain()

    @contextmanager
    def _written(self) -> Iterator[float]:
        """The same, and bring it to the disk."""
        try:
            with self._changing() as now_s:
                yield now_s
        finally:
            self._unwritten.drain()

    def _tell(self, changed: tuple[Change, Alarm]) -> None:
        for subscriber in tuple(self._subscribers):
            subscriber(*changed)

    def _keep(self, event: tuple[float, Change, Alarm]) -> None:
        if self._file is not None:
            self._file.append(*event)

    def _put(self, change: Change, alarm: Alarm) -> Alarm:
        if alarm.state is State.NORMAL:
            alarm = replace(alarm, first_out=False)
        self._alarms[alarm.key] = alarm
        self._unwritten.put((self._now(), change, alarm))
        self._untold.put((change, alarm))
        if not alarm.listed:
            self._forget()
        return alarm

    def _raised_now(self, old: Alarm, told: Alarm, state: State, given: Priority, latched: bool, now_s: float) -> Alarm:
        """The alarm as it is after being raised anew or becoming worse."""
        again = old.state is State.NORMAL
        times = self._raised.setdefault(old.key, deque(maxlen=CHATTERING_RAISES))
        if not old.active:
            times.append(now_s)
        if not old.unacknowledged:
            self._gauge.note(old.key, now_s)
        alarm = replace(
            told,
            state=state,
            priority=given if again else max(given, old.priority, key=lambda priority: priority.rank),
            latched=latched if again else latched or old.latched,
            raises=old.raises + (not old.active),
            chattering=len(times) == CHATTERING_RAISES and now_s - times[0] <= CHATTERING_S,
            raised_at_s=old.raised_at_s if old.active else now_s,
            acknowledged_by=None,
            acknowledged_at_s=None,
            cleared_at_s=None,
        )
        if alarm.latched and not old.first_out:
            others = (a for a in self._alarms.values() if a.key != old.key)
            alarm = replace(alarm, first_out=not any(a.latched and a.state is not State.NORMAL for a in others))
        return _unshelved(alarm) if not again and given.rank > old.priority.rank else alarm

    def _get(self, key: str, actor: str) -> Alarm:
        alarm = self._alarms.get(key)
        if alarm is None:
            known = ", ".join(alarm.key for alarm in self._alarms.values() if alarm.listed) or "none"
            raise AlarmError(f"no alarm is named {key!r}: there are {known}")
        if not actor.strip():
            raise AlarmError(f"alarm {key}: nobody was named who does this: give a name")
        return alarm

    def _unshelve_expired(self, now_s: float) -> None:
        for alarm in tuple(self._alarms.values()):
            if alarm.shelved_by is not None and not _is_shelf_time(alarm, now_s):
                self._put(Change.UNSHELVED, _unshelved(alarm))

    def _forget(self) -> None:
        """Let go of the oldest alarms that are normal, so that a long run does not grow without end."""
        old = [alarm for alarm in self._alarms.values() if not alarm.listed]
        for alarm in sorted(old, key=lambda alarm: alarm.raised_at_s)[:-HISTORY]:
            del self._alarms[alarm.key]
            self._raised.pop(alarm.key, None)

    def _load(self, file: AlarmFile) -> None:
        self._alarms, unreadable = file.load()
        now_s = self._now()
        for alarm in tuple(self._alarms.values()):
            if alarm.active and not alarm.latched:
                self._put(Change.CLEARED, replace(alarm, state=NEXT[alarm.state, "clear"], cleared_at_s=now_s))
        self._forget()
        self._unwritten.drain()
        file.shorten(now_s, self._alarms.values())
        # Nobody has subscribed yet.
        self._untold.drain()
        if unreadable:
            self.raise_(
                "alarm-file",
                text=f"{unreadable} events in {file.path} could not be read: an alarm may be missing from the list",
                guidance="look through the audit log for what was raised, then acknowledge this",
                priority=Priority.HIGH,
                source="alarms",
            )


def _priority(key: str, priority: str) -> Priority:
    try:
        return Priority(priority)
    except ValueError:
        raise AlarmError(f"alarm {key}: priority is {priority!r}, and must be {', '.join(Priority)}") from None


def _reason(key: str, reason: str) -> str:
    if not reason.strip():
        raise AlarmError(f"alarm {key}: there is no reason: say why nobody needs to see it")
    return reason.strip()


def _is_shelf_time(alarm: Alarm, now_s: float) -> bool:
    """Also no when the clock was set back: then nobody can say how long it has been."""
    return (
        alarm.shelved_at_s is not None
        and alarm.shelved_until_s is not None
        and (alarm.shelved_at_s <= now_s < alarm.shelved_until_s)
    )


def _unshelved(alarm: Alarm) -> Alarm:
    return replace(alarm, shelved_by=None, shelved_at_s=None, shelved_until_s=None, shelved_reason=None)


def _urgency(alarm: Alarm) -> tuple[bool, bool, int, float]:
    return alarm.hidden, not alarm.unacknowledged, -alarm.priority.rank, alarm.raised_at_s
