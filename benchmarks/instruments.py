"""The figures of instruments: what bad wires do to drivers, what reading costs, and what reconnecting leaves behind.

python benchmarks/instruments.py [--quick] [--json FILE]

Every driver is tormented in processes of its own, many copies of its instrument at once, each behind a relay that
spoils its wire. Whether an action was done twice is read from the simulated plant, what was true from the simulated
instrument, and what was spoiled from the relay. With ``--json FILE`` what came of each driver is kept beside it, in
``FILE.torment``, and not done again while the source is the same.
"""

from __future__ import annotations

import sys
from pathlib import Path

# This folder may hold modules with the names of our packages; those must win.
HERE = Path(__file__).resolve().parent
sys.path = [entry for entry in sys.path if Path(entry or ".").resolve() != HERE]

import json
import math
import os
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any

os.environ.setdefault("OPHYD_CONTROL_LAYER", "dummy")

from benchmarks.instruments_harness import speed
from benchmarks.instruments_harness.rig import all_rigs
from benchmarks.report import Figure, arguments, report
from drivers.registry import driver_names

SEED = 1
TORMENT = "benchmarks.instruments_harness.torment"
FURNACE: dict[str, object] = {"limits": {"setpoint": 1100.0, "ramp": 10.0}}


@dataclass(frozen=True)
class Sizes:
    """How much is done."""

    links: int = 40
    faults: int = 250
    """For each link; with more links there are less."""
    reads: int = 3000
    polls: int = 2000
    polled_s: float = 60.0
    reconnects: int = 1000


QUICK = Sizes(links=4, faults=10, reads=200, polls=100, polled_s=4.0, reconnects=50)


class TormentError(Exception):
    """A process that was to torment a driver and failed."""


def main() -> int:
    """Measure, print, and give the exit code."""
    told = arguments("figures of instruments on good and bad wires")
    sizes, judged = (QUICK, False) if told.quick else (Sizes(), True)
    kept = None if told.json is None else told.json.with_suffix(told.json.suffix + ".torment")
    results = tormented(sizes, kept)
    figures = [*faults_of(results, sizes), *costs(sizes, judged)]
    facts = {**{result["driver"]: line_of(result) for result in results}, **residuals(results)}
    return report(figures, facts, told.json)


# ---------------------------------------------------------------- bad wires


def tormented(sizes: Sizes, kept: Path | None) -> list[dict[str, Any]]:
    """Torment every driver that has a rig, three at a time: they wait more than they work."""
    done = _kept(kept)
    missing = [driver for driver in all_rigs() if driver not in done]
    with ThreadPoolExecutor(max_workers=3) as pool:
        running = {pool.submit(_torment, driver, sizes): driver for driver in missing}
        for future in as_completed(running):
            driver = running[future]
            try:
                done[driver] = result = future.result()
            except TormentError as error:
                print(f"{driver}: {error}", flush=True)
                continue
            print(f"{driver}: {line_of(result)}", flush=True)
            if kept is not None:
                kept.write_text(json.dumps({"source": _source(), "results": done}) + "\n")
    return [done[driver] for driver in all_rigs() if driver in done]


def _torment(driver: str, sizes: Sizes) -> dict[str, Any]:
    more = all_rigs()[driver].crowd
    words = (driver, str(more * sizes.links), str(math.ceil(sizes.faults / more)), str(SEED))
    ran = subprocess.run([sys.executable, "-m", TORMENT, *words], capture_output=True, text=True, check=False)
    if ran.returncode:
        raise TormentError(f"the torment ended with {ran.returncode}: {ran.stderr[-2000:]}")
    result: dict[str, Any] = json.loads(ran.stdout)
    return result


def _kept(path: Path | None) -> dict[str, dict[str, Any]]:
    if path is None or not path.exists():
        return {}
    content = json.loads(path.read_text())
    return dict(content["results"]) if content["source"] == _source() else {}


def _source() -> str:
    tree = subprocess.run(
        ["git", "rev-parse", "HEAD:drivers", "HEAD:sim", "HEAD:benchmarks"], capture_output=True, text=True, check=True
    )
    return tree.stdout


def faults_of(results: Sequence[dict[str, Any]], sizes: Sizes) -> list[Figure]:
    """What was counted over all drivers, and the least that any driver went through."""
    checked = [result for result in results if result["checked"]]
    plain = [result for result in results if not result["checked"]]
    wanted = float(sizes.links * sizes.faults)
    return [
        Figure("drivers tormented", float(len(results)), "", float(len(driver_names())), at_most=False),
        Figure("faults for each driver, least", min(float(r["faults"]) for r in results), "", wanted, at_most=False),
        _none("actions done twice", results, "repeated"),
        _none("actions that ended well and were not done, or not so", results, "claimed"),
        _none("good looks or actions while another instrument answered", results, "strangers"),
        _none("faults not seen in time", results, "unseen"),
        _none("looks or actions without an end", results, "stuck"),
        _none("wrong values passed as good, with a checksum", checked, "wrong"),
        _none("values out of range passed as good, without one", plain, "outside"),
        _none("values that changed too fast passed as good, without one", plain, "too_fast"),
        _none("values not read twice alike passed as good, without one", plain, "unagreed"),
    ]


def residuals(results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """How often a wrong value passed range, rate and double reading, on each wire without a checksum and on all."""
    plain = [result for result in results if not result["checked"] and result["values"]]
    together = {name: sum(result[name] for result in plain) for name in ("residual", "values", "faults")}
    named = [*((result["driver"], result) for result in plain), ("all wires without a checksum", together)]
    return {f"residual of {name}": _residual(result) for name, result in named}


def _residual(result: dict[str, Any]) -> dict[str, float]:
    passed = result["residual"]
    return {
        "wrong values": passed,
        "for each fault": passed / max(1, result["faults"]),
        "for each value": passed / max(1, result["values"]),
    }


def _none(name: str, results: Sequence[dict[str, Any]], counted: str) -> Figure:
    return Figure(name, _sum(results, counted), "", 0.0, at_most=True)


def _sum(results: Sequence[dict[str, Any]], name: str) -> float:
    return float(sum(result[name] for result in results))


def line_of(result: dict[str, Any]) -> str:
    """What came of one driver, in a line."""
    said = (
        f"{result['faults']} faults of {len(result['kinds'])} kinds, {result['looks']} looks ({result['lost']} lost), "
        f"{result['actions']} actions ({result['failed']} failed, {result['repeated']} done twice, "
        f"{result['claimed']} said to be done and not), "
        f"{result['values']} values ({result['wrong']} wrong, {result['residual']} of them past all checks), "
        f"{result['strangers']} of another instrument, {result['unseen']} unseen, {result['stuck']} stuck, "
        f"{result['wall_s']:.0f} s, {result['cpu_s']:.0f} s of processor"
    )
    examples = [example for examples in result["examples"].values() for example in examples[:2]]
    return f"{said}; {'; '.join(examples)}" if examples else said


# ---------------------------------------------------------------- cost


def costs(sizes: Sizes, judged: bool) -> list[Figure]:
    """How long reads take, and what they cost."""
    entries = [*speed.furnaces(16), *speed.modules(16)]
    with speed.plant(entries) as places:
        tcp_s, bare_tcp_s = speed.median_read_s(places["safety-0"], sizes.reads)
        rtu_s, bare_rtu_s = speed.median_read_s(places["furnace-0"], sizes.reads)
        furnace_s = speed.poll_cpu_s("eurotherm-3216p", places["furnace-1"], FURNACE, sizes.polls)
        module_s = speed.poll_cpu_s("safety-io", places["safety-1"], {}, sizes.polls)
        who = [(str(entry["model"]), places[str(entry["name"])]) for entry in entries]
        share = speed.share_of_core(who, {"eurotherm-3216p": FURNACE}, sizes.polled_s)
    with speed.plant([*speed.furnaces(1), *speed.modules(1), *speed.movers(1)]) as places:
        left = speed.left_behind([places["furnace-0"], places["safety-0"]], places["mover-0"], sizes.reconnects)
    print(f"bare pymodbus: TCP {1e3 * bare_tcp_s:.3f} ms, RTU {1e3 * bare_rtu_s:.3f} ms", flush=True)
    return [
        Figure("Modbus TCP read, median", 1e3 * tcp_s, "ms", 0.3, at_most=True, judged=judged),
        Figure("Modbus RTU read at 9600, median", 1e3 * rtu_s, "ms", 15.0, at_most=True, judged=judged),
        Figure("poll of a furnace controller", 1e6 * furnace_s, "us", 150.0, at_most=True, judged=judged),
        Figure("poll of a safety module", 1e6 * module_s, "us", 150.0, at_most=True, judged=judged),
        Figure("32 instruments at 1 Hz, of a core", 100.0 * share, "%", 5.0, at_most=True, judged=judged),
        *(Figure(f"{what} left after reconnects", float(more), "", 0.0, at_most=True) for what, more in left.items()),
    ]


if __name__ == "__main__":
    raise SystemExit(main())
