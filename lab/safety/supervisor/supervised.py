"""The lab service's side of a supervisor that is a process of its own: signs of life, the newest snapshot, requests.

Three threads: one beats, one reads, and a STOP has one for each device. None of them is needed for a contactor to
open; without them nothing hazardous is granted.
"""

from __future__ import annotations

import math
import os
import socket
import threading
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from drivers.codecs.safety_io import SafetyReading, WatchdogState
from drivers.errors import DriverError, LinkError, RefusedError
from drivers.gate import Granted
from drivers.links.grant import check_grant
from lab.errors import LabError
from lab.safety.interlocks.expressions import Value
from lab.safety.judging.scan import STOP_BY
from lab.safety.supervisor.process import SOCKET, SupervisorGoneError, ask
from lab.safety.supervisor.sockets import Lines, WireFormatError, close_quietly, connect_unix, encode

BEAT_S = 0.2
QUESTIONS = frozenset({"state", "alarms", "modules"})
"""Requests that change nothing."""
STALE_S = 1.0
"""Wall seconds after which a snapshot says nothing any more."""
WRITE_S = 1.0
FIRST_RETRY_S, LONGEST_RETRY_S = 0.05, 1.0
ACTOR = "lab service"
FEEDBACK = 5
"""The input that is the contactor's own auxiliary contact."""

OnStop = Callable[[str], Mapping[str, Callable[[], None]]]
Values = Callable[[], Mapping[str, Value]]


def _no_values() -> Mapping[str, Value]:
    return {}


def _nothing_runs() -> Collection[str]:
    return ()


class SupervisorLink:
    """The lab service's connection to its supervisor; a `lab.safety.judging.watch.Watch`."""

    def __init__(
        self,
        folder: Path,
        lab: str,
        on_stop: OnStop,
        *,
        devices: Collection[str] = (),
        values: Values = _no_values,
        running: Callable[[], Collection[str]] = _nothing_runs,
    ) -> None:
        """Make the link; nothing is connected before `start`.

        Args:
            folder: The laboratory's runtime folder.
            lab: Its name.
            on_stop: Given who stopped, what stops each device; each is called in a thread of its own.
            devices: Everything that `on_stop` will stop: what does not answer raises an alarm.
            values: The lab service's own signals as they can be believed now; must not wait.
            running: Outputs whose controller runs a programme now; must not wait.
        """
        self._folder, self._lab, self._on_stop = folder, lab, on_stop
        self._devices, self._values, self._running = tuple(devices), values, running
        self._closing = threading.Event()
        self._stream: socket.socket | None = None
        self._writing = threading.Lock()
        self._seen = threading.Condition()
        self._snapshot: dict[str, Any] = {}
        self._seen_s = -math.inf
        self._permit_until_s = -math.inf
        self._refusal: str | None = None
        self._threads: list[threading.Thread] = []
        self._anew = True
        """Whether no snapshot has come over this connection yet."""
        self._waiting: dict[tuple[str, float], float] = {}
        """STOPs that are latched and were not passed on yet, with the monotonic time since which they are seen."""
        self._done: set[tuple[str, float]] = set()
        """Latched STOPs that were acted on."""
        self._told: dict[str, float] = {}
        """Who has stopped, by a message that came before its latch was seen, and when."""

    # -- life

    def start(self, within_s: float = 5.0) -> None:
        """Connect, and wait for the first snapshot.

        Raises:
            SupervisorGoneError: Where there is none in time; the link goes on trying until it is closed.
        """
        for name, work in (("supervisor link", self._read), ("supervisor beat", self._beat)):
            thread = threading.Thread(target=work, name=name, daemon=True)
            self._threads.append(thread)
            thread.start()
        deadline_s = time.monotonic() + within_s
        with self._seen:
            while not self._snapshot:
                left_s = deadline_s - time.monotonic()
                if left_s <= 0:
                    raise SupervisorGoneError(
                        self._refusal or f"{self._folder / SOCKET}: no safety supervisor is there"
                    )
                self._seen.wait(left_s)

    def close(self) -> None:
        """Say goodbye and no more: outputs do what their `on_lab_loss` declares, and nobody is alarmed."""
        self._closing.set()
        self._send({"do": "bye"})
        self._drop()
        for thread in self._threads:
            thread.join(WRITE_S)

    # -- what the lab asks (Watch)

    def tripped(self) -> tuple[str, ...]:
        """Why nothing hazardous may start: no permit first, then what has tripped, first cause first."""
        now_s = time.monotonic()
        causes = tuple(str(latch["cause"]) for latch in self._snapshot.get("tripped", ()))
        until_s = self._snapshot.get("permit_until")
        if until_s is not None and now_s < until_s:
            return causes
        if self._permit_until_s == -math.inf:
            return ("the safety supervisor has given no permit yet", *causes)
        missing_s = max(0.0, now_s - self._permit_until_s) + STALE_S
        return (f"the safety supervisor gave no permit for {missing_s:.1f} s", *causes)

    def values(self) -> dict[str, Value]:
        """Every signal, output and rise as it can be believed now; the lab service's own as it reads them itself."""
        found: dict[str, Value] = dict(self._snapshot.get("values", {}))
        if self._stale_s() > STALE_S:
            found = dict.fromkeys(found)
        return {**found, **self._values()}

    def held(self) -> frozenset[str]:
        """Devices whose recipes a hold rule makes wait; as last known, where the supervisor is silent."""
        return frozenset(self._snapshot.get("held", ()))

    def bypassed(self) -> frozenset[str]:
        """Ids of the rules that are bypassed now; none, where the supervisor is silent."""
        if self._stale_s() > STALE_S:
            return frozenset()
        found = self._snapshot.get("bypasses", ())
        return frozenset(str(bypass["rule"]) for bypass in found if bypass["approver"] is not None)

    def snapshot(self) -> dict[str, Any]:
        """The newest snapshot, with how many wall seconds old it is."""
        return {**self._snapshot, "age_s": self._stale_s()}

    def wait_for(self, condition: Callable[[Mapping[str, Any]], bool], within_s: float) -> bool:
        """Wait for a snapshot of which a condition is true; gives whether one came in time."""
        deadline_s = time.monotonic() + within_s
        with self._seen:
            while not condition(self._snapshot):
                left_s = deadline_s - time.monotonic()
                if left_s <= 0:
                    return False
                self._seen.wait(left_s)
            return True

    def request(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """Ask the supervisor, over a connection of its own: one that hangs delays no sign of life."""
        asked_s = time.monotonic()
        try:
            answered = ask(self._folder, message)
        except SupervisorGoneError as error:
            return {"ok": False, "reasons": [str(error)]}
        if answered.get("ok") and message.get("do") not in QUESTIONS:
            # The answer may overtake the snapshot, and whoever looks next must see what was changed.
            self.wait_for(lambda snapshot: snapshot.get("monotonic", 0.0) >= asked_s, STALE_S)
        return answered

    # -- the threads

    def _read(self) -> None:
        retry_s = FIRST_RETRY_S
        while not self._closing.is_set():
            try:
                stream = connect_unix(self._folder / SOCKET, WRITE_S)
                hello = {"id": 0, "do": "hello", "role": "lab", "pid": os.getpid(), "lab": self._lab}
                stream.sendall(encode({**hello, "devices": self._devices}) + encode({"id": 1, "do": "watch"}))
                with self._writing:
                    self._stream = stream
                self._send_beat()
                for_s = time.monotonic()
                self._anew = True
                self._listen(Lines(stream))
                retry_s = FIRST_RETRY_S if time.monotonic() - for_s > LONGEST_RETRY_S else retry_s
            except (OSError, WireFormatError):
                # Nobody listens, or the stream broke: the missing permit tells whoever wants to start something.
                pass
            self._drop()
            self._closing.wait(retry_s)
            retry_s = min(2.0 * retry_s, LONGEST_RETRY_S)

    def _listen(self, lines: Lines) -> None:
        while (message := lines.receive(time.monotonic() + 2.0 * STALE_S)) is not None:
            if "state" in message:
                self._take_in(message["state"])
            elif "stop" in message:
                self._told_to_stop(str(message["stop"].get("by")))
            elif message.get("ok") is False and message.get("id") == 0:
                self._refusal = "; ".join(map(str, message.get("reasons", ())))
                return

    def _take_in(self, snapshot: dict[str, Any]) -> None:
        with self._seen:
            self._snapshot, self._seen_s = snapshot, time.monotonic()
            if snapshot.get("permit_until") is not None:
                self._permit_until_s = float(snapshot["permit_until"])
            self._seen.notify_all()
        self._catch_up(snapshot)

    def _told_to_stop(self, by: str) -> None:
        """A STOP is passed on: obeyed each time, for the supervisor waits for every device's answer."""
        latched = _stops(self._snapshot)
        self._done |= latched
        if not latched:
            self._told[by] = time.monotonic()
        self._begin_stop(by)

    def _catch_up(self, snapshot: Mapping[str, Any]) -> None:
        """Act on a latched STOP that nobody passed on: it came while this link was down.

        One that is latched while the link holds is passed on a moment later, and waited for; what a new connection
        finds latched is not.
        """
        now_s, latched = time.monotonic(), _stops(snapshot)
        self._done &= latched
        anew, self._anew = self._anew, False
        self._told = {by: told_s for by, told_s in self._told.items() if now_s - told_s <= STALE_S}
        for stop in latched - self._done:
            if self._told.pop(_who(stop), None) is not None:
                self._done.add(stop)
        self._waiting = {stop: self._waiting.get(stop, now_s) for stop in latched - self._done}
        for stop, since_s in self._waiting.items():
            if anew or now_s - since_s > STALE_S:
                self._done.add(stop)
                self._begin_stop(_who(stop))

    def _begin_stop(self, by: str) -> None:
        threading.Thread(target=self._stop_all, args=(by,), name="stop all", daemon=True).start()

    def _beat(self) -> None:
        due_s = time.monotonic()
        while not self._closing.wait(max(0.0, due_s - time.monotonic())):
            self._send_beat()
            due_s = max(due_s, time.monotonic() - BEAT_S) + BEAT_S

    def _send_beat(self) -> None:
        self._send({"do": "beat", "values": self._values(), "running": sorted(self._running())})

    def _stop_all(self, by: str) -> None:
        for device, stop in self._on_stop(by).items():
            name = f"stop {device}"
            threading.Thread(target=self._stop_one, args=(device, stop), name=name, daemon=True).start()

    def _stop_one(self, device: str, stop: Callable[[], None]) -> None:
        why: str | None = None
        try:
            stop()
        except (DriverError, LabError) as error:
            why = str(error)
        self._send({"do": "stopped", "device": device, "ok": why is None, "why": why})

    def _send(self, message: Mapping[str, Any]) -> None:
        with self._writing:
            if self._stream is None:
                return
            try:
                self._stream.sendall(encode(message))
            except OSError:
                # The reading thread notices, and connects again.
                close_quietly(self._stream)

    def _drop(self) -> None:
        with self._writing:
            stream, self._stream = self._stream, None
        if stream is not None:
            close_quietly(stream)

    def _stale_s(self) -> float:
        return time.monotonic() - self._seen_s


def _stops(snapshot: Mapping[str, Any]) -> set[tuple[str, float]]:
    """The STOPs that are latched, each with the lab time at which it came."""
    latches = ((str(latch["cause"]), float(latch["at_s"])) for latch in snapshot.get("tripped", ()))
    return {(cause, at_s) for cause, at_s in latches if cause.startswith(STOP_BY)}


def _who(stop: tuple[str, float]) -> str:
    return stop[0].removeprefix(STOP_BY)


class SupervisedModule:
    """A safety module that another process owns, with the surface of `drivers.safety_module.SafetyModule`."""

    def __init__(self, link: SupervisorLink, name: str) -> None:
        self._link = link
        self.name = name

    def identify(self) -> str:
        """What it is by the supervisor's last reading; raises as `read` does."""
        return f"safety module, watchdog {self.read().watchdog.name.lower()}"

    def read(self) -> SafetyReading:
        """What the supervisor read last.

        Raises:
            LinkError: When that is more than a second ago, or the module does not answer it.
        """
        shown = self._shown()
        if shown.get("inputs") is None:
            why = shown.get("error") or "it knows no module of that name, or has not read it yet"
            raise LinkError(f"{self.name}: the safety supervisor gives no reading: {why}")
        return SafetyReading(
            inputs=tuple(shown["inputs"]),
            coils=tuple(shown["coils"]),
            analogue=tuple(math.nan if value is None else float(value) for value in shown["analogue"]),
            watchdog=WatchdogState[str(shown["watchdog"]).upper()],
            watchdog_timeout_s=float(shown["watchdog_s"]),
            trips=int(shown["trips"]),
        )

    def read_anew(self) -> SafetyReading:
        """What the supervisor reads in a scan that begins after this was called.

        Raises:
            LinkError: When no such scan comes within a second, or the module does not answer it.
        """
        # The next scan may be under way, with this module read already.
        wanted = int(self._link.snapshot().get("scan", 0)) + 2
        self._link.wait_for(lambda snapshot: int(snapshot.get("scan", 0)) >= wanted, STALE_S)
        return self.read()

    def set_contactor(self, closed: bool, grant: Granted) -> None:
        """Have the supervisor close or open the contactor; closed means seen closed.

        Raises:
            GrantError: Where leave is for another device.
            RefusedError: With the supervisor's reasons.
        """
        check_grant(self.name, grant)
        output = self._shown(fresh=False).get("outputs", {}).get("do1")
        if output is None:
            raise RefusedError(
                f"{self.name}: its contactor has no name in the interlock file, and nobody may switch it"
            )
        self._ask({"do": "close" if closed else "open", "output": output, "actor": ACTOR})
        # What was told may be read back a scan later.
        self._link.wait_for(lambda snapshot: self._contact(snapshot) is closed, STALE_S)

    def start_watchdog(self, timeout_s: float, grant: Granted) -> None:
        """Do nothing: the supervisor has started it, and it alone shows that it lives."""
        del timeout_s, grant

    def pet(self, grant: Granted) -> None:
        """Do nothing: a sign of life of the lab service is none of the supervisor's."""
        del grant

    def rearm(self, grant: Granted) -> None:
        """Have the supervisor re-arm an expired watchdog.

        Raises:
            GrantError: Where leave is for another device.
            RefusedError: With the supervisor's reasons.
        """
        check_grant(self.name, grant)
        self._ask({"do": "rearm", "module": self.name, "actor": ACTOR})

    def _shown(self, *, fresh: bool = True) -> dict[str, Any]:
        snapshot = self._link.snapshot()
        shown: dict[str, Any] = snapshot.get("modules", {}).get(self.name, {})
        age_s = snapshot["age_s"] + (shown.get("age_s") or 0.0)
        if fresh and not age_s <= STALE_S:
            raise LinkError(f"{self.name}: the safety supervisor last read it {age_s:.1f} s ago, and 1 s is the limit")
        return shown

    def _contact(self, snapshot: Mapping[str, Any]) -> bool | None:
        inputs = snapshot.get("modules", {}).get(self.name, {}).get("inputs")
        return None if inputs is None else bool(inputs[FEEDBACK])

    def _ask(self, message: Mapping[str, Any]) -> None:
        answered = self._link.request(message)
        if not answered["ok"]:
            raise RefusedError(f"{self.name}: {message['do']} was refused: {'; '.join(answered['reasons'])}")
