"""Answer drivers from a recorded wire transcript alone: no plant, no physics.

In each wire the order holds: once the recorded request has arrived, the replies after it are sent, at once or, where
they came after more than a second of wall time and nobody asks for more, at their recorded lab time. Files appear at
their recorded time, and jobs that lie in a folder are taken at theirs. Bytes may have been recorded in pieces.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from drivers.clock import Clock, Timer
from sim.addresses import Carrier, Language, Spot, spot_of
from sim.model import model_of
from sim.recorded import Entry, RecordedFile, read_transcript
from sim.replay_folder import JobFolder
from sim.spec import Instrument
from sim.switchboard import Switchboard
from sim.wire.hub import Hub
from sim.wire.receiver import Send

PROMPT_S = 1.0
"""Wall seconds within which a reply came at once: a driver that waits for it lets no time of a jump clock pass."""
TIMER_NAME = "!replay"
"""Sorts before any task's name, so that what came at a time is there for whoever looks at that time."""


@dataclass(frozen=True)
class Mismatch:
    """A request that is not the recorded one; its link has been silent since."""

    t_s: float
    """Lab time in POSIX seconds."""
    link: str
    expected: bytes
    """Empty where the recording had ended."""
    got: bytes


class Replay:
    """A recording that is being played to the drivers; ends with `close`, or at the end of a ``with``."""

    def __init__(
        self, endpoints: dict[str, str], tapes: list[Tape | FolderTape], hub: Hub, timers: list[Timer]
    ) -> None:
        self.endpoints = endpoints
        """The address of each link, by its name."""
        self._tapes = tapes
        self._hub = hub
        self._timers = timers

    @property
    def mismatches(self) -> list[Mismatch]:
        """Requests that differed from the recording, in order of time."""
        found = [tape.mismatch for tape in self._tapes if tape.mismatch]
        return sorted(found, key=lambda mismatch: mismatch.t_s)

    @property
    def finished(self) -> bool:
        """Whether every recorded request came and every reply was sent."""
        return all(tape.finished for tape in self._tapes)

    def close(self) -> None:
        """Stop replaying."""
        for tape in self._tapes:
            tape.stop()
        for timer in self._timers:
            timer.cancel()
        self._hub.close()

    def __enter__(self) -> Replay:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class Tape:
    """What was said on one wire, as far as it has been played."""

    def __init__(self, entries: list[Entry], clock: Clock, lock: threading.RLock, prompt_s: float = PROMPT_S) -> None:
        self.mismatch: Mismatch | None = None
        self._entries = entries
        self._prompt_s = prompt_s
        """Lab seconds after a request within which a reply comes at once."""
        self._asked_s = -math.inf
        self._clock = clock
        self._lock = lock
        self._next = 0
        self._heard = bytearray()
        self._send: Send | None = None
        self._timer: Timer | None = None

    @property
    def finished(self) -> bool:
        """Whether nothing is left to play."""
        with self._lock:  # what has been sent may be read before it is counted
            return self._next == len(self._entries) and not self.mismatch

    def open(self, send: Send) -> Listener:
        """Give what listens on a new connection."""
        self._send = self._send or send
        return Listener(self, send)

    def hear(self, data: bytes, send: Send) -> None:
        """Take bytes from the lab; replies go back to who spoke last."""
        if self.mismatch is None:
            self._send = send
            self._heard += data
            self.play()

    def play(self) -> None:
        """Play on as far as time and what was heard allow."""
        with self._lock:
            while self._next < len(self._entries) and self.mismatch is None:
                entry = self._entries[self._next]
                if not (self._request(entry) if entry.to_instrument else self._reply(entry)):
                    return
                self._next += 1
            if self._heard and self.mismatch is None:
                self._differs(b"")

    def stop(self) -> None:
        """Play nothing any more."""
        with self._lock:
            self._next = len(self._entries)
            if self._timer:
                self._timer.cancel()

    def _request(self, entry: Entry) -> bool:
        """Whether the recorded request has arrived; what arrived is used up."""
        if not entry.data.startswith(bytes(self._heard[: len(entry.data)])):
            self._differs(entry.data)
        if self.mismatch or len(self._heard) < len(entry.data):
            return False
        del self._heard[: len(entry.data)]
        self._asked_s = entry.t_s
        return True

    def _reply(self, entry: Entry) -> bool:
        """Send a reply whose time has come, or be back when it has."""
        promptly = entry.t_s - self._asked_s <= self._prompt_s
        # Whoever asks on before its time had the reply before that in the recording.
        if entry.t_s > self._clock.now() and not promptly and not self._heard:
            if self._timer is None:
                self._timer = self._clock.call_at(entry.t_s, self._resume, TIMER_NAME)
            return False
        if self._send:
            self._send(entry.data)
        return True

    def _resume(self) -> None:
        with self._lock:
            self._timer = None
            self.play()

    def _differs(self, expected: bytes) -> None:
        link = self._entries[min(self._next, len(self._entries) - 1)].link
        self.mismatch = Mismatch(self._clock.now(), link, expected, bytes(self._heard))


class Listener:
    """One connection to a tape."""

    def __init__(self, tape: Tape, send: Send) -> None:
        self._tape = tape
        self._send = send

    def receive(self, data: bytes) -> None:
        """Digest the next bytes."""
        self._tape.hear(data, self._send)


class FolderTape:
    """What was dropped into one folder and taken out of it, as far as it has been played."""

    def __init__(self, entries: list[Entry], clock: Clock, lock: threading.RLock) -> None:
        self.mismatch: Mismatch | None = None
        self._clock = clock
        self._jobs = JobFolder(entries, clock, lock, self._differs, TIMER_NAME)

    @property
    def finished(self) -> bool:
        """Whether every recorded job was taken."""
        return self._jobs.finished and not self.mismatch

    def watch(self, folder: Path) -> None:
        """Begin to take jobs out of a folder."""
        self._jobs.watch(folder)

    def stop(self) -> None:
        """Play nothing any more."""
        self._jobs.stop()

    def _differs(self, expected: Entry, got: bytes) -> None:
        self.mismatch = Mismatch(self._clock.now(), expected.link, expected.data, got)


def serve_transcript(path: Path, clock: Clock, folder: Path, results: Mapping[str, Path] | None = None) -> Replay:
    """Serve the instruments of a transcript.

    Args:
        path: The transcript.
        clock: Lab time, to be started where the recording was.
        folder: Where the symlinks of pseudo-terminals are made.
        results: Where the files of a link appear; ``folder/results`` for links that are not named.

    Raises:
        BadTranscriptError: With the line that cannot be read.
        SimError: A link's model or address is unknown.
    """
    transcript = read_transcript(path)
    links, recorded = transcript.links, transcript.entries
    lock, folders = threading.RLock(), dict(results or {})
    switchboard, lines, jobs = Switchboard(), list[Tape](), dict[str, FolderTape]()
    for (carrier, _), group in _by_place(links).items():
        entries = [entry for entry in recorded if isinstance(entry, Entry) and entry.link in group]
        if carrier == Carrier.FOLDER:
            for name, spot in group.items():
                jobs[name] = FolderTape(entries, clock, lock)
                switchboard.add_folder(name, spot)
            continue
        tape = Tape(entries, clock, lock, PROMPT_S * transcript.speed)
        lines.append(tape)
        switchboard.add_shared(group, tape.open)
    timers = [
        clock.call_at(file.t_s, _writer(file, folders.get(file.link, folder / "results")), TIMER_NAME)
        for file in recorded
        if isinstance(file, RecordedFile)
    ]
    folder.mkdir(parents=True, exist_ok=True)
    hub = Hub(lock)
    endpoints = switchboard.plug_in(dict.fromkeys(Language, hub), folder, exact_ports=False)
    hub.start()
    for tape in lines:
        tape.play()  # what instruments said before anybody asked
    for name, taker in jobs.items():
        taker.watch(Path(endpoints[name].removeprefix("dir:")))
    return Replay(endpoints, [*lines, *jobs.values()], hub, timers)


def _by_place(links: Mapping[str, Instrument]) -> dict[tuple[str, str], dict[str, Spot]]:
    """Group the links by the wire that they share."""
    groups: dict[tuple[str, str], dict[str, Spot]] = {}
    for name, instrument in links.items():
        model = model_of(instrument)
        spot = spot_of(instrument, model.carrier, model.language)
        groups.setdefault((spot.carrier, spot.place), {})[name] = spot
    return groups


def _writer(file: RecordedFile, folder: Path) -> Callable[[], None]:
    def write() -> None:
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = folder / f"{file.name}.tmp"
        unfinished.write_bytes(file.content)
        unfinished.rename(folder / file.name)

    return write
