"""Torments one driver: many copies of its instrument, each behind a relay that spoils its wire, in one process.

    python -m benchmarks.instruments_harness.torment DRIVER LINKS FAULTS SEED

FAULTS is for each link. Prints one JSON object.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPHYD_CONTROL_LAYER", "dummy")

import json
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.instruments_harness.judging import judge
from benchmarks.instruments_harness.link import Link
from benchmarks.instruments_harness.rig import Rig, all_rigs
from benchmarks.instruments_harness.tally import COUNTS, LISTS, Tally
from drivers.address import port_of
from drivers.bus import Bus
from drivers.clock import ScaledClock
from drivers.errors import LinkError
from drivers.gate import Command, Granted
from drivers.pace import STEADY_S
from drivers.registry import build
from drivers.transcript import NoTranscript
from sim import Instrument, Laboratory, Lot, serve
from sim.relay.faults import Fault
from sim.relay.schedule import Schedule
from tests.cases.case import all_cases, filled

TIMEOUT_S = 0.02
"""Wall seconds until an answer is given up."""
ACT_S = 0.3
"""Wall seconds until the reply to a command is given up."""
LATE_S = 0.03
"""By how many wall seconds a late reply is late."""
QUIET_S = 0.04
"""How late a reply may be, as the driver is told."""
LASTING = 40
"""Requests for which a fault goes on that is a state: several looks."""
LASTS = {Fault.OTHER_DEVICE: 8, Fault.WRONG_DECIMALS: 16, Fault.DEAD_CONNECTION: 4}
"""Those of them after which a look ends with its first questions, so that this is several looks as well."""
EXAMPLES = 5
MEETINGS = 20
LOTS = {"TiO2-a": Lot("TiO2-a", "TiO2")}


class OpenGate:
    """Grants everything."""

    def __init__(self, clock: ScaledClock) -> None:
        self._clock = clock

    def request(self, command: Command, lease: str | None, actor: str) -> Granted:
        """Grant."""
        return Granted(command, self._clock.now())


def torment(rig: Rig, links: int, faults: int, seed: int) -> dict[str, Any]:
    """Torment a driver; gives what came of it, as JSON."""
    clock = ScaledClock(rig.speed)
    with ExitStack() as resources:
        buses: list[Bus] = []
        folder = Path(resources.enter_context(tempfile.TemporaryDirectory()))
        # Before the wires go away, whoever uses them does.
        resources.callback(_close, buses)
        watched = [_link(rig, i, clock, folder / str(i), seed, resources, buses) for i in range(links)]
        begun_s, cpu_s = time.monotonic(), time.process_time()
        threads = [
            threading.Thread(target=_torment, args=(link, rig, faults, seed + i)) for i, link in enumerate(watched)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        took_s, cpu_s = time.monotonic() - begun_s, time.process_time() - cpu_s
        _close(buses)
        done = [i for link in watched for i in link.simulation.relay.history if not i.over]
        for link in watched:
            limit_s = link.device.STALE_S * rig.speed + STEADY_S
            judge(link.tally, rig, list(link.simulation.relay.history), limit_s, link.seen)
        return {
            "driver": rig.driver,
            "checked": rig.checked,
            "faults": len(done) + sum(link.spoiled.total() for link in watched),
            "kinds": dict(sum((link.spoiled for link in watched), Counter(str(i.fault) for i in done))),
            "wall_s": took_s,
            "cpu_s": cpu_s,
            **_summed([link.tally for link in watched]),
        }


def _link(
    rig: Rig, i: int, clock: ScaledClock, folder: Path, seed: int, resources: ExitStack, buses: list[Bus]
) -> Link:
    cases = all_cases()
    case = cases[rig.driver]
    wanted = [case, *(cases[driver] for driver in rig.beside)]
    results = folder / "results"
    results.mkdir(parents=True)
    simulated = tuple(
        Instrument(one.name, one.driver, one.address, {**filled(one.sim, results), **(rig.sim if one is case else {})})
        for one in wanted
    )
    plan = Laboratory("torment", simulated, LOTS, seed=seed * 1000 + i)
    simulation = resources.enter_context(serve(plan, clock, folder / "wires"))
    address = simulation.endpoints[case.name]
    bus = Bus(port_of(address), clock)
    buses.append(bus)
    told = {
        "timeout": TIMEOUT_S,
        "act_timeout": ACT_S,
        "quiet": QUIET_S,
        **filled(case.options, results),
        "limits": case.limits,
    }
    device = build(case.name, rig.driver, address, {**told, **rig.options}, OpenGate(clock), clock, NoTranscript(), bus)
    _meet(device)
    return Link(rig, case, device, simulation, clock, f"{seed}/{i}")


def _meet(device: Any) -> None:
    """Have a device know its instrument, whose first answers may be late while so many are put up at once."""
    for _ in range(MEETINGS - 1):
        try:
            device.identify()
            return
        except LinkError:
            time.sleep(TIMEOUT_S)
    device.identify()


def _close(buses: list[Bus]) -> None:
    for bus in buses:
        bus.close()


def _torment(link: Link, rig: Rig, faults: int, seed: int) -> None:
    relay, name = link.simulation.relay, link.device.name
    if not rig.wired:
        link.torment(lambda: link.spoiled.total() >= faults)
        return
    relay.late_s = LATE_S
    possible = [fault for fault in relay.faults_of(name) if fault not in rig.beyond]
    relay.start(Schedule(rates={name: rig.rate}, seed=seed, faults=possible, lasting=LASTING, lasts=LASTS))
    link.torment(lambda: sum(not i.over for i in relay.history) >= faults)
    relay.stop()


def _summed(tallies: list[Tally]) -> dict[str, Any]:
    return {
        **{name: sum(getattr(tally, name) for tally in tallies) for name in COUNTS},
        **{name: sum(len(getattr(tally, name)) for tally in tallies) for name in LISTS},
        "slowest_s": max(tally.slowest_s for tally in tallies),
        "examples": {name: [said for tally in tallies for said in getattr(tally, name)][:EXAMPLES] for name in LISTS},
    }


def main() -> None:
    """Torment the driver that the command line names."""
    driver, links, faults, seed = sys.argv[1], *map(int, sys.argv[2:5])
    print(json.dumps(torment(all_rigs()[driver], links, faults, seed)))


if __name__ == "__main__":
    main()
