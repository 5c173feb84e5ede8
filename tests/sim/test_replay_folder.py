"""A recorded run of an instrument that takes jobs out of a folder, played to the production driver."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from drivers.bus import Bus
from drivers.clock import JUMP_EPOCH_S, JumpClock
from drivers.registry import build
from drivers.transcript import TranscriptWriter
from sim import Instrument, Laboratory, Lot, serve, serve_transcript
from sim.chemistry import dispense
from sim.plant import substance
from tests.drivers.fakes import FakeGate, end_of

pytestmark = pytest.mark.system

SCAN = {"sample_id": "S1", "slot": 2, "program": "10-80deg-8min"}
MODEL, ADDRESS = "file-drop-diffractometer", "dir:sim/xrd-2"


@contextmanager
def driver(endpoint: str, results: Path, clock: JumpClock, transcript: Path) -> Iterator[Any]:
    bus, told = Bus("bus", clock), {"results": f"dir:{results}"}
    with TranscriptWriter(transcript, clock, {"xrd-2": (MODEL, ADDRESS)}) as writer:
        yield build("xrd-2", MODEL, endpoint, told, FakeGate(clock), clock, writer, bus)
        bus.close()


def measure(device: Any, clock: JumpClock, **changed: object) -> BaseException | None:
    clock.sleep_until(JUMP_EPOCH_S + 60.0)
    return end_of(clock, device.set("measure", **SCAN | changed))


def said(transcript: Path) -> list[dict[str, Any]]:
    """Everything in a transcript, files without their times."""
    entries = [json.loads(line) for line in transcript.read_text().splitlines()]
    return [entry | {"t": None} if entry.get("dir") == "file" else entry for entry in entries]


@pytest.fixture
def recorded(tmp_path: Path) -> dict[str, Path]:
    """What the laboratory recorded of one measurement, and what the simulator did."""
    clock, results = JumpClock(), tmp_path / "results"
    results.mkdir()
    plan = Laboratory(
        "cell",
        (Instrument("xrd-2", MODEL, ADDRESS, {"dir": str(results), "step_deg": 0.1}),),
        {"TiO2-a": Lot("TiO2-a", "TiO2")},
        seed=3,
    )
    found = {"laboratory": tmp_path / "lab.jsonl", "simulator": tmp_path / "sim.jsonl"}
    with (
        serve(plan, clock, tmp_path / "wires", record=found["simulator"]) as simulation,
        driver(simulation.endpoints["xrd-2"], results, clock, found["laboratory"]) as device,
    ):
        plant = simulation.plant
        holder = plant.labware_at("holders/2")
        assert holder is not None
        holder.powder = dispense(holder.powder, substance(Lot("TiO2-a", "TiO2")), 200.0, plant.truth)
        plant.move("holders/2", "xrd-2/2")
        assert measure(device, clock) is None
    return found


@pytest.mark.parametrize("side", ["laboratory", "simulator"])
def test_a_measurement_is_made_again_from_its_recording(recorded: dict[str, Path], side: str, tmp_path: Path) -> None:
    clock, again = JumpClock(), tmp_path / "again"
    again.mkdir()
    with (
        serve_transcript(recorded[side], clock, tmp_path / "played", {"xrd-2": again}) as replay,
        driver(replay.endpoints["xrd-2"], again, clock, tmp_path / "again.jsonl") as device,
    ):
        assert measure(device, clock) is None
        assert replay.mismatches == []
        assert replay.finished
        found = Path(device.result_path.get())
    assert found.read_bytes() == (tmp_path / "results" / found.name).read_bytes()
    if side == "laboratory":
        # A file comes when it was taken for whole in the recording, and is looked at once more.
        assert said(tmp_path / "again.jsonl") == said(recorded[side])


def test_a_job_that_differs_is_not_taken_and_told(recorded: dict[str, Path], tmp_path: Path) -> None:
    clock, again = JumpClock(), tmp_path / "again"
    again.mkdir()
    with (
        serve_transcript(recorded["laboratory"], clock, tmp_path / "played", {"xrd-2": again}) as replay,
        driver(replay.endpoints["xrd-2"], again, clock, tmp_path / "again.jsonl") as device,
    ):
        assert "nobody took" in str(measure(device, clock, slot=3))
        (mismatch,) = replay.mismatches
        assert not replay.finished
    assert (mismatch.link, b"1A02" in mismatch.expected, b"1A03" in mismatch.got) == ("xrd-2", True, True)


def test_a_job_of_another_sample_differs_though_it_looks_alike(recorded: dict[str, Path], tmp_path: Path) -> None:
    clock = JumpClock()
    with (
        serve_transcript(recorded["laboratory"], clock, tmp_path / "played", {"xrd-2": tmp_path}) as replay,
        driver(replay.endpoints["xrd-2"], tmp_path, clock, tmp_path / "again.jsonl") as device,
    ):
        assert "nobody took" in str(measure(device, clock, sample_id="S2"))
        assert [b"S2" in mismatch.got for mismatch in replay.mismatches] == [True]


def test_a_job_that_was_withdrawn_is_not_taken(recorded: dict[str, Path], tmp_path: Path) -> None:
    lines = recorded["laboratory"].read_text().splitlines(keepends=True)
    kept = [line for line in lines if json.loads(line).get("dir") in (None, "tx")]
    recorded["laboratory"].write_text("".join(kept))
    clock = JumpClock()
    with (
        serve_transcript(recorded["laboratory"], clock, tmp_path / "played", {"xrd-2": tmp_path}) as replay,
        driver(replay.endpoints["xrd-2"], tmp_path, clock, tmp_path / "again.jsonl") as device,
    ):
        assert "nobody took" in str(measure(device, clock))
        assert replay.mismatches == []
        assert replay.finished
