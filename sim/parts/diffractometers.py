"""Diffractometers as they are put up: the belt in the plant, and the folder that their results go to."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sim.errors import BadOptionError
from sim.plant import Diffractometer
from sim.plant.diffractometer import FIRST_SLOT, LAST_SLOT
from sim.site import Site
from sim.spec import Instrument

DIFFRACTOMETER_OPTIONS: Mapping[str, object] = {"dir": None, "step_deg": 0.02}
"""What every model of a diffractometer may be told: its results folder, which it must be, and its step in degrees."""

BELT = range(FIRST_SLOT, LAST_SLOT + 1)


def put_up_diffractometer(site: Site, instrument: Instrument, places: range = BELT) -> Diffractometer:
    """Put a diffractometer with its places into the plant.

    Raises:
        BadOptionError: Where nobody said which folder its results go to.
    """
    plant, folder = site.plant, site.option(instrument, "dir")
    if folder is None:
        raise BadOptionError(
            f"{instrument.name}: an {instrument.model} needs the option dir, the folder that its results go to"
        )
    results = Path(str(folder))
    results.mkdir(parents=True, exist_ok=True)
    step_deg = float(site.option(instrument, "step_deg"))
    diffractometer = Diffractometer(instrument.name, results, step_deg, plant.truth, plant.seed, places)
    plant.add_diffractometer(diffractometer)
    return diffractometer
