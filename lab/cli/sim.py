"""``athanor sim``: only the simulated instruments of a lab, on their wires, in this process."""

from __future__ import annotations

import gc
import json
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.cli.errors import sentences

if TYPE_CHECKING:
    from lab.trouble import Trouble

MARGIN = 24
"""Columns of a table beside what stands in its longest row."""
SWITCH_S = 0.001
"""How long one thread may keep the others from running."""


def serve_instruments(
    lab: Path | None,
    *,
    speed: float = 1.0,
    seed: int = 0,
    truth: Path | None = None,
    results: Path | None = None,
    log: Path | None = None,
    ephemeral: bool = False,
    trouble: Trouble | None = None,
    as_json: bool = False,
) -> None:
    """Serve every simulated address of a lab file until SIGTERM or Ctrl-C, and leave nothing behind.

    Args:
        lab: The lab file; None for the packaged lab.
        speed: Lab seconds for each second.
        seed: Of the noise.
        truth: Folder with what the chemistry obeys, in place of what the lab file says.
        results: Where diffractometers leave their files; without it a folder that ends with this process.
        log: Where the plant's own record goes; without it a file that ends with this process.
        ephemeral: Take any free TCP ports, whatever the addresses say.
        trouble: What is done to the wires; None for nothing.
        as_json: Print one JSON object with all addresses instead of a table.
    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with sentences():
        from lab.config.lab_file import load_lab, packaged_lab
        from lab.simulator import Serving, serving
        from lab.trouble import NO_TROUBLE

        config = load_lab(lab or packaged_lab())
        how = Serving(speed, seed, truth, results, log, ephemeral, trouble or NO_TROUBLE)
        with serving(config, how) as facts:
            _be_prompt()
            _tell(facts, as_json=as_json)
            stop.wait()


def _be_prompt() -> None:
    """Answer like hardware: no instrument waits long for another one's answer, nor for a collection of garbage."""
    sys.setswitchinterval(SWITCH_S)
    gc.collect()
    gc.freeze()


def _tell(facts: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(facts, indent=1) + "\n")
        sys.stdout.flush()
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("device", "model", box=None, header_style="bold")
    table.add_column("answers at", overflow="fold")
    for name, endpoint in facts["endpoints"].items():
        table.add_row(name, facts["models"][name], endpoint)
    # As wide as it takes, whatever the terminal: an address is to be copied.
    width = max(len(name) + len(facts["models"][name]) + len(at) for name, at in facts["endpoints"].items())
    console = Console(highlight=False, soft_wrap=True, width=width + MARGIN)
    lab, speed = facts["lab_name"], facts["speed"]
    console.print(f"simulated instruments of lab {lab}, {speed:g} times real time; Ctrl-C ends them")
    console.print(table)
    console.print(f"diffractometers leave their files in {facts['results']}")
    if facts["faulty"]:
        console.print(f"wires are broken on purpose; what was done is in {facts['faults']}")
    if facts["record"]:
        console.print(f"all that goes over the wires is in {facts['record']}")
