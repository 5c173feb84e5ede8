"""Diffractometers: a sample is measured once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from benchmarks.instruments_harness.rig import Action, Rig
from sim import Simulation
from tests.cases.case import all_cases


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

    return Rig(
        driver,
        actions=(Action("measure", rf"{name} measures \w+ in slot 2", arguments=a_new_sample),),
        prepare=with_sample,
        spoils={
            "the file is lost": spoil("lose", True, False),
            "the file is cut": spoil("cut", True, False),
            "it is of another sample": spoil("mislabel", "somebody_elses", None),
        },
        # What is in the patterns is not looked at here, and computing them would take most of the time.
        sim={"step_deg": 0.4},
        wired=wired,
        checked=False,
        speed=1200.0,
    )


def a_new_sample(random: Random) -> Mapping[str, Any]:
    """Every measurement has a name of its own."""
    return {"sample_id": f"S{random.randrange(10**12)}", "slot": 2, "program": "10-80deg-8min"}


RIGS = (rig("aeris", wired=True), rig("file-drop-diffractometer", wired=False))
