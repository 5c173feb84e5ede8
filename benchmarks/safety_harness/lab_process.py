"""A lab service's side of the supervisor, in a process of its own that can be killed.

`python -m benchmarks.safety_harness.lab_process FOLDER LAB VALUES RUNNING MODULE...`: the production link with its
signs of life. For each line on standard input it closes the contactor of every module in turn, through the
production stand-in for a module that another process owns, and prints how that went.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from drivers.errors import DriverError
from drivers.gate import Command, Granted
from lab.safety.supervisor.supervised import SupervisedModule, SupervisorLink


def main() -> None:
    """Live until standard input ends, or somebody kills this."""
    folder, lab, values, running, *names = sys.argv[1:]
    own, running_now = json.loads(values), json.loads(running)
    link = SupervisorLink(Path(folder), lab, lambda by: {}, values=lambda: own, running=lambda: running_now)
    link.start()
    modules = [SupervisedModule(link, name) for name in names]
    print("ready", flush=True)
    for _ in sys.stdin:
        print(json.dumps([_close(module) for module in modules]), flush=True)
    link.close()


def _close(module: SupervisedModule) -> str | None:
    try:
        module.set_contactor(True, Granted(Command(module.name, "close-contactor"), time.time()))
    except DriverError as error:
        return str(error)
    return None


if __name__ == "__main__":
    main()
