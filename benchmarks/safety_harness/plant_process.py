"""The plant of several bench labs, in a process of its own: `python -m benchmarks.safety_harness.plant_process`.

Arguments are a folder and the number of labs; each has two furnaces with a safety module each. What happens goes
to ``plant.jsonl`` in the folder. One JSON object on each line of standard input is a fault to be brought about; the
answer on standard output says when it was: ``{"monotonic_s": ...}``. It ends with its standard input.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

from drivers.clock import RealClock
from sim import Instrument, Laboratory, Simulation, serve
from sim.instruments.safety_io import SafetyIo
from sim.plant import DoorState

FURNACES = 2


def module_name(lab: int, number: int) -> str:
    """The plant's name of a bench lab's module.

    >>> module_name(3, 1)
    'lab3-safety-1'
    """
    return f"lab{lab}-safety-{number}"


def laboratory(labs: int) -> Laboratory:
    """All furnaces and modules of all bench labs."""
    instruments = []
    for lab in range(labs):
        for number in range(1, FURNACES + 1):
            module = module_name(lab, number)
            instruments.append(Instrument(module, "safety-io", "sim:safety-io"))
            furnace = Instrument(f"{module}-furnace", "eurotherm-3216p", "sim:eurotherm-3216p", {"watched_by": module})
            instruments.append(furnace)
    return Laboratory("bench", tuple(instruments), {}, seed=0)


class Faults:
    """What can be done to a module, by name."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._verbs: Mapping[str, Callable[[SafetyIo, Mapping[str, Any]], None]] = {
            "field": lambda module, m: module.set_field(m["number"], m["safe"]),
            "analogue": lambda module, m: module.force_analogue(m["number"], m["value"]),
            "free": lambda module, m: module.free_analogue(m["number"]),
            "freeze": lambda module, m: module.freeze(m["on"]),
            "weld": lambda module, m: module.weld(m["on"]),
            "deafen": lambda module, m: simulation.deafen(module.name, m["on"]),
            "door": lambda module, m: self._door(module, m["open"]),
        }

    def bring_about(self, message: Mapping[str, Any]) -> float:
        """Do one fault and give the monotonic time just before it was there."""
        module = cast("SafetyIo", self._simulation.instruments[message["module"]])
        with self._simulation.plant.lock, self._simulation.plant.heat:
            before_s = time.monotonic()
            self._verbs[message["do"]](module, message)
        return before_s

    def _door(self, module: SafetyIo, is_open: bool) -> None:
        state = DoorState.OPEN if is_open else DoorState.CLOSED
        self._simulation.plant.set_door(f"{module.name}-furnace", state)


def main() -> None:
    """Serve until standard input ends."""
    folder, labs = Path(sys.argv[1]), int(sys.argv[2])
    sys.setswitchinterval(0.001)  # a module is hardware: it does not wait for another one's answer
    with serve(laboratory(labs), RealClock(), folder / "wires", log=folder / "plant.jsonl") as simulation:
        faults = Faults(simulation)
        print(json.dumps(simulation.endpoints), flush=True)
        for line in sys.stdin:
            print(json.dumps({"monotonic_s": faults.bring_about(json.loads(line))}), flush=True)


if __name__ == "__main__":
    main()
