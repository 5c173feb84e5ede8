"""Take jobs out of a folder as a recording says: each when it was taken then, and only where it is the same job.

The laboratory's side records what it drops, ScanParams.txt and then Job.xml, and when it found Job.xml gone. Recordings
from the instrument's side have none of this: every job is taken as soon as it is seen, its result comes when it came.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from drivers.clock import Clock, Timer
from sim.instruments.file_drop_diffractometer import JOB, PARAMS
from sim.recorded import Entry

LOOK_S = 1.0
"""Lab seconds until a folder is looked into again for a job that is late."""
SEEN_S = 5.0
"""Lab seconds between looks where nobody recorded when jobs were taken."""

Differs = Callable[[Entry, bytes], None]
"""Told of a job that is not the recorded one: what it should have been, and what lay there."""


class JobFolder:
    """One folder, and the jobs that are to be taken out of it."""

    def __init__(
        self, entries: list[Entry], clock: Clock, lock: threading.RLock, differs: Differs, timer_name: str
    ) -> None:
        """Note what is to come; nothing is taken before `watch`.

        Args:
            entries: What was recorded of this folder, in order.
            clock: Lab time.
            lock: Held while a job is taken.
            differs: Called once, with the first job that differs; none is taken after it.
            timer_name: Of its timers.
        """
        self._jobs = _jobs(entries)
        self._recorded = bool(entries)
        self._clock, self._lock, self._differs, self._timer_name = clock, lock, differs, timer_name
        self._folder = Path()
        self._timer: Timer | None = None
        self._stopped = False

    @property
    def finished(self) -> bool:
        """Whether no recorded job is still to be taken."""
        with self._lock:
            return not self._jobs

    def watch(self, folder: Path) -> None:
        """Begin to take jobs out of a folder."""
        self._folder = folder
        self._wait(0.0)

    def stop(self) -> None:
        """Take nothing any more."""
        with self._lock:
            self._stopped = True
            if self._timer is not None:
                self._timer.cancel()

    def _wait(self, seconds: float) -> None:
        """Be back after some time, and not before the next job was taken."""
        at_s = self._clock.now() + seconds
        if self._jobs:
            at_s = max(at_s, self._jobs[0][-1].t_s)
        elif self._recorded:
            return
        self._timer = self._clock.call_at(at_s, self._look, self._timer_name)

    def _look(self) -> None:
        with self._lock:
            if self._stopped:
                return
            if (self._folder / JOB).exists():
                self._take()
            if not self._stopped:
                self._wait(LOOK_S if self._recorded else SEEN_S)

    def _take(self) -> None:
        if self._jobs:
            *dropped, _ = self._jobs[0]
            for entry, name in zip(reversed(dropped), (JOB, PARAMS), strict=False):
                content = self._content(name)
                if content != entry.data:
                    self._stopped = True
                    self._differs(entry, content)
                    return
            del self._jobs[0]
        # Whoever dropped it may withdraw it at the same moment.
        (self._folder / JOB).unlink(missing_ok=True)

    def _content(self, name: str) -> bytes:
        try:
            return (self._folder / name).read_bytes()
        except FileNotFoundError:
            return b""


def _jobs(entries: list[Entry]) -> list[list[Entry]]:
    """Group what was dropped with the notice that it was taken; what was withdrawn or never taken is left out."""
    jobs: list[list[Entry]] = []
    dropped: list[Entry] = []
    for entry in entries:
        if entry.to_instrument:
            dropped.append(entry)
        else:
            jobs.append([*dropped[-2:], entry])
            dropped = []
    return jobs
