"""What every benchmark prints: figures with their bars, the machine, and one line of verdict."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Figure:
    """One measured number and what it is held against."""

    name: str
    value: float | None
    """None: could not be measured, which is a miss."""
    unit: str
    bar: float
    at_most: bool
    """Whether the value must lie at or below the bar, else at or above."""
    judged: bool = True
    """False where the size of the work is too small to judge; then only a clear miss counts."""

    @property
    def met(self) -> bool:
        """Whether the figure meets its bar; a small size is given twice the room."""
        if self.value is None:
            return False
        room = 1.0 if self.judged else 2.0
        return self.value <= self.bar * room if self.at_most else self.value * room >= self.bar


def arguments(description: str) -> argparse.Namespace:
    """Read ``--quick`` and ``--json FILE``."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="a smaller size of the same work, under a minute")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    return parser.parse_args()


def report(figures: Sequence[Figure], facts: dict[str, Any], destination: Path | None) -> int:
    """Print the table and the verdict, write the JSON, and give the exit code."""
    facts = machine() | facts
    width = max(len(figure.name) for figure in figures)
    for figure in figures:
        value = "not measured" if figure.value is None else f"{figure.value:.6g}"
        verdict = "met" if figure.met else "MISSED"
        note = "" if figure.judged else "  (too small to judge)"
        sense = "<=" if figure.at_most else ">="
        print(f"{figure.name:{width}}  {value:>12} {figure.unit:8} {sense} {figure.bar:<8g} {verdict}{note}")
    for name, fact in facts.items():
        print(f"{name}: {fact}")
    if destination is not None:
        destination.write_text(json.dumps({"figures": [asdict(f) for f in figures], "facts": facts}, indent=1) + "\n")
    missed = [figure.name for figure in figures if not figure.met]
    print(f"missed: {', '.join(missed)}" if missed else f"all {len(figures)} figures met")
    return 1 if missed else 0


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    git = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    packages = ("ax-platform", "bluesky", "ophyd", "pymodbus", "torch", "pymatgen")
    return {
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        "load": " ".join(f"{load:.2f}" for load in os.getloadavg()),
        "commit": git.stdout.strip() or "unknown",
        "versions": ", ".join(f"{name} {version(name)}" for name in packages),
    }
