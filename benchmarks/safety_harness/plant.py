"""The harness' side of the plant's process: start it, bring faults about, see what its outputs did."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.safety_harness.line_process import LineProcess
from benchmarks.safety_harness.plant_process import module_name
from benchmarks.safety_harness.witness import Witness

PROCESS = "benchmarks.safety_harness.plant_process"


class Plant:
    """A running plant; any thread may ask."""

    def __init__(self, process: LineProcess, endpoints: dict[str, str], witness: Witness) -> None:
        self.endpoints = endpoints
        """Where each module answers, by the plant's name of it."""
        self.witness = witness
        self._process = process
        self._lock = threading.Lock()

    def fault(self, module: str, verb: str, **arguments: Any) -> float:
        """Bring a fault about, or end it; give the monotonic time just before."""
        with self._lock:
            self._process.say(json.dumps({"module": module, "do": verb, **arguments}))
            return float(json.loads(self._process.hear())["monotonic_s"])

    def addresses(self, lab: int) -> dict[str, str]:
        """Where the modules of one bench lab answer, by the lab's names of them."""
        return {f"safety-{number}": self.endpoints[module_name(lab, number)] for number in (1, 2)}


@contextmanager
def running_plant(folder: Path, labs: int) -> Iterator[Plant]:
    """A plant with so many bench labs, inside the block."""
    folder.mkdir(parents=True)
    witness = Witness(folder / "plant.jsonl")
    with LineProcess(PROCESS, str(folder), str(labs)) as process:
        try:
            yield Plant(process, json.loads(process.hear()), witness)
        finally:
            witness.close()
