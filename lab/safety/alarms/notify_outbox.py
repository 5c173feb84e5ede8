"""What one route still has to tell, as a pure state: no thread, no wire, no clock of its own.

A notice waits here until its time has come, is sent once for each time that somebody is needed, and leaves
untold when somebody acknowledges it before. Many at once go out as one.
"""

from __future__ import annotations

from dataclasses import dataclass

from lab.safety.alarms.notify_routes import Route
from lab.safety.alarms.notify_send import Notice

LIMIT = 1000
BUNDLE = 5
"""More than so many at once go out as one message."""
FLOOD_EVERY_S = 300.0
"""During a flood one message in this time."""
FIRST_RETRY_S = 1.0
LONGEST_RETRY_S = 300.0


@dataclass
class _Entry:
    notice: Notice
    due_s: float


class Outbox:
    """The notices of one route; times are seconds of any clock that only goes on."""

    def __init__(self, route: Route) -> None:
        self._route = route
        self._waiting: dict[str, _Entry] = {}
        self._told: dict[str, int] = {}
        """Rank of the priority at which each notice went out that nobody has acknowledged yet."""
        self._retry_s = float("-inf")
        self._flooded_s = float("-inf")
        self.failures = 0
        """In a row."""
        self.left_out = 0
        """Notices that were dropped because too many waited."""

    def offer(self, notice: Notice, now_s: float) -> None:
        """Somebody is needed."""
        if notice.priority.rank < self._route.from_priority.rank:
            return
        if self._told.get(notice.key, -1) >= notice.priority.rank:
            return
        waiting = self._waiting.get(notice.key)
        if waiting is None:
            self._waiting[notice.key] = _Entry(notice, now_s + self._route.after_s)
        elif notice.priority.rank >= waiting.notice.priority.rank:
            # It goes out as it is now, and has waited since it came.
            waiting.notice = notice
        if len(self._waiting) > LIMIT:
            least = min(self._waiting.values(), key=lambda entry: (entry.notice.priority.rank, -entry.due_s))
            del self._waiting[least.notice.key]
            self.left_out += 1

    def settle(self, key: str) -> None:
        """Nobody is needed any more."""
        self._waiting.pop(key, None)
        self._told.pop(key, None)

    def due(self, now_s: float, flood: bool) -> tuple[Notice, ...]:
        """What must go out now as one message, the most urgent first; often nothing."""
        if now_s < self._retry_s or (flood and now_s < self._flooded_s + FLOOD_EVERY_S):
            return ()
        entries = [entry for entry in self._waiting.values() if entry.due_s <= now_s]
        entries.sort(key=lambda entry: (-entry.notice.priority.rank, entry.due_s))
        count = len(entries) if flood or len(entries) > BUNDLE else 1
        return tuple(entry.notice for entry in entries[:count])

    def wait_s(self, now_s: float, flood: bool) -> float | None:
        """For how long there is nothing to do; None: until something is offered."""
        if not self._waiting:
            return None
        at_s = max(min(entry.due_s for entry in self._waiting.values()), self._retry_s)
        if flood:
            at_s = max(at_s, self._flooded_s + FLOOD_EVERY_S)
        return max(0.0, at_s - now_s)

    def sent(self, notices: tuple[Notice, ...], now_s: float, flood: bool) -> None:
        """The message has arrived."""
        self.failures, self.left_out = 0, 0
        if flood:
            self._flooded_s = now_s
        for notice in notices:
            entry = self._waiting.get(notice.key)
            if entry is None:
                # Acknowledged while it was under way.
                continue
            self._told[notice.key] = notice.priority.rank
            if entry.notice.priority.rank <= notice.priority.rank:
                del self._waiting[notice.key]

    def failed(self, now_s: float) -> None:
        """The message did not arrive; the next attempt waits longer each time."""
        self.failures += 1
        self._retry_s = now_s + min(FIRST_RETRY_S * 2.0 ** (self.failures - 1), LONGEST_RETRY_S)
