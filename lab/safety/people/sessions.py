"""Who is logged in: sessions that the server keeps, and brakes against guessing.

Sessions live in memory and end with the service. Only the hash of a session's id is kept, so that nobody can use
what they read from memory or a core file. Times are those of a monotonic clock.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

IDLE_S = 30 * 60.0
ABSOLUTE_S = 12 * 3600.0
PER_USER = 20
"""Sessions of one person at a time; the oldest gives way."""

TRIES = 5
TRIES_S = 60.0
"""At most so many tries in this time, for one name from one address."""
FIRST_DELAY_S = 0.5
LONGEST_DELAY_S = 300.0
FORGET_S = 3600.0
"""Failures are held against nobody for longer."""
REMEMBERED = 10_000


@dataclass(frozen=True)
class Session:
    """One login; times in monotonic seconds."""

    user: str
    address: str
    opened_s: float
    used_s: float


class Sessions:
    """All logins; may be used from several threads."""

    def __init__(
        self, now: Callable[[], float] = time.monotonic, *, idle_s: float = IDLE_S, absolute_s: float = ABSOLUTE_S
    ) -> None:
        self._now = now
        self._idle_s, self._absolute_s = idle_s, absolute_s
        self._lock = threading.Lock()
        self._open: dict[str, Session] = {}

    def open(self, user: str, address: str = "") -> str:
        """Begin a session for a person who has proved who they are.

        Returns:
            Its id, 256 random bits, which is kept nowhere.
        """
        session_id, now_s = secrets.token_urlsafe(32), self._now()
        with self._lock:
            self._drop_old(now_s)
            own = [key for key, session in self._open.items() if session.user == user]
            for key in own[: max(0, len(own) - PER_USER + 1)]:
                del self._open[key]
            self._open[_hashed(session_id)] = Session(user, address, now_s, now_s)
        return session_id

    def find(self, session_id: str, *, touch: bool = True) -> Session | None:
        """The session, if it is still open; with `touch` its idle time begins anew."""
        key, now_s = _hashed(session_id), self._now()
        with self._lock:
            session = self._open.get(key)
            if session is None:
                return None
            if not self._lives(session, now_s):
                del self._open[key]
                return None
            if touch:
                session = self._open[key] = replace(session, used_s=now_s)
            return session

    def close(self, session_id: str) -> None:
        """Log out."""
        with self._lock:
            self._open.pop(_hashed(session_id), None)

    def close_all(self, user: str) -> int:
        """End all sessions of a person; gives how many there were."""
        with self._lock:
            own = [key for key, session in self._open.items() if session.user == user]
            for key in own:
                del self._open[key]
            return len(own)

    def list(self) -> tuple[Session, ...]:
        """Those that are open."""
        with self._lock:
            self._drop_old(self._now())
            return tuple(self._open.values())

    def _lives(self, session: Session, now_s: float) -> bool:
        return now_s - session.used_s < self._idle_s and now_s - session.opened_s < self._absolute_s

    def _drop_old(self, now_s: float) -> None:
        for key in [key for key, session in self._open.items() if not self._lives(session, now_s)]:
            del self._open[key]


def _hashed(session_id: str) -> str:
    return hashlib.sha256(session_id.encode("utf-8", "replace")).hexdigest()


@dataclass
class _Failures:
    count: int = 0
    """In a row."""
    tried_s: list[float] = field(default_factory=list)


class LoginThrottle:
    """Slows down guessing, for each name from each address: what one address guesses locks out no other."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._failures: dict[tuple[str, str], _Failures] = {}

    def begin(self, user: str, address: str) -> float:
        """Ask for one try.

        Returns:
            0 where it may be made now: then it counts as failed until `succeeded` is said. Else seconds to wait.
        """
        now_s = self._now()
        with self._lock:
            failures = self._failures.pop((user, address), None) or _Failures()
            # Those that were tried last stand last, and are forgotten last.
            self._failures[user, address] = failures
            wait_s = _wait_s(failures, now_s)
            if wait_s <= 0:
                failures.count += 1
                failures.tried_s = [*failures.tried_s[-TRIES + 1 :], now_s]
            while len(self._failures) > REMEMBERED:
                del self._failures[next(iter(self._failures))]
            return max(0.0, wait_s)

    def succeeded(self, user: str, address: str) -> None:
        """The try that began last was right: nothing is held against the person any more."""
        with self._lock:
            self._failures.pop((user, address), None)


def _wait_s(failures: _Failures, now_s: float) -> float:
    if not failures.tried_s:
        return 0.0
    last_s = failures.tried_s[-1]
    if now_s - last_s >= FORGET_S:
        failures.count, failures.tried_s = 0, []
        return 0.0
    delay_s = min(FIRST_DELAY_S * 2.0 ** (failures.count - 1), LONGEST_DELAY_S)
    full_s = failures.tried_s[0] + TRIES_S if len(failures.tried_s) == TRIES else 0.0
    return max(last_s + delay_s, full_s) - now_s
