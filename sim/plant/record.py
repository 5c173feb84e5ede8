"""The plant's own record of what happened: what a checker believes, whatever anybody else says.

In memory, and in a file of JSON lines where one is named, so that another process can read it while it grows:

    {"kind": "edge", "monotonic_s": .., "lab_s": .., "module": .., "output": .., "closed": .., "why": ..}
    {"kind": "note", "monotonic_s": .., "lab_s": .., "what": ".."}

`monotonic_s` is the machine's monotonic clock when the line was made, one and the same for all its processes.
"""

from __future__ import annotations

import json
import os
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Edge:
    """One change of one output of a safety module."""

    monotonic_s: float
    """``time.monotonic()`` when it happened."""
    lab_s: float
    """Lab time at which it happened; under a jump clock a watchdog's edge may be made later than that."""
    module: str
    output: str
    """``contactor`` for the contact that carries the heater's current, else the name of a coil."""
    closed: bool
    why: str
    """``command``, ``watchdog``, or what in the field did it."""


class Record:
    """Notes and edges in the order in which they happened."""

    def __init__(self, path: Path | None = None) -> None:
        """Begin; what is in the file already is kept.

        Raises:
            OSError: Where the file cannot be written.
        """
        self.notes: list[tuple[float, str]] = []
        self.edges: list[Edge] = []
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        self._file = None if path is None else os.open(path, flags, 0o644)
        self._lock = threading.Lock()

    def note(self, lab_s: float, what: str) -> None:
        """Write down what happened at a lab time."""
        self.notes.append((lab_s, what))
        self._write("note", {"monotonic_s": time.monotonic(), "lab_s": lab_s, "what": what})

    def edge(self, edge: Edge) -> None:
        """Write down that an output has changed."""
        self.edges.append(edge)
        self._write("edge", asdict(edge))

    def close(self) -> None:
        """Close the file; what comes later is kept in memory alone."""
        with self._lock:
            if self._file is not None:
                os.close(self._file)
                self._file = None

    def _write(self, kind: str, fields: dict[str, object]) -> None:
        # One unbuffered write for a line, so that a reader sees it at once, and whole.
        with self._lock:
            if self._file is not None:
                os.write(self._file, json.dumps({"kind": kind, **fields}).encode() + b"\n")
