"""Tells people who are not looking: alarms and trips go out over every route that wants them.

Each route has a thread of its own, so that a server that hangs delays no other; offering a notice never waits. A
route that keeps failing raises an alarm, which goes out over the others.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable

from lab.safety.alarms.book import AlarmBook
from lab.safety.alarms.notify_outbox import Outbox
from lab.safety.alarms.notify_routes import NotifyError, Route
from lab.safety.alarms.notify_send import Message, Notice, send
from lab.safety.alarms.states import Alarm, Change, Priority

SOURCE = "notify"
FAILURES = 3
"""So many in a row raise an alarm."""
LOOK_S = 30.0
"""Whether a flood is over is looked at so often."""
CLOSE_S = 2.0

Send = Callable[[Route, Message], None]


class Notifier:
    """Sends notices for one laboratory until it is closed."""

    def __init__(
        self,
        routes: Iterable[Route],
        *,
        lab: str,
        world: str = "real",
        send: Send = send,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin to send.

        Args:
            routes: Where notices go.
            lab: The laboratory's name, which every notice carries.
            world: ``real`` or ``simulated``.
            send: Sends one message, raises `NotifyError`.
            now: Seconds of a monotonic clock.
        """
        self._lanes = [_Lane(route, lab, world, send, now) for route in routes]

    def watch(self, book: AlarmBook) -> None:
        """Send its alarms from now on, those too that nobody has acknowledged yet, and tell it of failures."""
        for lane in self._lanes:
            lane.watch(book)
        book.subscribe(self._on_change)
        for alarm in book.list():
            self._on_change(Change.RAISED, alarm)

    def notify(self, notice: Notice) -> None:
        """Somebody is needed; the same key again only where the priority is higher."""
        for lane in self._lanes:
            lane.offer(notice)

    def settle(self, key: str) -> None:
        """Somebody has seen to it: what has not gone out yet does not."""
        for lane in self._lanes:
            lane.settle(key)

    def close(self, wait_s: float = CLOSE_S) -> None:
        """Try once more what is due, and end; waits for at most `wait_s`."""
        until_s = time.monotonic() + wait_s
        for lane in self._lanes:
            lane.close()
        for lane in self._lanes:
            lane.join(max(0.0, until_s - time.monotonic()))

    def _on_change(self, change: Change, alarm: Alarm) -> None:
        if alarm.hidden or not alarm.unacknowledged:
            self.settle(alarm.key)
        elif change in {Change.RAISED, Change.UNSHELVED, Change.IN_SERVICE}:
            self.notify(Notice(alarm.key, alarm.text, alarm.priority, alarm.guidance, alarm.source))


class _Lane:
    """One route with its thread."""

    def __init__(self, route: Route, lab: str, world: str, send: Send, now: Callable[[], float]) -> None:
        self._route, self._lab, self._world = route, lab, world
        self._send, self._now = send, now
        self._outbox = Outbox(route)
        self._changed = threading.Condition()
        self._closing = False
        self._book: AlarmBook | None = None
        self._key = f"{SOURCE}:{route.name}"
        self._thread = threading.Thread(target=self._run, name=self._key, daemon=True)
        self._thread.start()

    def watch(self, book: AlarmBook) -> None:
        self._book = book

    def offer(self, notice: Notice) -> None:
        if notice.key == self._key:
            # That this route fails cannot go out over it.
            return
        with self._changed:
            self._outbox.offer(notice, self._now())
            self._changed.notify_all()

    def settle(self, key: str) -> None:
        with self._changed:
            self._outbox.settle(key)

    def close(self) -> None:
        with self._changed:
            self._closing = True
            self._changed.notify_all()

    def join(self, wait_s: float) -> None:
        self._thread.join(wait_s)

    def _run(self) -> None:
        while True:
            # Asked outside the lock: the book may have something to tell this lane at the same time.
            flood = None if self._book is None else self._book.flood()
            with self._changed:
                now_s = self._now()
                notices = self._outbox.due(now_s, flood is not None)
                if not notices:
                    if self._closing:
                        return
                    wait_s = self._outbox.wait_s(now_s, flood is not None)
                    self._changed.wait(wait_s if flood is None or wait_s is None else min(wait_s, LOOK_S))
                    continue
                left_out = self._outbox.left_out
            line = None if flood is None else str(flood)
            self._deliver(Message(self._lab, self._world, notices, line, left_out))

    def _deliver(self, message: Message) -> None:
        try:
            self._send(self._route, message)
        except NotifyError as error:
            with self._changed:
                self._outbox.failed(self._now())
                failures = self._outbox.failures
            if failures >= FAILURES:
                self._tell(str(error), failures)
        else:
            with self._changed:
                self._outbox.sent(message.notices, self._now(), message.flood is not None)
            if self._book is not None:
                self._book.clear(self._key)

    def _tell(self, why: str, failures: int) -> None:
        if self._book is not None:
            self._book.raise_(
                self._key,
                text=f"notices do not go out over {self._route.name}, {failures} attempts failed: {why}",
                guidance="look at the server, the network and the secret; look after the alarm list until then",
                priority=Priority.HIGH,
                source=SOURCE,
            )
