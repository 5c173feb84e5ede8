"""The production drivers make a sample in the simulated laboratory; then the recording plays it again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import zip_longest
from pathlib import Path

import pytest

from drivers.address import port_of
from drivers.bus import Bus
from drivers.clock import JumpClock
from drivers.gate import Command, Granted
from drivers.instrument import Instrument as Device
from drivers.registry import build
from drivers.transcript import TranscriptWriter
from sim import Instrument, Laboratory, Lot, Simulation, serve, serve_transcript

pytestmark = pytest.mark.system


class OpenGate:
    """Grants everything."""

    def __init__(self, clock: JumpClock) -> None:
        self._clock = clock

    def request(self, command: Command, lease: str | None, actor: str) -> Granted:
        return Granted(command, self._clock.now())


def laboratory(results: Path) -> Laboratory:
    instruments = (
        Instrument("furnace-1", "eurotherm-3216p", "modbus-rtu:sim/furnace-1/1", {"watched_by": "safety-1"}),
        Instrument("safety-1", "safety-io", "modbus-tcp://sim:5020/1"),
        Instrument("doser-1", "quantos", "pty:sim/doser-1", {"heads": {1: "BaCO3-a", 2: "TiO2-a"}}),
        Instrument("mover-1", "text-mover", "socket://sim:7101"),
        Instrument("xrd-1", "aeris", "socket://sim:7702", {"dir": str(results)}),
    )
    lots = {"BaCO3-a": Lot("BaCO3-a", "BaCO3"), "TiO2-a": Lot("TiO2-a", "TiO2", grain_um=0.5)}
    return Laboratory("powder-1", instruments, lots, seed=9)


OPTIONS: dict[str, dict[str, object]] = {
    "furnace-1": {"limits": {"setpoint": 1100.0, "ramp": 10.0}},
    "doser-1": {"limits": {"mass": 2000.0}},
    "safety-1": {"poll": 300.0},
}


class Lab:
    """All drivers on one clock."""

    def __init__(self, devices: dict[str, Device], clock: JumpClock) -> None:
        self.devices = devices
        self.clock = clock

    def do(self, device: str, verb: str, **arguments: object) -> None:
        """Do one thing and wait in lab time until it is done."""
        status = self.devices[device].set(verb, **arguments)
        while not status.done:
            self.clock.sleep_until(self.clock.now() + 30.0)
        error = status.exception()
        if error is not None:
            raise error


@contextmanager
def lab(
    endpoints: dict[str, str], models: dict[str, str], clock: JumpClock, results: Path, transcript: Path
) -> Iterator[Lab]:
    buses: dict[str, Bus] = {}
    devices = {}
    with TranscriptWriter(transcript, clock) as writer:
        for name, model in models.items():
            address = endpoints[name]
            bus = buses.setdefault(port_of(address), Bus(f"bus of {name}", clock))
            options = dict(OPTIONS.get(name, {}))
            if model == "aeris":
                options["results"] = f"dir:{results}"
            devices[name] = build(name, model, address, options, OpenGate(clock), clock, writer, bus)
        try:
            yield Lab(devices, clock)
        finally:
            for bus in buses.values():
                bus.close()


def make_a_sample(lab: Lab) -> list[object]:
    """Dose, mix, fire and measure; give what the drivers saw."""
    do, seen = lab.do, []
    do("mover-1", "move", from_position="vials/1", to_position="doser-1/1")
    for head, mass_mg in ((1, 592.0), (2, 240.0)):
        do("mover-1", "head", doser="doser-1", number=head)
        for verb in ("lock-head", "close-door"):
            do("doser-1", verb)
        do("doser-1", "dose", mass_mg=mass_mg, tolerance_mg=3.0, sample_id="S1")
        seen.append(lab.devices["doser-1"].dosed_mg.get())
        for verb in ("unlock-head", "open-door"):
            do("doser-1", verb)
    do("mover-1", "move", from_position="doser-1/1", to_position="mill-1/1")
    do("mover-1", "mix", position="mill-1/1", time_s=600.0, speed_rpm=300.0, method="ball-mill")
    do("mover-1", "pour", from_position="mill-1/1", to_position="crucibles/1")
    do("mover-1", "door", furnace="furnace-1", open=True)
    do("mover-1", "move", from_position="crucibles/1", to_position="furnace-1/1")
    do("mover-1", "door", furnace="furnace-1", open=False)
    do("safety-1", "close-contactor")
    do("furnace-1", "run-program", steps=((10.0, 900.0, 4 * 3600.0), (10.0, 40.0, 0.0)))
    do("furnace-1", "wait-cooled", below_degc=60.0)
    seen.append(lab.clock.now())
    do("mover-1", "door", furnace="furnace-1", open=True)
    do("mover-1", "move", from_position="furnace-1/1", to_position="crucibles/1")
    do("mover-1", "door", furnace="furnace-1", open=False)
    do("mover-1", "pour", from_position="crucibles/1", to_position="holders/1", mass_mg=200.0)
    do("mover-1", "move", from_position="holders/1", to_position="xrd-1/2")
    do("xrd-1", "measure", sample_id="S1", slot=2, program="10-80deg-8min")
    seen.append(Path(str(lab.devices["xrd-1"].result_path.get())).read_bytes())
    return seen


Recorded = tuple[list[object], Simulation, Path]
"""What the drivers saw, the laboratory as it was left, and the transcript."""


def record(folder: Path) -> Recorded:
    clock, results, body = JumpClock(), folder / "results", folder / "body.jsonl"
    plan = laboratory(results)
    models = {instrument.name: instrument.model for instrument in plan.instruments}
    with (
        serve(plan, clock, folder / "wires") as simulation,
        lab(simulation.endpoints, models, clock, results, body) as drivers,
    ):
        seen = make_a_sample(drivers)
    links = {i.name: {"model": i.model, "address": i.address} for i in plan.instruments}
    transcript = folder / "wire.jsonl"
    header = json.dumps({"header": {"links": links}})
    transcript.write_text(header + "\n" + body.read_text(encoding="utf-8"), encoding="utf-8")
    return seen, simulation, transcript


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    return record(tmp_path_factory.mktemp("recorded"))


def test_the_drivers_make_barium_titanate_on_the_simulated_wires(recorded: Recorded) -> None:
    seen, simulation, _ = recorded
    assert seen[0] == pytest.approx(592.0, abs=3.0)
    assert seen[1] == pytest.approx(240.0, abs=3.0)
    holder = simulation.plant.places["xrd-1"].holds[2]
    assert holder.powder.mass_mg == pytest.approx(200.0, rel=0.15)
    assert holder.powder.mass_fractions()["BaTiO3"] > 0.3
    watched = [what for _, what in simulation.plant.log if what.startswith("safety-1")]
    assert watched == ["safety-1 contactor permit closed"]


def test_equal_seeds_give_equal_recordings(recorded: Recorded, tmp_path: Path) -> None:
    first, _, first_wire = recorded
    second, _, second_wire = record(tmp_path)
    assert first == second
    # Line by line: megabytes that differ would be compared for minutes.
    with first_wire.open("rb") as one, second_wire.open("rb") as other:
        assert next((pair for pair in zip_longest(one, other) if pair[0] != pair[1]), None) is None


def test_the_recording_plays_to_the_drivers_what_the_laboratory_said(recorded: Recorded, tmp_path: Path) -> None:
    seen, _, transcript = recorded
    clock, results = JumpClock(), tmp_path / "again"
    results.mkdir()
    models = {instrument.name: instrument.model for instrument in laboratory(results).instruments}
    with (
        serve_transcript(transcript, clock, tmp_path / "played", {"xrd-1": results}) as replay,
        lab(replay.endpoints, models, clock, results, tmp_path / "again.jsonl") as drivers,
    ):
        again = make_a_sample(drivers)
        assert replay.mismatches == []
    assert again == seen
