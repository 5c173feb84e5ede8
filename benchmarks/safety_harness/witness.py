"""The checker's eyes: the plant's own record of what its outputs did, read while it grows."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass
from pathlib import Path

LOOK_S = 0.002


@dataclass(frozen=True)
class Edge:
    """One change of one output, as the plant wrote it down."""

    monotonic_s: float
    module: str
    output: str
    closed: bool
    why: str


class Witness:
    """Follows one record; any thread may ask. Says nothing that the plant has not written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._changed = threading.Condition()
        self._edges: dict[str, list[Edge]] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="witness", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Look no more."""
        self._ended.set()
        self._thread.join()

    def edges(self, module: str, output: str, since_s: float = 0.0) -> list[Edge]:
        """What an output did from a monotonic time on."""
        with self._changed:
            found = self._edges.get(module, [])
            return [edge for edge in found if edge.output == output and edge.monotonic_s >= since_s]

    def wait(self, module: str, output: str, *, closed: bool, since_s: float, within_s: float) -> Edge | None:
        """Wait for an output to close or open; gives the first such edge from `since_s` on."""
        deadline_s = time.monotonic() + within_s
        with self._changed:
            while True:
                for edge in self.edges(module, output, since_s):
                    if edge.closed is closed:
                        return edge
                left_s = deadline_s - time.monotonic()
                if left_s <= 0:
                    return None
                self._changed.wait(left_s)

    def _follow(self) -> None:
        while not self._path.exists():
            if self._ended.wait(LOOK_S):
                return
        with self._path.open("rb") as file:
            rest = b""
            while not self._ended.is_set():
                chunk = file.read()
                if not chunk:
                    self._ended.wait(LOOK_S)
                    continue
                *lines, rest = (rest + chunk).split(b"\n")
                self._take_in(lines)

    def _take_in(self, lines: list[bytes]) -> None:
        found = [json.loads(line) for line in lines]
        with self._changed:
            for entry in found:
                if entry["kind"] == "edge":
                    edge = Edge(*(entry[name] for name in ("monotonic_s", "module", "output", "closed", "why")))
                    self._edges.setdefault(edge.module, []).append(edge)
            self._changed.notify_all()
