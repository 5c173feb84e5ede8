"""The figures of safety: STOP under load, killed processes, trips, and rules with mistakes or bad inputs.

python benchmarks/safety.py [--quick] [--json FILE]

Whether a heater is off is read from the simulated plant's own record of what its outputs did, and from nothing
else. With ``--json FILE`` every trial is kept beside it, in ``FILE.trials``, and not done again while the source is
the same.
"""

from __future__ import annotations

import sys
from pathlib import Path

# This folder may hold modules with the names of our packages; those must win.
HERE = Path(__file__).resolve().parent
sys.path = [entry for entry in sys.path if Path(entry or ".").resolve() != HERE]

import os
import signal
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any

from benchmarks.report import Figure, arguments, report
from benchmarks.safety_harness.bench_lab import WATCHDOG_S
from benchmarks.safety_harness.kills import KILL, STOP, supervisor_trials
from benchmarks.safety_harness.lab_kills import CONTINUE_S, TWO_SCANS_S, lab_trials
from benchmarks.safety_harness.reactions import DEAF, PATIENCE_S, reaction_trials, undriven
from benchmarks.safety_harness.rules import LAB, Shipped, bad_inputs, killed, sequences, shipped
from benchmarks.safety_harness.served_kills import served_trials
from benchmarks.safety_harness.served_lab import measured_stops
from benchmarks.safety_harness.trials import Result, Trials

SEED = 1
SIGNAL_NAMES = {KILL: "kill -9", STOP: "SIGSTOP"}


@dataclass(frozen=True)
class Sizes:
    """How much is done."""

    stops: int = 600
    kills: int = 500
    served: int = 15
    reactions: int = 40
    scans: int = 100_000
    sequences: int = 2000


QUICK = Sizes(stops=20, kills=4, served=1, reactions=1, scans=2000, sequences=30)


@dataclass
class Bench:
    """What all figures share."""

    sizes: Sizes
    judged: bool
    trials: Trials
    folder: Path
    rules: Shipped
    facts: dict[str, Any] = field(default_factory=dict)

    def figure(self, name: str, value: float | None, unit: str, bar: float, *, at_most: bool = True) -> Figure:
        """One figure, judged as the size allows."""
        return Figure(name, value, unit, bar, at_most, judged=self.judged)

    def none_of(self, name: str, count: int, trials: int) -> Figure:
        """A figure that must be zero, with the rate that so many trials can exclude."""
        if count == 0:
            self.facts[f"95 % bound on {name}"] = f"{3 / trials:.2g} (3/{trials})"
        return self.figure(name, count, "", 0.0)


def main() -> int:
    """Measure everything and print it."""
    options = arguments("Safety: STOP, kills, trips, rules.")
    # Trials of a smaller size are others: their percentiles mean something else.
    kept = None if options.json is None else options.json.with_suffix(".quick.trials" if options.quick else ".trials")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that no process of the harness is left behind
    with tempfile.TemporaryDirectory(prefix="athanor-") as folder:
        os.environ["XDG_STATE_HOME"] = folder
        sizes = QUICK if options.quick else Sizes()
        bench = Bench(sizes, not options.quick, Trials(kept), Path(folder), shipped())
        killing = (supervisor_kill, supervisor_stop, lab_kill, lab_stop, served_kill, served_stop)
        figures = [*measured(logic, bench), *measured(stops, bench)]
        # They wait most of the time. Only where their times count for nothing are all of them done at once.
        with ThreadPoolExecutor(len(killing) if options.quick else 1) as pool:
            for found in pool.map(measured, killing, repeat(bench)):
                figures += found
        figures += measured(reactions, bench)
    facts = {
        "seed": SEED,
        "watchdog": f"{WATCHDOG_S:g} s",
        "lab": str(LAB.relative_to(HERE.parent)),
        "shortened": f"on_lab_loss from hours to {CONTINUE_S:g} s; rules that wait longer than {PATIENCE_S:g} s "
        "by a supervisor whose clock runs faster",
    }
    return report(figures, facts | bench.facts, options.json)


def measured(part: Callable[[Bench], list[Figure]], bench: Bench) -> list[Figure]:
    """Measure one part, and say how long it took."""
    began_s = time.monotonic()
    found = part(bench)
    print(f"{part.__name__.replace('_', ' ')}: {time.monotonic() - began_s:.0f} s", flush=True)
    return found


def logic(bench: Bench) -> list[Figure]:
    """What needs no process: mutants, bad inputs, sequences."""
    sizes, counts = bench.sizes, killed(bench.rules)
    total, trips = sum(counts.values()), counts["trip", True] + counts["trip", False]
    noticed = sum(number for (_, is_killed), number in counts.items() if is_killed)
    bench.facts["mutants"] = f"{total}, of them {trips} of trips"
    scans = bad_inputs(bench.trials, sizes.scans, bench.rules, SEED)
    bench.facts["scans with a bad input"] = ", ".join(f"{number} {name}" for name, number in sorted(scans.items()))
    violated = sequences(bench.trials, sizes.sequences, SEED)
    return [
        bench.figure("mutants killed", noticed / total, "", 0.95, at_most=False),
        bench.figure("mutants of trips killed", counts["trip", True] / trips, "", 1.0, at_most=False),
        bench.none_of("grants on a bad input", scans["violations"], sizes.scans),
        bench.none_of("sequences with a violation", violated, sizes.sequences),
    ]


def stops(bench: Bench) -> list[Figure]:
    """STOP over HTTP with open pages and busy cores."""
    found = measured_stops(bench.trials, bench.sizes.stops, bench.folder / "stops", SEED, bench.facts)
    times_ms = [result["ms"] for result in found if result["ms"] is not None]
    bench.facts["STOP, p50 and max"] = f"{statistics.median(times_ms):.2f} and {max(times_ms):.1f} ms to the contact"
    answered_ms = percentile([result["answered_ms"] for result in found], 0.99)
    bench.facts["STOP, answered"] = f"p99 {answered_ms:.1f} ms"
    return [
        bench.figure("STOP, POST to contact open, p99", percentile(times_ms, 0.99), "ms", 100.0),
        bench.none_of("heaters left on by a STOP", total_of(found, "left_on"), len(found)),
    ]


def supervisor_kill(bench: Bench) -> list[Figure]:
    """The supervisor killed."""
    return _supervisor(bench, KILL)


def supervisor_stop(bench: Bench) -> list[Figure]:
    """The supervisor stopped, and woken after everything was over."""
    return _supervisor(bench, STOP)


def _supervisor(bench: Bench, how: str) -> list[Figure]:
    rules, count = bench.rules, bench.sizes.kills
    found = supervisor_trials(bench.trials, how, count, bench.folder, rules.interlocks, rules.lab_values, SEED)
    name = f"supervisor {SIGNAL_NAMES[how]}"
    off_s = [result["off_s"] for result in found if result["off_s"] is not None]
    bench.facts[f"{name}, off"] = f"p50 {statistics.median(off_s):.3f} s, {len(found)} trials with heaters on"
    return [
        bench.figure(f"{name}, to heater off, max", max(off_s), "s", WATCHDOG_S + 0.1),
        bench.none_of(f"heaters left on, {name}", total_of(found, "left_on"), len(found)),
        bench.none_of(f"closed again by itself, {name}", total_of(found, "closed_again"), len(found)),
    ]


def lab_kill(bench: Bench) -> list[Figure]:
    """A process with the lab service's side of the supervisor killed."""
    return _lab(bench, KILL)


def lab_stop(bench: Bench) -> list[Figure]:
    """A process with the lab service's side of the supervisor stopped, and woken after everything was over."""
    return _lab(bench, STOP)


def _lab(bench: Bench, how: str) -> list[Figure]:
    rules, count = bench.rules, bench.sizes.kills
    found = lab_trials(bench.trials, how, count, bench.folder, rules.interlocks, rules.lab_values, SEED)
    return _lost(bench, found, f"lab's link {SIGNAL_NAMES[how]}")


def served_kill(bench: Bench) -> list[Figure]:
    """The whole lab service killed, less often."""
    return _lost(
        bench, served_trials(bench.trials, KILL, bench.sizes.served, bench.folder, SEED), "lab service kill -9"
    )


def served_stop(bench: Bench) -> list[Figure]:
    """The whole lab service stopped and woken, less often."""
    return _lost(
        bench, served_trials(bench.trials, STOP, bench.sizes.served, bench.folder, SEED), "lab service SIGSTOP"
    )


def _lost(bench: Bench, found: Sequence[Result], name: str) -> list[Figure]:
    late_s = [result["late_s"] for result in found if result["late_s"] is not None]
    return [
        bench.figure(f"{name}, later than declared, max", max(late_s), "s", TWO_SCANS_S),
        bench.none_of(f"opened before declared, {name}", total_of(found, "early"), len(found)),
        bench.none_of(f"heaters left on, {name}", total_of(found, "left_on"), len(found)),
        bench.none_of(f"new grants, {name}", total_of(found, "granted"), len(found)),
    ]


def reactions(bench: Bench) -> list[Figure]:
    """Every trip, one at a time."""
    rules, count = bench.rules, bench.sizes.reactions
    found = reaction_trials(bench.trials, count, bench.folder, rules.interlocks, rules.lab_values, SEED)
    late_s = [late for result in found if result["rule"] != DEAF for late in result["late_s"]]
    deaf_s = [late for result in found if result["rule"] == DEAF for late in result["late_s"]]
    bench.facts["trips tried"] = f"{len(found) - 1} ways, {count} times each"
    return [
        bench.figure("trip reaction beyond its time, p99", percentile(late_s, 0.99), "s", TWO_SCANS_S),
        bench.figure("trip reaction beyond its time, max", max(late_s), "s", TWO_SCANS_S),
        bench.none_of("trips that did not open", total_of(found, "missed"), len(late_s)),
        bench.figure("trips that nothing drives", len(undriven(rules.interlocks)), "", 0.0),
        bench.figure("deaf module, beyond its watchdog, max", max(deaf_s), "s", 0.1),
    ]


def total_of(found: Sequence[Result], name: str) -> int:
    """The sum of one count over all trials."""
    return sum(int(result[name]) for result in found)


def percentile(values: Sequence[float], part: float) -> float:
    """The smallest value that at least `part` of all do not exceed.

    >>> percentile([4, 1, 3, 2], 0.75)
    3
    """
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * round(1000 * part) // 1000) - 1)]


if __name__ == "__main__":
    sys.exit(main())
