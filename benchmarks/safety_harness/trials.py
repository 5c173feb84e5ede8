"""What was measured already: one line for each trial, kept only for the same source."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("drivers", "sim", "lab/safety", "lab/console", "lab/cli", "benchmarks/safety_harness")
FILES = ("benchmarks/safety.py", "lab/startup.py", "lab/simulation.py", "lab/simulator.py", "examples/interlocks.yaml")

Result = dict[str, Any]


class Trials:
    """Results by figure and trial number; any thread may add."""

    def __init__(self, path: Path | None) -> None:
        """Begin with what a file holds of the same source; None keeps nothing."""
        self._path = path
        self._lock = threading.Lock()
        self._source = source_hash()
        self._found: dict[str, dict[int, Result]] = {}
        if path is not None and path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                entry = json.loads(line)
                if entry["source"] == self._source:
                    self._found.setdefault(entry["figure"], {})[entry["trial"]] = entry["result"]

    def done(self, figure: str) -> dict[int, Result]:
        """The results of a figure so far, by trial."""
        with self._lock:
            return dict(self._found.get(figure, {}))

    def missing(self, figure: str, count: int) -> list[int]:
        """The trials of a figure that are not done yet."""
        found = self.done(figure)
        return [trial for trial in range(count) if trial not in found]

    def add(self, figure: str, trial: int, result: Result) -> None:
        """Keep one result."""
        entry = {"source": self._source, "figure": figure, "trial": trial, "result": result}
        with self._lock:
            self._found.setdefault(figure, {})[trial] = result
            if self._path is not None:
                with self._path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(entry) + "\n")


def source_hash() -> str:
    """A hash of everything that the figures depend on."""
    digest = hashlib.sha256()
    paths: Iterable[Path] = sorted(p for folder in SOURCES for p in (ROOT / folder).rglob("*.py"))
    for path in (*paths, *(ROOT / name for name in FILES)):
        digest.update(path.relative_to(ROOT).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def side_by_side(workers: Iterable[Callable[[int], Result | None]], trials: Trials, figure: str, count: int) -> None:
    """Have workers do the missing trials of a figure, each in a thread of its own.

    A worker gives None for a trial that does not count; it is done again.
    """
    missing = iter(trials.missing(figure, count))
    lock, stop = threading.Lock(), threading.Event()

    def work(worker: Callable[[int], Result | None]) -> None:
        while not stop.is_set():
            with lock:
                trial = next(missing, None)
            if trial is None:
                return
            while (result := worker(trial)) is None and not stop.is_set():
                pass
            if result is not None:
                trials.add(figure, trial, result)

    threads = list(workers)
    with ThreadPoolExecutor(len(threads)) as pool:
        working = [pool.submit(work, worker) for worker in threads]
        wait(working, return_when=FIRST_EXCEPTION)
        stop.set()
    for done in working:
        done.result()
