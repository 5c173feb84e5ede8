"""Furnaces as their controllers are put up: the chamber in the plant, and whoever holds its contactor."""

from __future__ import annotations

from collections.abc import Mapping

from sim.errors import BadOptionError
from sim.instruments.safety_io import SafetyIo
from sim.plant import BoxFurnace
from sim.site import Site
from sim.spec import Instrument

FURNACE_OPTIONS: Mapping[str, object] = {"slots": 8, "watched_by": None, "atmosphere": "air"}
"""What every model of a furnace controller may be told: places for crucibles, the name of a safety module, the gas."""


def put_up_furnace(site: Site, instrument: Instrument) -> BoxFurnace:
    """Put a furnace into the plant, behind the contactor of the module that watches it.

    Raises:
        BadOptionError: Where that is no safety module of this laboratory, or it has no input left.
    """
    plant = site.plant
    furnace = BoxFurnace(instrument.name, plant.now(), plant.seed)
    plant.add_furnace(furnace, site.count(instrument, "slots"), str(site.option(instrument, "atmosphere")))
    watcher = site.option(instrument, "watched_by")
    if watcher is not None:
        module = site.instruments.get(watcher)
        if not isinstance(module, SafetyIo):
            known = [name for name, found in site.instruments.items() if isinstance(found, SafetyIo)]
            raise BadOptionError(
                f"{instrument.name}: watched_by {watcher!r} is no safety-io of this laboratory: "
                f"there are {', '.join(known) or 'none'}"
            )
        module.watch(furnace)
    return furnace


def is_door_locked(site: Site, furnace: str) -> bool:
    """Whether the module that watches a furnace holds its door locked."""
    box = site.plant.furnaces.get(furnace)
    return box is not None and isinstance(box.supply, SafetyIo) and box.supply.door_locked
