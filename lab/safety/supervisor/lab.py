"""The lab service as the supervisor sees it: alive while it beats, what it last said, and how it answers a STOP."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, NamedTuple, Protocol

from lab.safety.interlocks.expressions import Value

LOST_AFTER_S = 2.0
"""Wall seconds without a beat after which the lab service is gone; ten beats, because an import may hold it up."""
DEVICES_ANSWER_S = 2.0
"""Wall seconds in which every device must have acknowledged a STOP."""


class Peer(Protocol):
    """A connection that messages can be sent over."""

    def send(self, message: Mapping[str, Any]) -> None:
        """Send without waiting."""

    def drop(self, why: str) -> None:
        """Close it."""


class StopRound:
    """One STOP passed on to the lab service, and its devices' answers."""

    def __init__(self, expected: Collection[str]) -> None:
        self.answers: dict[str, str | None] = {}
        """Device to None where it stopped, else why not."""
        self._expected = frozenset(expected)
        self._changed = threading.Condition()

    def answered(self, device: str, why_not: str | None) -> None:
        """Take in one device's answer."""
        with self._changed:
            self.answers[device] = why_not
            self._changed.notify_all()

    def wait(self, deadline_s: float, on_answer: Callable[[str, str | None], None] = lambda device, why: None) -> None:
        """Wait until every device has answered, or monotonic `deadline_s`; tell each answer as it comes."""
        told: set[str] = set()
        while True:
            with self._changed:
                while not (new := self.answers.keys() - told) and not self._expected <= told:
                    left_s = deadline_s - time.monotonic()
                    if left_s <= 0:
                        return
                    self._changed.wait(left_s)
                found = {device: self.answers[device] for device in new}
            for device, why_not in sorted(found.items()):
                on_answer(device, why_not)
            told |= found.keys()
            if self._expected <= told:
                return

    @property
    def silent(self) -> list[str]:
        """Devices that have not answered."""
        return sorted(self._expected - self.answers.keys())


class LabSight(NamedTuple):
    """The lab service at one moment."""

    alive: bool
    values: Mapping[str, Value]
    """Its signals; none where it is not alive."""
    age_s: float
    """Wall seconds since its last sign of life."""
    running: frozenset[str]
    """Outputs whose controller runs a programme; what was so when it was last heard of stays known, because it decides
    what may go on without it."""
    left: bool
    """Whether it is gone because it said so."""


class LabPresence:
    """The one live connection of the lab service; any thread may ask."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._peer: Peer | None = None
        self._pid = 0
        self._devices: tuple[str, ...] = ()
        self._beat_s = 0.0
        self._values: Mapping[str, Value] = {}
        self._running: frozenset[str] = frozenset()
        self._left = False
        self._round: StopRound | None = None
        self.on_gone: Callable[[], None] = lambda: None
        """Called when the lab service's connection has ended, however; must not wait."""

    def hello(self, peer: Peer, pid: int, devices: Iterable[str]) -> str | None:
        """Make a connection the lab service's; gives why not, where another one is alive."""
        with self._lock:
            other = self._peer
            if other is not None and other is not peer and self._alive():
                return f"process {self._pid} is this laboratory's service and is alive: end it first"
            self._peer, self._pid, self._devices = peer, pid, tuple(devices)
            self._beat_s, self._values, self._running = self._now(), {}, frozenset()
            self._left = False
        if other is not None and other is not peer:
            other.drop("another lab service has taken over")
        return None

    def beat(self, peer: Peer, values: Mapping[str, Value], running: Iterable[str]) -> bool:
        """Take in a sign of life; False where the connection is not the lab service's."""
        with self._lock:
            if peer is not self._peer:
                return False
            self._beat_s, self._values, self._running = self._now(), dict(values), frozenset(running)
            return True

    def bye(self, peer: Peer) -> bool:
        """The lab service ends as it should; False where the connection is not its own, which changes nothing.

        It is gone then like one that was lost; only nobody is alarmed.
        """
        return self._end(peer, left=True)

    def gone(self, peer: Peer) -> None:
        """A connection has closed."""
        self._end(peer, left=False)

    def _end(self, peer: Peer, *, left: bool) -> bool:
        with self._lock:
            if peer is not self._peer:
                return False
            self._peer, self._values, self._left = None, {}, left
        self.on_gone()
        return True

    def is_process(self, pid: int) -> bool:
        """Whether a process is the live lab service's, whose gateway has asked for everything that must be asked."""
        with self._lock:
            return self._alive() and pid == self._pid

    def look(self) -> LabSight:
        """Give how it is, all of one moment."""
        with self._lock:
            alive = self._alive()
            values = self._values if alive else {}
            return LabSight(alive, values, self._now() - self._beat_s, self._running, self._left)

    def pass_stop(self, actor: str) -> StopRound | None:
        """Pass a STOP on; None where nobody is there to pass it to."""
        with self._lock:
            if self._peer is None:
                return None
            self._round = StopRound(self._devices)
            self._peer.send({"stop": {"by": actor}})
            return self._round

    def stopped(self, peer: Peer, device: str, why_not: str | None) -> None:
        """Take in how one device answered the STOP."""
        with self._lock:
            current = self._round if peer is self._peer else None
        if current is not None:
            current.answered(device, why_not)

    def _alive(self) -> bool:
        return self._peer is not None and self._now() - self._beat_s <= LOST_AFTER_S
