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
    from lab.config.lab_file import LabConfig

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
        as_json: Print one JSON object with all addresses instead of a table.
    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with sentences():
        from lab.config.lab_file import load_lab, packaged_lab
        from lab.simulator import Serving, serving

        config = load_lab(lab or packaged_lab())
        how = Serving(speed, seed, truth, results, log, ephemeral)
        with serving(config, how) as facts:
            _be_prompt()
            _tell(facts, config, as_json=as_json)
            stop.wait()


def _be_prompt() -> None:
    """Answer like hardware: no instrument waits long for another one's answer, nor for a collection of garbage."""
    sys.setswitchinterval(SWITCH_S)
    gc.collect()
    gc.freeze()


def _tell(facts: dict[str, Any], config: LabConfig, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(facts, indent=1) + "\n")
        sys.stdout.flush()
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("device", "driver", box=None, header_style="bold")
    table.add_column("answers at", overflow="fold")
    for name, endpoint in facts["endpoints"].items():
        table.add_row(name, config.devices[name].driver, endpoint)
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"simulated instruments of lab {config.name}, {facts['speed']:g} times real time; Ctrl-C ends them")
    console.print(table)
