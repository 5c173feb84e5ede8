"""The figures of first light: the demo's time, the clock's speed, help at once, replay of the wire.

python benchmarks/first_light.py [--quick] [--json FILE]
"""

from __future__ import annotations

import sys
from pathlib import Path

# This folder may hold modules with the names of our packages; those must win.
HERE = Path(__file__).resolve().parent
sys.path = [entry for entry in sys.path if Path(entry or ".").resolve() != HERE]

import json
import resource
import statistics
import subprocess
import tempfile
import time
from typing import Any

from benchmarks.report import Figure, arguments, report

ROOT = HERE.parent
ATHANOR = [sys.executable, "-m", "lab"]
SEED = 1
HELP_TRIES = 7


def main() -> int:
    """Measure everything and print it."""
    options = arguments("First light: the figures of the demo campaign.")
    samples = 4 if options.quick else 16
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        summary, wall_s, cpu_s = run_demo(folder / "run", samples)
        figures = [
            Figure(f"demo, {samples} samples", wall_s, "s", 180.0, at_most=True, judged=not options.quick),
            Figure("virtual seconds per CPU second", summary["virtual_s"] / cpu_s, "", 1000.0, at_most=False),
            Figure("samples that were measured", summary["succeeded"] / samples, "", 0.9, at_most=False),
            Figure("athanor --help", help_s(), "s", 0.5, at_most=True),
            Figure("values that differ on replay of the wire", replay_differences(folder), "", 0, at_most=True),
            Figure("recipes that differ, same seed twice", seed_differences(folder), "", 0, at_most=True),
        ]
    facts = {
        "seed": SEED,
        "virtual time": f"{summary['virtual_s'] / 86400:.2f} d",
        "CPU": f"{cpu_s:.1f} s",
        "hypervolume": f"{summary['hypervolume']['value']:.2f} (simulated)",
    }
    return report(figures, facts, options.json)


def run_demo(data: Path, samples: int) -> tuple[dict[str, Any], float, float]:
    """Run the demo in a process of its own; give its summary, wall seconds and CPU seconds, workers included."""
    command = [*ATHANOR, "run", "examples/batio3.yaml", "--lab", "examples/lab.yaml", "--json"]
    command += ["--seed", str(SEED), "--budget", str(samples), "--data", str(data)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started_s = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    wall_s = time.monotonic() - started_s
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return json.loads(done.stdout), wall_s, cpu_s


def help_s() -> float:
    """The median wall time of ``athanor --help``."""
    times = []
    for _ in range(HELP_TRIES):
        started_s = time.monotonic()
        subprocess.run([*ATHANOR, "--help"], cwd=ROOT, capture_output=True, check=True)
        times.append(time.monotonic() - started_s)
    return statistics.median(times)


def replay_differences(folder: Path) -> float:
    """Play the demo's wire transcript to the drivers and count what the planner is told differently."""
    from lab.campaign.replayed import play_back
    from lab.campaign.session import campaign_work, reference_files, terms_of
    from lab.characterization import Characterization, analyze_file, load_references
    from lab.config.lab_file import load_lab

    lab = load_lab(ROOT / "examples" / "lab.yaml")
    work = campaign_work(ROOT / "examples" / "batio3.yaml", lab, None)
    references = load_references(reference_files(work.problem))

    class Analyst:
        def analyze(self, pattern: Path, picture: Path) -> Characterization:
            return analyze_file(pattern, references, "CuKa")[1]

    (folder / "replay").mkdir()
    found = play_back(folder / "run", lab, terms_of(work, lab), Analyst(), folder / "replay")
    pairs = zip(found.recorded, found.replayed, strict=False)
    different = sum(recorded != replayed for recorded, replayed in pairs)
    return float(different + abs(len(found.recorded) - len(found.replayed)) + found.mismatches)


def seed_differences(folder: Path) -> float:
    """Run a short campaign again with the same seed and count recipes that are not the same, in order."""
    count = 6 if (folder / "run" / "recipes" / "sample-006.yaml").exists() else 4
    run_demo(folder / "again", count)
    names = [f"sample-{n:03d}.yaml" for n in range(1, count + 1)]
    first, second = (folder / part / "recipes" for part in ("run", "again"))
    return float(sum((first / name).read_bytes() != (second / name).read_bytes() for name in names))


if __name__ == "__main__":
    sys.exit(main())
