"""Serves simulated instruments in a process of its own: what they cost is not what the drivers cost.

The one word on its command line is JSON: a list of {name, model, address, options}. It says where everything is in one
line of JSON, and ends with its standard input.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from drivers.clock import RealClock
from sim import Instrument, Laboratory, Lot, serve


def main() -> None:
    """Serve until standard input ends."""
    instruments = tuple(Instrument(**entry) for entry in json.loads(sys.argv[1]))
    laboratory = Laboratory("speed", instruments, {"TiO2-a": Lot("TiO2-a", "TiO2")}, seed=1)
    with tempfile.TemporaryDirectory() as folder, serve(laboratory, RealClock(), Path(folder)) as simulation:
        print(json.dumps(simulation.endpoints), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
