"""Diffractometers: a sample is measured once, and what counts as its measurement is whole and its own."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.instruments_harness.rig import Action, Measure, Rig, Truths
from drivers.instrument import Instrument as Device
from sim import Simulation
from tests.cases.case import all_cases

PROGRAM, FROM_DEG, TO_DEG, STEP_DEG = "10-80deg-8min", 10.0, 80.0, 0.4
"""What is in the patterns is not looked at here, and computing them at a finer step would take most of the time."""
LOOK_S = 60.0
"""Lab seconds after which a measuring program looks again for jobs."""
POINTS = round((TO_DEG - FROM_DEG) / STEP_DEG) + 1
_SAMPLE = re.compile(r"<id>([^<]*)</id>|Id: \"([^\"]*)\"")
_COUNTS = re.compile(r"<(?:intensities|counts)[^>]*>([^<]*)</")


def rig(driver: str, *, wired: bool) -> Rig:
    """A diffractometer: results that are lost, cut or of another sample must not pass as measured."""
    name = all_cases()[driver].name

    def with_sample(simulation: Simulation) -> None:
        belt, holders = simulation.plant.places[name], simulation.plant.places["holders"]
        if 2 not in belt.holds:
            belt.put(2, holders.take(min(holders.holds)))

    def spoil(what: str, spoilt: object, sound: object) -> Callable[[Simulation], Callable[[], None]]:
        def begin(simulation: Simulation) -> Callable[[], None]:
            results = simulation.plant.diffractometers[name].results
            setattr(results, what, spoilt)
            return lambda: setattr(results, what, sound)

        return begin

    def true(simulation: Simulation) -> Truths:
        instrument: Any = simulation.instruments[name]
        measures = simulation.plant.diffractometers[name].scan is not None or getattr(instrument, "busy", False)
        return {"ready": "no" if measures else "yes", "system": instrument.system}

    return Rig(
        driver,
        actions=(
            Action("measure", rf"{name} measures \w+ in slot 2", arguments=a_new_sample, check=whole_and_its_own),
        ),
        true=true,
        measures={"ready": Measure(), "system": Measure()} if wired else {},
        prepare=with_sample,
        spoils={
            "the file is lost": spoil("lose", True, False),
            "the file is cut": spoil("cut", True, False),
            "it is of another sample": spoil("mislabel", "somebody_elses", None),
        },
        sim={"step_deg": STEP_DEG} if wired else {"step_deg": STEP_DEG, "look": LOOK_S},
        wired=wired,
        checked=False,
        rate=0.04,
        speed=1200.0 if wired else 2400.0,
    )


def a_new_sample(random: Random) -> Mapping[str, Any]:
    """Every measurement has a name of its own."""
    return {"sample_id": f"S{random.randrange(10**12)}", "slot": 2, "program": PROGRAM}


def whole_and_its_own(simulation: Simulation, device: Device, told: Mapping[str, Any]) -> str:
    """Look into the file that a device says it has measured."""
    path = Path(device.result_path.get())
    text = path.read_text(encoding="utf-8")
    sample, counts = _SAMPLE.search(text), _COUNTS.search(text)
    points = len(counts[1].split()) if counts else sum(line[:1].isdigit() for line in text.splitlines())
    if path.stem != told["sample_id"] or sample is None or told["sample_id"] not in sample.groups():
        return f"and {path.name} is of another sample"
    return "" if points == POINTS else f"and {path.name} has {points} points of {POINTS}"


RIGS = (rig("aeris", wired=True), rig("file-drop-diffractometer", wired=False))
