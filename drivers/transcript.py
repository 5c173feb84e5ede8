"""What went over the wires, byte for byte, in lab time: the witness of a run.

One JSON object in each line:

    {"header": {"links": {"furnace-1": {"model": "eurotherm-3216p", "address": "..."}}}}   who is on which wire, first
    {"t": 1767225600.0, "link": "furnace-1", "dir": "tx", "hex": "0103..."}       a frame or line, sent
    {"t": ...,          "link": "furnace-1", "dir": "rx", "hex": "0103..."}       what came back
    {"t": ...,          "link": "xrd-1",     "dir": "file", "name": "S1.xrdml", "gzip": "H4sI..."}
"""

from __future__ import annotations

import base64
import gzip
import json
import logging
import os
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, Protocol

from drivers.clock import Clock

log = logging.getLogger(__name__)

Direction = Literal["tx", "rx"]


@dataclass(frozen=True)
class Frame:
    """Bytes that went over a link at once."""

    t_s: float
    """Lab time in POSIX seconds."""
    link: str
    direction: Direction
    data: bytes


@dataclass(frozen=True)
class ReceivedFile:
    """A file that an instrument left for us."""

    t_s: float
    link: str
    name: str
    content: bytes


class Transcript(Protocol):
    """Where links put what they send and receive."""

    def frame(self, link: str, direction: Direction, data: bytes) -> None:
        """Note bytes of one link."""

    def file(self, link: str, name: str, content: bytes) -> None:
        """Note a file that an instrument left."""


class NoTranscript:
    """Keeps nothing."""

    def frame(self, link: str, direction: Direction, data: bytes) -> None:
        """Forget it."""

    def file(self, link: str, name: str, content: bytes) -> None:
        """Forget it."""


class TranscriptWriter:
    """Appends to a file; any thread may write.

    Each entry goes to the operating system whole and at once. One that cannot be written, to a full disk say,
    is lost and counted: instruments go on.
    """

    def __init__(self, path: Path, clock: Clock, links: Mapping[str, tuple[str, str]] | None = None) -> None:
        """Open a new transcript; `links` gives driver and address of each link, for whoever replays it."""
        self._clock = clock
        # Re-entrant: a signal handler may close while this thread is writing.
        self._lock = threading.RLock()
        self._path = path
        self._file = path.open("ab", buffering=0)
        self._lost = 0
        if links is not None:
            known = {name: {"model": model, "address": address} for name, (model, address) in links.items()}
            self._append({"header": {"links": known}})

    @property
    def lost(self) -> int:
        """How many entries could not be written."""
        return self._lost

    def frame(self, link: str, direction: Direction, data: bytes) -> None:
        """Note bytes of one link."""
        self._append({"t": self._clock.now(), "link": link, "dir": direction, "hex": data.hex()})

    def file(self, link: str, name: str, content: bytes) -> None:
        """Note a file that an instrument left."""
        # A fixed time stamp in the gzip header, so that equal runs give equal transcripts.
        packed = base64.b64encode(gzip.compress(content, mtime=0)).decode("ascii")
        self._append({"t": self._clock.now(), "link": link, "dir": "file", "name": name, "gzip": packed})

    def close(self) -> None:
        """Close; what comes later is dropped, because a last late frame must not end a bus."""
        with self._lock:
            try:
                self._file.close()
            except OSError as error:
                log.error("transcript %s could not be closed, its end may be missing: %s", self._path, error)

    def __enter__(self) -> TranscriptWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _append(self, entry: dict[str, object]) -> None:
        line = json.dumps(entry, separators=(",", ":")) + "\n"
        with self._lock:
            if self._file.closed:
                return
            try:
                self._write(line.encode())
            except OSError as error:
                self._lose(error)

    def _write(self, line: bytes) -> None:
        """Write all of a line or, where that fails, nothing of it: half a line would spoil the next one."""
        written = self._file.write(line)
        try:
            while written < len(line):
                written += self._file.write(line[written:])
        except OSError:
            os.ftruncate(self._file.fileno(), self._file.tell() - written)
            raise

    def _lose(self, error: OSError) -> None:
        if not self._lost:
            log.error("transcript %s has a hole from here on, instruments go on: %s", self._path, error)
        self._lost += 1


def read_transcript(path: Path) -> Iterator[Frame | ReceivedFile]:
    """Give back what a transcript holds, in order.

    A last line that was cut, by a crash, is left out.
    """
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            if line.endswith("\n") and "header" not in (entry := json.loads(line)):
                yield _entry(entry)


def _entry(entry: dict[str, str | float]) -> Frame | ReceivedFile:
    t_s, link = float(entry["t"]), str(entry["link"])
    if entry["dir"] == "file":
        content = gzip.decompress(base64.b64decode(str(entry["gzip"])))
        return ReceivedFile(t_s, link, str(entry["name"]), content)
    direction: Direction = "tx" if entry["dir"] == "tx" else "rx"
    return Frame(t_s, link, direction, bytes.fromhex(str(entry["hex"])))
